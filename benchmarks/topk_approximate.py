"""Find neighbors approximately, both ways, and hold the estimate of what is missed against the truth.

Both sides are cut into topics, as sentences are: of unrelated random vectors any index would miss most.

python benchmarks/topk_approximate.py OUT [--rows 30000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from measure import Measurement, say

from mling_embed.neighbors.approximate import RECALL_TARGET, approximate_both
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows

DIM, K, TOPICS, SEED = 384, 4, 500, 0


def sides(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows around topics, and noisy copies of them."""
    rng = np.random.default_rng(SEED)
    topics = unit_rows(rng.standard_normal((TOPICS, DIM)))
    source = unit_rows(topics[rng.integers(0, TOPICS, n)] + unit_rows(rng.standard_normal((n, DIM), dtype=np.float32)))
    return source, unit_rows(source + unit_rows(rng.standard_normal((n, DIM), dtype=np.float32)))


def shared(found: Neighbors, exact: Neighbors) -> float:
    """Return the share of the exact neighbors that were found."""
    rows = zip(found.indices.tolist(), exact.indices.tolist(), strict=True)
    return sum(len(set(row) & set(right)) for row, right in rows) / exact.indices.size


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--rows", type=int, default=30_000)
    options = parser.parse_args()
    result = Measurement("topk_approximate", seeds=[SEED], facts={"rows": options.rows, "dim": DIM, "k": K})
    source, target = sides(options.rows)
    began = time.process_time()
    with result.phase("approximate"):
        forward, backward, how = approximate_both(source, target, K)
    approximate = time.process_time() - began
    began = time.process_time()
    with result.phase("exact"):
        exact = top_k_both(source, target, K)
    ratio = (time.process_time() - began) / approximate
    recall = float(np.mean([shared(forward, exact[0]), shared(backward, exact[1])]))
    result.facts |= {"kinds": list(how.kinds), "recall_target": RECALL_TARGET, "n_queries": how.n_queries}
    result.figures |= {"recall": recall, "estimate_off_by": abs(recall - how.recall), "estimated_recall": how.recall}
    result.figures["exact_times_processor"] = ratio
    nearest = float((forward.indices[:, 0] == exact[0].indices[:, 0]).mean())
    result.figures["nearest_found"] = nearest
    result.scores.append(
        {"task": f"{options.rows} x {options.rows} x {DIM}, k {K}", "n": options.rows, "score": recall}
    )
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
