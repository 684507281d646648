"""Race the exact top-k kernel, both ways, on a GPU against the bare matrix product and plain torch.

python benchmarks/topk_accelerator.py OUT [--rows 1000000] [--dim 384] [--k 4]

Plain torch is what sentence-transformers' search does there: tiles of fp32 scores, `torch.topk`, merged; a pass each
way. It runs on a share of its queries, and its time is scaled up. A sample of rows is compared with fp64 products.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import Measurement, say
from topk_speed import SAMPLE, sides

from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.topk import ACCELERATOR_BLOCK, top_k_both

PLAIN_QUERIES, PLAIN_CHUNK = 65_536, 8_192


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that work takes, the device's included."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def bare_product(left: torch.Tensor, right: torch.Tensor, rows: int) -> None:
    """Multiply tiles of the first rows with all others, and keep nothing."""
    side = ACCELERATOR_BLOCK
    room = torch.empty(side * side, dtype=left.dtype, device=left.device)
    for row in range(0, rows, side):
        for column in range(0, len(right), side):
            height, width = min(side, rows - row), min(side, len(right) - column)
            out = room[: height * width].view(height, width)
            torch.mm(left[row : row + height], right[column : column + width].T, out=out)


def plain_search(left: torch.Tensor, right: torch.Tensor, rows: int, k: int) -> None:
    """Search the first rows among all others by `torch.topk` of tiles."""
    for row in range(0, rows, PLAIN_CHUNK):
        best: list[torch.Tensor] = []
        for column in range(0, len(right), ACCELERATOR_BLOCK):
            scores = left[row : row + PLAIN_CHUNK] @ right[column : column + ACCELERATOR_BLOCK].T
            best.append(scores.topk(k, dim=1).values)
        torch.cat(best, dim=1).topk(k, dim=1)


def main() -> None:
    """Parse the options, race, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--k", type=int, default=4)
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    n, k = options.rows, options.k
    result = Measurement("topk_accelerator", seeds=[0])
    source, target = sides(n, options.dim)
    left, right = (torch.from_numpy(side).cuda() for side in (source, target))
    top_k_both(source[:20_000], target[:20_000], k, device="cuda")  # compiled before it is timed
    share = min(n, PLAIN_QUERIES)
    halves = left.bfloat16(), right.bfloat16()
    bare_product(*halves, ACCELERATOR_BLOCK)
    seconds = {
        "bare product, bf16": timed(lambda: bare_product(*halves, n)),
        "bare product, fp32": timed(lambda: bare_product(left, right, share)) * n / share,
        "plain torch both ways, fp32": 2 * timed(lambda: plain_search(left, right, share, k)) * n / share,
    }
    for name, taken in seconds.items():
        say(f"{name}: {taken:.2f} s")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    found: list[tuple[Neighbors, Neighbors]] = []
    seconds["ours"] = timed(lambda: found.append(top_k_both(source, target, k, device="cuda")))
    say(f"ours: {seconds['ours']:.2f} s")
    forward, backward = found[0]
    sample = np.random.default_rng(0).choice(n, min(SAMPLE, n), replace=False)
    equal = 0
    for neighbors, queries, corpus in ((forward, left, right), (backward, right, left)):
        best = []
        for part in np.array_split(sample, 8):
            scores = queries[torch.from_numpy(part).cuda()].double() @ corpus.double().T
            order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]  # ties by the lower number
            best.append(order.cpu().numpy())
        equal += int((np.concatenate(best) == neighbors.indices[np.concatenate(np.array_split(sample, 8))]).sum())
    operations = 2.0 * n * n * options.dim
    result.seconds = {name: round(taken, 3) for name, taken in seconds.items()}
    result.scores = [
        {"task": name, "n": n, "score": operations / taken / 1e12, "seconds": taken} for name, taken in seconds.items()
    ]
    result.figures = {
        "share_of_bare_bf16_product": seconds["bare product, bf16"] / seconds["ours"],
        "share_of_bare_fp32_product": seconds["bare product, fp32"] / seconds["ours"],
        "times_plain_torch": seconds["plain torch both ways, fp32"] / seconds["ours"],
        "equal_to_fp64": equal / (2 * len(sample) * k),
    }
    result.facts = {
        "rows": n,
        "dim": options.dim,
        "k": k,
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "peak_bytes_on_the_device": torch.cuda.max_memory_allocated() - before,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
