"""Open an index of a million rows: how long until it is open, and until the first query is answered.

Vectors are synthetic (random directions), texts a few words; what is opened has the size of the real thing. Every
opening is a process of its own. With ``--index`` the index is kept, and made only if it is not there.

python benchmarks/index_open.py OUT [--rows 1000000] [--dim 384] [--index FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measure import Measurement, say, talk

from mling_embed.indexing.index import Index
from mling_embed.indexing.storage.rows import Entry
from mling_embed.indexing.upkeep.stats import bytes_of

STEP, OPENINGS, LIMIT = 20_000, 5, 1.0
SCRIPT = """
import json, sys, time
import numpy as np
from mling_embed.indexing.index import Index
began = time.perf_counter()
index = Index.open(sys.argv[1])
opened = time.perf_counter() - began
query = np.random.default_rng(1).standard_normal((1, int(sys.argv[2])), dtype=np.float32)
began = time.perf_counter()
index.search_vectors(query, 10)
first = time.perf_counter() - began
began = time.perf_counter()
index.search_vectors(query, 10)
print(json.dumps({"open": opened, "first": first, "next": time.perf_counter() - began, "rows": index.count()}))
"""


class Nothing:
    """Stand for the encoder of an index that is given all its vectors."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    def encode(self, texts: list[str]) -> np.ndarray:
        """Encode nothing; only the width is asked for."""
        return np.ones((len(texts), self._dim), dtype=np.float32)


def make(path: Path, rows: int, dim: int) -> None:
    """Make the index, or go on making it."""
    drawn = np.random.default_rng(0)
    model = Nothing(dim)
    with Index.open(path, model=model) if path.exists() else Index.create(path, model=model, kind="flat") as index:
        for start in range(0, rows, STEP):
            vectors = drawn.standard_normal((min(STEP, rows - start), dim), dtype=np.float32)
            if start < index.count():
                continue
            ids = [f"row-{start + at}" for at in range(len(vectors))]
            index.add_entries([Entry(id_, f"text {id_}", "en") for id_ in ids], vectors=vectors)
            talk("rows", start + len(vectors), rows)
        index.publish()


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--index", type=Path, help="where the index is kept")
    options = parser.parse_args()
    result = Measurement("index_open", seeds=[0], facts={"rows": options.rows, "dim": options.dim})
    with TemporaryDirectory() as folder:
        path = options.index or Path(folder) / "index"
        done = path.with_name(f"{path.name}.done")
        if not done.exists():
            with result.phase("make"):
                make(path, options.rows, options.dim)
            done.touch()
        result.facts["bytes"] = bytes_of(path)
        for number in range(OPENINGS):
            command = [sys.executable, "-c", SCRIPT, str(path), str(options.dim)]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            say(str(told))
            result.scores.append(
                {"task": f"opening {number + 1}", "n": 1, "score": float(told["open"] < LIMIT), **told}
            )
        for name in ("open", "first", "next"):
            seconds = [score[name] for score in result.scores]
            result.figures[f"{name}_seconds"] = float(np.median(seconds))
        result.figures["open_seconds_worst"] = max(score["open"] for score in result.scores)
    result.write(options.out)


if __name__ == "__main__":
    main()
