"""Give the verb ``index`` bad input, and write down what it says: the cases of ``tests/bad_index_input.py``.

python benchmarks/index_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bad_input import judge, tried
from measure import ROOT, Measurement

sys.path.insert(0, str(ROOT / "tests"))

from bad_index_input import BAD, save_models, write_texts


def main() -> None:
    """Parse the options, try every case, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    out = parser.parse_args().out.resolve()
    result = Measurement("index_bad_input")
    with TemporaryDirectory() as folder, result.phase("cases"):
        place = Path(folder) / "place"
        models = save_models(Path(folder) / "models")
        place.mkdir()
        os.chdir(place)
        write_texts(place)
        for words in (["create", "library", "--model", models[0]], ["add", "library", "texts"]):
            code, told = tried(["index", *words])
            if code:
                raise SystemExit(told)
        shutil.copytree(place, Path(folder) / "clean")
        for name, act, words, code, told in BAD:
            os.chdir(folder)
            shutil.rmtree(place)
            shutil.copytree(Path(folder) / "clean", place)
            os.chdir(place)
            if act is not None:
                act()
            answer = tried(["index", *({"MODEL": models[0], "OTHER": models[1]}.get(word, word) for word in words)])
            names = {models[0]: "MODEL", models[1]: "OTHER", folder: ""}
            judge(result, name, ["index", *words], answer, (code, told), names=names)
    result.figures |= {"cases": float(len(BAD)), "told_plainly": float(sum(s["score"] for s in result.scores))}
    result.write(out)


if __name__ == "__main__":
    main()
