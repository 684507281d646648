"""Give the verbs ``mine`` and ``score`` bad input, and write down what each says: ``tests/bad_mining_input.py``.

python benchmarks/mining_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, Measurement, say

from mling_embed import cli

sys.path.insert(0, str(ROOT / "tests"))

from bad_index_input import save_models
from bad_mining_input import ERRORS, REJECTED, of_side, write, write_good


@contextmanager
def good_sides(files: dict[str, bytes]) -> Iterator[None]:
    """Go to a folder of two good sides and some files, for a while."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            write_good()
            write(files)
            yield
        finally:
            os.chdir(before)


def run(words: Sequence[str]) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()):
        code = cli.main(list(words))
    return code, told.getvalue().strip()


def try_errors(result: Measurement, model: str) -> None:
    """Try what ends with an error."""
    for name, (files, words, code, told) in ERRORS.items():
        with good_sides(files):
            found, said = run([model if word == "TEACHER" else word for word in words])
        good = found == code and told in said and "Traceback" not in said
        lines = [line for line in said.replace(model, "MODEL").splitlines() if line.strip()]
        message = " ".join(lines[-2:]) if lines else ""
        command = " ".join(words).replace("TEACHER", "MODEL")
        row = {"task": name, "n": 1, "score": float(good), "command": command, "exit code": found, "said": message}
        result.scores.append(row)
        say(f"{'ok' if good else 'WRONG'}: {name}: {found}: {message}")


def try_rejects(result: Measurement) -> None:
    """Try lines that cannot be used: they are counted and kept, and the others are mined."""
    for name, (side, data, reasons) in REJECTED.items():
        words = of_side(side, "--rejects", "rejects.jsonl")
        with good_sides({side: data}):
            found, said = run(words)
            lines = Path("rejects.jsonl").read_text(encoding="utf-8").splitlines()
        counts = Counter(json.loads(line)["reason"] for line in lines)
        good = (
            found == 0 and counts == reasons and all(f"{count} {reason}" in said for reason, count in reasons.items())
        )
        message = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        row = {"task": name, "n": 1, "score": float(good), "command": " ".join(words), "exit code": found}
        result.scores.append(row | {"said": f"rejected: {message}"})
        say(f"{'ok' if good else 'WRONG'}: {name}: {found}: {message}")


def main() -> None:
    """Parse the options, try every case, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    out = parser.parse_args().out.resolve()
    result = Measurement("mining_bad_input")
    with TemporaryDirectory() as folder, result.phase("cases"):
        model, _ = save_models(Path(folder) / "models")
        try_errors(result, model)
        try_rejects(result)
    cases = len(result.scores)
    result.figures |= {"cases": float(cases), "told_plainly": float(sum(row["score"] for row in result.scores))}
    result.write(out)


if __name__ == "__main__":
    main()
