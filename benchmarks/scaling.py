"""Measure what mining costs a sentence, predict larger runs, check the prediction, and write SCALING.md.

Constants are processor seconds of one thread: of the inner products and the scan of a tile, of keeping and merging it,
of encoding. The simulation gives tiles to workers in turn, counts what travels over the network, and merges in one
process. The same simulation is asked for runs that are made, at ``--sizes``, and for a million to a billion sentences
a side.

python benchmarks/scaling.py OUT [--sizes 10000,30000,100000] [--dim 64] [--model MODEL ...] [--page SCALING.md]
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from measure import FOLDER, Measurement, peak_rss_bytes, say
from rendering import cell, table

from mling_embed.files import write_text

SHARD_ROWS, K = 1 << 15, 5
RATE_ROWS = 1 << 14  # sides of the tiles that constants are measured on, near to those of a run
CHECKED = "--checked"


@dataclass(frozen=True)
class Constants:
    """Hold what one thread needs.

    Attributes:
        pair_seconds: Of a pair of sentences: looking at its inner product.
        product_seconds: Of a pair and a dimension: computing it.
        merge_seconds: Of a row of a tile: keeping, reading and merging its neighbors.
        row_seconds: Of a sentence: reading its vector, naming it, selecting and writing pairs.
    """

    pair_seconds: float
    product_seconds: float
    merge_seconds: float
    row_seconds: float


@dataclass(frozen=True)
class Machines:
    """Describe machines of one kind.

    Attributes:
        name: What they are.
        count: How many.
        workers: Tiles at a time on each.
        speed: How much faster a worker is than the measured thread at products.
        scan_speed: How much faster at looking at them.
        network: Bytes a second between each machine and the shared folder.
        encoding: Sentences a second that each machine encodes.
    """

    name: str
    count: int
    workers: int
    speed: float
    scan_speed: float
    network: float
    encoding: float


@dataclass(frozen=True)
class Cost:
    """Hold what a run takes."""

    encoding_hours: float
    tile_hours: float
    merge_hours: float
    network_bytes: float
    disk_bytes: float
    merge_memory_bytes: float
    tiles: float


def tile_seconds(constants: Constants, rows: float, others: float, dim: int, machines: Machines) -> float:
    """Return the seconds of a worker for a tile."""
    pairs = rows * others
    product = constants.product_seconds * pairs * dim / machines.speed
    return product + constants.pair_seconds * pairs / machines.scan_speed


def simulate(constants: Constants, n: int, dim: int, machines: Machines, *, shard_rows: int = SHARD_ROWS) -> Cost:
    """Return the cost of mining `n` sentences a side, every shard against every shard."""
    shards = math.ceil(n / shard_rows)
    rows = n / shards
    tiles = shards * shards
    vectors, kept = rows * dim * 4, rows * K * 12 * 2
    compute = tile_seconds(constants, rows, rows, dim, machines)
    travel = (2 * vectors + kept) / (machines.network / machines.workers)
    workers = machines.count * machines.workers
    if tiles <= 1_000_000:
        free = [0.0] * min(workers, tiles)
        heapq.heapify(free)
        for _ in range(tiles):
            heapq.heappush(free, heapq.heappop(free) + compute + travel)
        seconds = max(free)
    else:
        seconds = math.ceil(tiles / workers) * (compute + travel)
    merge = tiles * 2 * rows * constants.merge_seconds + 2 * n * constants.row_seconds
    return Cost(
        encoding_hours=2 * n / (machines.count * machines.encoding) / 3600,
        tile_hours=seconds / 3600,
        merge_hours=merge / 3600,
        network_bytes=float(tiles * (2 * vectors + kept)),
        disk_bytes=float(2 * n * dim * 4 + tiles * kept),
        merge_memory_bytes=float(2 * n * (K * (16 + 64) + 400)),
        tiles=float(tiles),
    )


def seconds_of(work: Any, *, least: float = 1.0) -> float:
    """Return the processor seconds of a call, the least of several."""
    work()  # compiles
    best, spent = math.inf, 0.0
    while spent < least:
        began = time.process_time()
        work()
        taken = time.process_time() - began
        best, spent = min(best, taken), spent + taken
    return best


def measured_constants() -> Constants:
    """Measure tiles of two widths, and the merging of one."""
    from mling_embed.engines.array_store import ArrayStore
    from mling_embed.mining.tiles import _keep, _load
    from mling_embed.neighbors.order import Neighbors, merge
    from mling_embed.neighbors.topk import top_k_both

    drawn = np.random.default_rng(0)
    taken = {}
    for dim in (64, 384):
        sides = [drawn.standard_normal((RATE_ROWS, dim), dtype=np.float32) for _ in range(2)]
        sides = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in sides]
        taken[dim] = seconds_of(lambda sides=sides: top_k_both(sides[0], sides[1], K)) / RATE_ROWS**2
    product = (taken[384] - taken[64]) / (384 - 64)
    found = top_k_both(sides[0], sides[1], K)
    none = Neighbors(np.empty((RATE_ROWS, 0), dtype=np.int64), np.empty((RATE_ROWS, 0)))
    with TemporaryDirectory() as folder:
        store = ArrayStore(Path(folder))

        def keep_and_merge() -> None:
            _keep(store, "k" * 64, found)
            tile = _load(store, "k" * 64)
            for part in tile or ():
                merge([none, part], K, offsets=[0, 0])

        merging = seconds_of(keep_and_merge) / (2 * RATE_ROWS)
    rows = checked_run(RATE_ROWS, 64, SHARD_ROWS)
    left = rows["seconds"] - RATE_ROWS**2 * taken[64] - 2 * RATE_ROWS * merging
    return Constants(taken[64] - 64 * product, product, merging, max(left, 0.0) / (2 * RATE_ROWS))


def checked_run(n: int, dim: int, shard_rows: int) -> dict[str, float]:
    """Mine in a process of its own; return its processor seconds and its largest memory."""
    command = [sys.executable, __file__, "-", CHECKED, str(n), "--dim", str(dim), "--shard-rows", str(shard_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return {"seconds": seconds, "memory": memory}


def mine_and_tell(n: int, dim: int, shard_rows: int) -> None:
    """Mine random sides, a half of one being near the other, and print processor seconds and memory."""
    from mling_embed.mining.mine import mine_bitext
    from mling_embed.mining.sides import MiningOptions

    torch.set_num_threads(1)
    drawn = np.random.default_rng(0)
    source = drawn.standard_normal((n, dim), dtype=np.float32)
    target = source + 0.3 * drawn.standard_normal((n, dim), dtype=np.float32)
    target[n // 2 :] = drawn.standard_normal((n - n // 2, dim), dtype=np.float32)
    texts = [f"sentence {number}" for number in range(n)], [f"Satz {number}" for number in range(n)]
    small = source[:64], target[:64]
    mine_bitext(texts[0][:64], texts[1][:64], vectors=small)  # compiles
    with TemporaryDirectory() as folder:
        began = time.process_time()
        options = MiningOptions(work=Path(folder), shard_rows=shard_rows)
        mine_bitext(*texts, vectors=(source, target), options=options)
        print(time.process_time() - began, peak_rss_bytes())


def encoding_rate(model: str) -> float:
    """Return the sentences of about 20 words that one thread encodes in a processor second."""
    from mling_embed.encoders.loading import load

    encoder = load(model)
    texts = [
        f"the number {number} of these sentences is about the weather, and it goes on in this way to its end"
        for number in range(64)
    ]
    return len(texts) / seconds_of(lambda: encoder.encode(texts))


def page(result: Measurement) -> str:
    """Return SCALING.md."""
    facts = result.facts
    return (
        "\n\n".join(
            [
                "# Mining beyond one machine: what it costs",
                "Written by `python benchmarks/scaling.py` from what it measured; not by hand. Exact mining looks at "
                "every pair: its work grows with the square of the sentences, and its network with the tiles.",
                "## Measured, one thread",
                table(("constant", "value"), [(name, f"{value:.3g}") for name, value in facts["constants"].items()]),
                "## Predicted and found",
                "Processor seconds of one thread, from the constants above, and of a run that was made; larger ones are"
                " not checked.",
                table(
                    ("sentences a side", "dim", "predicted s", "found s", "found / predicted", "peak memory"),
                    [
                        (
                            f"{row['n']:,}",
                            str(row["dim"]),
                            cell(row["predicted"]),
                            cell(row["found"]),
                            cell(row["found"] / row["predicted"]),
                            f"{row['memory'] / 2**30:.2f} GiB",
                        )
                        for row in facts["checks"]
                    ],
                ),
                "## On paper",
                facts["assumed"],
                table(
                    (
                        "sentences a side",
                        "machines",
                        "shard rows",
                        "tiles",
                        "encode h",
                        "tiles h",
                        "merge h",
                        "network",
                        "disk",
                        "memory of the merge",
                    ),
                    [[str(value) for value in row] for row in facts["paper"]],
                ),
                facts["advice"],
            ]
        )
        + "\n"
    )


ASSUMED = (
    "384 dimensions, k = 4. Tiles on an H200 are measured (`topk_accelerator`: {rows:,} by {rows:,} rows, both ways, "
    "in {seconds:.1f} s, {speed:,.0f} times as fast as the thread above). **Assumed, not measured**: a CPU node has 32 "
    "workers of one thread each, as fast as the one measured; 1.25 GB/s of network a CPU node, 5 GB/s an H200; "
    "encoding 25 sentences a second and thread, 10,000 an H200 (a small transformer encoder). Hours are wall-clock "
    "with all workers at work; the merge is one process."
)
ADVICE = (
    "**When to change.** The merge reads every tile in one process, and each tile reads its two shards: let shards "
    "grow with the side, so that there are some thousands of tiles (`MiningOptions(shard_rows=...)`). Where the hours "
    "of the tiles are too many, cut the sides first (by document, date or domain, as `--pair-documents` does), or "
    "take an inverted file (IVF), whose work grows with n^1.5, and compute the margins of its hits exactly."
)


def accelerator() -> tuple[int, float]:
    """Return the rows a side, of 384 dimensions, that an H200 compared with each other, and its seconds."""
    recorded = json.loads((FOLDER / "results" / "topk_accelerator.json").read_text(encoding="utf-8"))
    (ours,) = (score for score in recorded["scores"] if score["task"] == "ours")
    return int(ours["n"]), float(ours["seconds"])


def accelerator_speed(constants: Constants) -> float:
    """Return how much faster an H200 does a tile than the measured thread."""
    rows, seconds = accelerator()
    return rows**2 * (384 * constants.product_seconds + constants.pair_seconds) / seconds


def on_paper(constants: Constants) -> list[list[str]]:
    """Return the table of a million to a billion."""
    nodes = Machines("10 CPU nodes", 10, 32, 1.0, 1.0, 1.25e9, 32 * 25)
    speed = accelerator_speed(constants)
    gpus = Machines("8 H200", 8, 1, speed, speed, 5e9, 10_000)
    rows = []
    for n in (10**6, 10**7, 10**8, 10**9):
        shard_rows = max(SHARD_ROWS, 2 ** math.ceil(math.log2(n / 100)))
        for machines in (nodes, gpus):
            cost = simulate(constants, n, 384, machines, shard_rows=shard_rows)
            rows.append(
                [
                    f"{n:.0e}".replace("e+0", "e"),
                    machines.name,
                    f"{shard_rows:,}",
                    f"{cost.tiles:,.0f}",
                    cell(cost.encoding_hours),
                    cell(cost.tile_hours),
                    cell(cost.merge_hours),
                    f"{cost.network_bytes / 1e12:.3g} TB",
                    f"{cost.disk_bytes / 1e12:.3g} TB",
                    f"{cost.merge_memory_bytes / 2**30:,.0f} GiB",
                ]
            )
    return rows


def main() -> None:
    """Parse the options, measure, predict, check, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--sizes", default="10000,30000,100000")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--shard-rows", type=int, default=SHARD_ROWS)
    parser.add_argument("--model", action="append", default=[], help="an encoder whose rate is told; repeatable")
    parser.add_argument("--page", type=Path, help="SCALING.md")
    parser.add_argument(CHECKED, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.checked is not None:
        mine_and_tell(options.checked, options.dim, options.shard_rows)
        return
    torch.set_num_threads(1)
    result = Measurement("scaling", seeds=[0], facts={"dim": options.dim, "k": K})
    with result.phase("constants"):
        constants = measured_constants()
    say(str(constants))
    result.facts["constants"] = {**asdict(constants)}
    for model in options.model:
        rate = encoding_rate(model)
        result.facts["constants"][f"sentences a second, {Path(model).name}"] = rate
        say(f"{model}: {rate:.0f} sentences a second")
    alone = Machines("this thread", 1, 1, 1.0, 1.0, math.inf, 1.0)
    checks = []
    for n in map(int, options.sizes.split(",")):
        cost = simulate(constants, n, options.dim, alone)
        predicted = (cost.tile_hours + cost.merge_hours) * 3600
        with result.phase(f"{n:,}"):
            found = checked_run(n, options.dim, options.shard_rows)
        checks.append({"n": n, "dim": options.dim, "predicted": predicted, "found": found["seconds"], **found})
        result.figures[f"found_by_predicted_{n}"] = found["seconds"] / predicted
        say(f"{n:,}: predicted {predicted:.1f} s, found {found['seconds']:.1f} s")
    rows, seconds = accelerator()
    assumed = ASSUMED.format(rows=rows, seconds=seconds, speed=accelerator_speed(constants))
    result.facts |= {"checks": checks, "paper": on_paper(constants), "assumed": assumed, "advice": ADVICE}
    result.peak_rss_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if options.page is not None:
        write_text(options.page, page(result))
    result.write(options.out)


if __name__ == "__main__":
    main()
