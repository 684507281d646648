"""Give ``align`` and the engines bad input, and write down what they say: the cases of ``tests/bad_*_input.py``.

python benchmarks/spread_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_input import judge, tried
from measure import ROOT, Measurement

from mling_embed.files import HOME_VARIABLE

sys.path.insert(0, str(ROOT / "tests"))

import bad_align_input
import bad_engine_input


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
                    answer = tried(["./model" if word == "TEACHER" else word for word in words], around)
                    os.chdir(ROOT)
                judge(result, f"{kind}: {name}", words, answer, (code, told), names={f"{place}/": ""})
        rows = [row for row in result.scores if row["task"].startswith(kind)]
        result.figures |= {f"cases_{kind}": float(len(rows)), f"told_plainly_{kind}": sum(row["score"] for row in rows)}
    result.write(out)


if __name__ == "__main__":
    main()
