"""Attack an index at length: kills at random moments, and damage to every file; count what is lost, torn or wrong.

- ``--kills`` times a process that adds, replaces, deletes, publishes, compacts and re-encodes is killed (SIGKILL) at a
  random moment. Afterwards the index must hold what was acknowledged, and of what was at work all or nothing; answers
  are compared with a brute force.
- ``--damages`` times a bit is flipped, an end cut off, a page zeroed or some bytes overwritten in one file of an index,
  with and without a write-ahead log. Each must be found on open, on return or by `verify`, or change nothing.

The attacks are those of the tests (``tests/index_crashes.py``).

The attacks come in shards, each with a seed of its own. With ``--work`` their counts are kept in a folder, so that a
run that was stopped goes on; shards of another commit are done again.

python benchmarks/index_attacks.py OUT [--kills 1000] [--damages 10000] [--shards 20] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
from measure import ROOT, Measurement, commit, say

from mling_embed.files import write_json

sys.path.insert(0, str(ROOT / "tests"))

from index_crashes import MODELS, Oracle, answers_by_words, attacked_index, damage, judge, kill_once

from mling_embed.indexing.index import Index


def killed(folder: Path, n: int, chance: random.Random) -> Counter[str]:
    """Kill, look, go on."""
    path, oracle = folder / "killed", Oracle()
    Index.create(path, model=MODELS[0]).close()
    counts: Counter[str] = Counter()
    for number in range(n):
        kill = kill_once(path, oracle, chance=chance, longest=0.3)
        oracle = kill.oracle
        counts["kills"] += 1
        counts["acknowledged"] += kill.acknowledged
        counts[f"killed during {kill.at_work or 'nothing'}"] += 1
        if kill.faults:
            counts["kills_lost_torn_or_wrong"] += 1
            say(f"kill {number}: {kill.faults}")
            shutil.rmtree(path)
            oracle = Oracle()
            Index.create(path, model=MODELS[0]).close()
    return counts


def damaged(folder: Path, n: int, chance: random.Random) -> Counter[str]:
    """Damage copies of an index, one file each."""
    sources = [(folder / f"log-{log}", attacked_index(folder / f"log-{log}", log=log)) for log in (True, False)]
    by_words = [answers_by_words(Path(shutil.copytree(path, f"{path}-asked")), oracle) for path, oracle in sources]
    counts: Counter[str] = Counter()
    for number in range(n):
        source, oracle = sources[number % 2]
        path = folder / "damaged"
        shutil.copytree(source, path)
        done = damage(path, chance)
        verdict = judge(path, oracle, chance, by_words=by_words[number % 2])
        if verdict.wrong:
            say(f"{done}: {verdict}")
        counts["damages"] += 1
        counts[f"damages_{verdict.outcome}"] += 1
        where = verdict.where.partition(":")[0]
        counts[f"{Path(done.file).name}: {verdict.outcome} {where}".strip()] += 1
        shutil.rmtree(path)
    return counts


def attacked(kept: Path | None, shard: int, kills: int, damages: int) -> Counter[str]:
    """Do one shard, or read what it counted."""
    facts = {"commit": commit(), "shard": shard, "kills": kills, "damages": damages}
    path = kept / f"shard-{shard:03d}.json" if kept is not None else None
    if path is not None and path.exists():
        before = json.loads(path.read_text())
        if before["facts"] == facts:
            return Counter(before["counts"])
    with TemporaryDirectory() as folder:
        counts = killed(Path(folder), kills, random.Random(shard)) + damaged(
            Path(folder), damages, random.Random(shard)
        )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"facts": facts, "counts": counts})
    say(f"shard {shard}: {dict(counts)}")
    return counts


def main() -> None:
    """Parse the options, attack, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--damages", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--work", type=Path, help="where the counts of shards are kept")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)  # a forked process has no other threads
    result = Measurement("index_attacks", seeds=list(range(options.shards)))
    counts: Counter[str] = Counter()
    with result.phase("attacks"):
        for shard in range(options.shards):
            counts += attacked(options.work, shard, options.kills // options.shards, options.damages // options.shards)
    names = ("kills", "acknowledged", "kills_lost_torn_or_wrong", "damages", "damages_detected", "damages_harmless")
    result.figures |= {name: float(counts[name]) for name in (*names, "damages_wrong")}
    for task, count in sorted(counts.items()):
        if task not in result.figures:
            result.scores.append({"task": task, "n": count, "score": float("wrong" not in task)})
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
