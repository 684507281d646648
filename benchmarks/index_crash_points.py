"""Interrupt an index at every step of every change: crashes, full disks, input errors; count what is torn or untold.

Each of adding, replacing, deleting, publishing, compacting, re-encoding and rebuilding is done on copies of a small
index: once for each write, fsync, rename, removal and commit of it, at which the process dies; and once for each
write, fsync, rename and commit, which fails (no space left, input/output error). Afterwards the index must hold the
state before or the state after, whole, and answer as a brute force does; a failure must have been told, with its file.

The attacks are those of the tests (``tests/index_crashes.py``).

python benchmarks/index_crash_points.py OUT
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
from measure import ROOT, Measurement, say

sys.path.insert(0, str(ROOT / "tests"))

from index_crashes import OPERATIONS, Interruption, Oracle, crashes, failures, small_index

Ways = dict[str, Callable[[Path, Oracle, str, Path], Iterator[Interruption]]]
WAYS: Ways = {
    "crash": crashes,
    "no space left": lambda source, before, name, folder: failures(source, before, name, folder, errno.ENOSPC),
    "input/output error": lambda source, before, name, folder: failures(source, before, name, folder, errno.EIO),
}


def main() -> None:
    """Parse the options, interrupt, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)  # a forked process has no other threads
    result = Measurement("index_crash_points", seeds=[0])
    points = dict.fromkeys(WAYS, 0)
    wrong = 0
    with TemporaryDirectory() as place, result.phase("interruptions"):
        source = Path(place) / "source"
        before = small_index(source)
        for way, interrupted in WAYS.items():
            for name in OPERATIONS:
                with TemporaryDirectory() as folder:
                    found = list(interrupted(source, before, name, Path(folder)))
                faults = [each for each in found if each.faults]
                n = sum(each.interrupted for each in found)
                points[way], wrong = points[way] + n, wrong + len(faults)
                score = 1 - len(faults) / len(found)
                result.scores.append({"task": f"{way}: {name}", "n": n, "score": score})
                say(f"{result.scores[-1]} {faults}")
    result.figures |= {"crash_points": float(points.pop("crash")), "failing_points": float(sum(points.values()))}
    result.figures["lost_torn_wrong_or_untold"] = float(wrong)
    result.write(options.out)


if __name__ == "__main__":
    main()
