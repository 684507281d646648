"""Give ``align`` and the engines bad input, and write down what they say: the cases of ``tests/bad_*_input.py``.

python benchmarks/spread_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import ROOT, Measurement, say

from mling_embed import cli
from mling_embed.files import HOME_VARIABLE

sys.path.insert(0, str(ROOT / "tests"))

import bad_align_input
import bad_engine_input


def tried(words: list[str], around: Callable[[], Any]) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()), around():
        code = cli.main(words)
    return code, told.getvalue().strip()


def main() -> None:
    """Parse the options, try every case, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    out = parser.parse_args().out.resolve()
    result = Measurement("spread_bad_input")
    align = [
        (" ".join(words[1:]), bad_engine_input.nothing, words, code, told) for words, code, told in bad_align_input.BAD
    ]
    for kind, cases in (("align", align), ("engines", bad_engine_input.BAD)):
        with result.phase(kind):
            for name, around, words, code, told in cases:
                with TemporaryDirectory() as folder:
                    place = Path(folder).resolve()
                    os.environ[HOME_VARIABLE] = str(place / "home")
                    os.chdir(place)
                    bad_engine_input.write_place(place)
                    bad_align_input.write_documents()
                    found, said = tried(["./model" if word == "TEACHER" else word for word in words], around)
                    os.chdir(ROOT)
                said = said.replace(f"{place}/", "")
                good = found == code and told in said and "Traceback" not in said
                lines = [line for line in said.splitlines() if line.strip()]
                message = lines[-1] if lines else ""
                row = {"task": f"{kind}: {name}", "n": 1, "score": float(good), "command": " ".join(words)}
                result.scores.append({**row, "exit code": found, "said": message})
                say(f"{'ok' if good else 'WRONG'}: {kind}: {name}: {found}: {message}")
        rows = [row for row in result.scores if row["task"].startswith(kind)]
        result.figures |= {f"cases_{kind}": float(len(rows)), f"told_plainly_{kind}": sum(row["score"] for row in rows)}
    result.write(out)


if __name__ == "__main__":
    main()
