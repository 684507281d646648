"""Give the verbs ``mine`` and ``score`` bad input, and write down what each says: ``tests/bad_mining_input.py``.

python benchmarks/mining_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_input import add_row, judge, tried
from measure import ROOT, Measurement

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


def try_errors(result: Measurement, model: str) -> None:
    """Try what ends with an error."""
    for name, (files, words, code, told) in ERRORS.items():
        with good_sides(files):
            answer = tried([model if word == "TEACHER" else word for word in words])
        judge(result, name, words, answer, (code, told), names={model: "TEACHER"})


def try_rejects(result: Measurement) -> None:
    """Try lines that cannot be used: they are counted and kept, and the others are mined."""
    for name, (side, data, reasons) in REJECTED.items():
        words = of_side(side, "--rejects", "rejects.jsonl")
        with good_sides({side: data}):
            code, said = tried(words)
            lines = Path("rejects.jsonl").read_text(encoding="utf-8").splitlines()
        counts = Counter(json.loads(line)["reason"] for line in lines)
        told = [f"{count} {reason}" for reason, count in counts.items()]
        good = code == 0 and counts == reasons and all(each in said for each in told)
        add_row(result, name, " ".join(words), good=good, code=code, message=f"rejected: {', '.join(told)}")


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
