"""Give the verb ``index`` bad input, and write down what it says: the cases of ``tests/bad_index_input.py``.

python benchmarks/index_bad_input.py OUT
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, Measurement, say

from mling_embed import cli

sys.path.insert(0, str(ROOT / "tests"))

from bad_index_input import BAD, save_models, write_texts


def run(words: list[str]) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()):
        code = cli.main(["index", *words])
    return code, told.getvalue().strip()


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
            code, told = run(words)
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
            found, said = run([{"MODEL": models[0], "OTHER": models[1]}.get(word, word) for word in words])
            said = said.replace(models[0], "MODEL").replace(models[1], "OTHER").replace(folder, "")
            good = found == code and told in said and "Traceback" not in said
            lines = [line for line in said.splitlines() if line.strip()]
            message = " ".join(lines[-2:]) if lines else ""
            command = f"index {' '.join(words)}"
            row = {"task": name, "n": 1, "score": float(good), "command": command, "exit code": found, "said": message}
            result.scores.append(row)
            say(f"{'ok' if good else 'WRONG'}: {name}: {found}: {message}")
    result.figures |= {"cases": float(len(BAD)), "told_plainly": float(sum(s["score"] for s in result.scores))}
    result.write(out)


if __name__ == "__main__":
    main()
