"""What Ray costs at one machine: a mining in process and on a local cluster, and tasks that do nothing.

The bytes of both minings are compared. The cluster has one processor, and is started before the clock is.

python benchmarks/engines_overhead.py OUT [--rows 20000] [--shard-rows 4000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from measure import Measurement, say

from mling_embed.engines.engine import Engine, InProcess
from mling_embed.engines.ray_cluster import RayCluster
from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.sides import MiningOptions
from mling_embed.progress import silent

DIM, NOTHING = 128, 200


@dataclass(frozen=True)
class Nothing:
    """Write an empty file."""

    path: Path
    needs_model: bool = False
    threads: int = 1

    def is_done(self) -> bool:
        """Tell whether it is there."""
        return self.path.exists()

    def run(self) -> None:
        """Write it."""
        self.path.touch()


def mined(folder: Path, engine: Engine, rows: int, shard_rows: int) -> tuple[float, str]:
    """Mine vectors, and return the seconds and the SHA-256 of the pairs."""
    drawn = np.random.default_rng(0)
    source = drawn.standard_normal((rows, DIM), dtype=np.float32)
    target = source + drawn.standard_normal((rows, DIM), dtype=np.float32)
    texts = [f"sentence {number}" for number in range(rows)], [f"Satz {number}" for number in range(rows)]
    options = MiningOptions(work=folder / "work", shard_rows=shard_rows, engine=engine)
    began = time.perf_counter()
    found = mine_bitext(*texts, vectors=(source, target), options=options)
    seconds = time.perf_counter() - began
    (path,) = found.write(folder / "pairs.tsv")
    return seconds, sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts = {"rows": options.rows, "dim": DIM, "tiles": (-(-options.rows // options.shard_rows)) ** 2}
    result = Measurement("engines_overhead", seeds=[0], facts=facts)
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    with result.phase("start of a cluster"):
        import ray

        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    engines: dict[str, Engine] = {"in process": InProcess(), "Ray": RayCluster()}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    sums = set()
    for number in range(options.rounds + 1):  # the first loads the code into the workers
        for name, engine in engines.items():
            with TemporaryDirectory() as folder:
                taken, digest = mined(Path(folder), engine, options.rows, options.shard_rows)
            sums.add(digest)
            if number:
                seconds[name].append(taken)
                say(f"{name}: {taken:.2f} s")
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        RayCluster().run([Nothing(Path(folder) / str(n)) for n in range(NOTHING)], work="nothing", progress=silent)
        each = (time.perf_counter() - began) / NOTHING
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result.scores = [{"task": name, "n": options.rows, "score": value} for name, value in medians.items()]
    result.figures = {
        "ratio_ray_to_process": medians["Ray"] / medians["in process"],
        "seconds_of_a_task_that_does_nothing": each,
        "equal": float(len(sums) == 1),
    }
    say(str(result.figures))
    ray.shutdown()
    result.write(options.out)


if __name__ == "__main__":
    main()
