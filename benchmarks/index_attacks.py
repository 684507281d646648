"""Attack an index at length: kills at random moments, and damage to every file; count what is lost, torn or wrong.

- ``--kills`` times a process that adds, replaces, deletes, publishes, compacts and re-encodes is killed (SIGKILL) at a
  random moment. Afterwards the index must hold what was acknowledged, and of what was at work all or nothing; answers
  are compared with a brute force.
- ``--damages`` times a bit is flipped, an end cut off, a page zeroed or some bytes overwritten in one file of an index,
  with and without a write-ahead log. Each must be found on open, on return or by `verify`, or change nothing.

The attacks are those of the tests (``tests/index_crashes.py``).

python benchmarks/index_attacks.py OUT [--kills 1000] [--damages 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
from measure import ROOT, Measurement, say, talk

sys.path.insert(0, str(ROOT / "tests"))

from index_crashes import MODELS, Oracle, attacked_index, damage, judge, kill_once

from mling_embed.indexing.index import Index


def killed(result: Measurement, folder: Path, n: int, chance: random.Random) -> None:
    """Kill, look, go on."""
    path, oracle, acknowledged = folder / "killed", Oracle(), 0
    Index.create(path, model=MODELS[0]).close()
    at_work: Counter[str] = Counter()
    wrong = 0
    for number in range(n):
        kill = kill_once(path, oracle, chance=chance, longest=0.3)
        oracle, acknowledged = kill.oracle, acknowledged + kill.acknowledged
        at_work[kill.at_work or "nothing"] += 1
        if kill.faults:
            wrong += 1
            say(f"kill {number}: {kill.faults}")
            shutil.rmtree(path)
            oracle = Oracle()
            Index.create(path, model=MODELS[0]).close()
        talk("kills", number + 1, n)
    result.figures |= {"kills": float(n), "acknowledged": float(acknowledged), "kills_lost_torn_or_wrong": float(wrong)}
    result.scores += [{"task": f"killed during {name}", "n": count, "score": 1.0} for name, count in at_work.items()]


def damaged(result: Measurement, folder: Path, n: int, chance: random.Random) -> None:
    """Damage copies of an index, one file each."""
    sources = [(folder / f"log-{log}", attacked_index(folder / f"log-{log}", log=log)) for log in (True, False)]
    outcomes: Counter[tuple[str, str, str]] = Counter()
    for number in range(n):
        source, oracle = sources[number % 2]
        path = folder / "damaged"
        shutil.copytree(source, path)
        done = damage(path, chance)
        verdict = judge(path, oracle, chance)
        if verdict.wrong:
            say(f"{done}: {verdict}")
        outcomes[verdict.outcome, verdict.where.partition(":")[0], Path(done.file).name] += 1
        shutil.rmtree(path)
        talk("damages", number + 1, n)
    for (outcome, where, file), count in sorted(outcomes.items()):
        result.scores.append(
            {"task": f"{file} {outcome} {where}".strip(), "n": count, "score": float(outcome != "wrong")}
        )
    totals = Counter[str]()
    for (outcome, _, _), count in outcomes.items():
        totals[outcome] += count
    names = ("detected", "harmless", "wrong")
    result.figures |= {"damages": float(n), **{f"damages_{name}": float(totals[name]) for name in names}}


def main() -> None:
    """Parse the options, attack, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--damages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)  # a forked process has no other threads
    result = Measurement("index_attacks", seeds=[options.seed])
    with TemporaryDirectory() as folder:
        with result.phase("kills"):
            killed(result, Path(folder), options.kills, random.Random(options.seed))
        with result.phase("damages"):
            damaged(result, Path(folder), options.damages, random.Random(options.seed))
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
