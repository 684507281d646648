"""How the time of an alignment grows with the documents' length, beside sentalign and bertalign on the same vectors.

Documents are made of random meanings: a sentence's vector is the sum of the meanings in it, with noise; links are 1:1
for the most part, some 1:2 and 2:1, and one sentence in twenty has no translation. Runs get averaged vectors, so that
this is the time of the alignment alone, in processor seconds of one thread.

python benchmarks/alignment_growth.py OUT [--peers PEERS] [--sizes 100,1000,...] [--rounds 3] [--seed 0]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from alignment_vectors import bertalign, byte_lengths, peers_folder, sentalign
from measure import Measurement, say

from mling_embed.mining.alignment.align import DEFAULT_MOST
from mling_embed.mining.alignment.coarse_to_fine import align_spans
from mling_embed.mining.alignment.gold import gold_scores
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.alignment.spans import average_spans

DIM, NOISE = 384, 0.7
SHAPES = ((1, 1),) * 34 + ((1, 2),) * 2 + ((2, 1),) * 2 + ((1, 0), (0, 1))


def documents(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[Link], list[np.ndarray]]:
    """Return the sentence vectors of two documents of about `n` sentences, their links, and the sentences' lengths."""
    drawn = np.random.default_rng(seed)
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    lengths: tuple[list[float], list[float]] = ([], [])
    links = []
    while len(sides[0]) < n:
        shape = SHAPES[drawn.integers(len(SHAPES))]
        meanings = drawn.standard_normal((max(shape), DIM))
        before = len(sides[0]), len(sides[1])
        for side, counted, count in zip(sides, lengths, shape, strict=True):
            if count:
                counted += [40.0 * len(part) for part in np.array_split(meanings, count)]
                side += [
                    part.sum(axis=0) + NOISE * drawn.standard_normal(DIM) for part in np.array_split(meanings, count)
                ]
        links.append(Link(tuple(range(before[0], len(sides[0]))), tuple(range(before[1], len(sides[1])))))
    vectors = [np.array(side, dtype=np.float32) for side in sides]
    return vectors[0], vectors[1], links, [np.array(side) for side in lengths]


def ours(spans: Sequence[np.ndarray], characters: Sequence[np.ndarray], most: int) -> list[Link]:
    """Align runs of sentences, given their vectors and the sentences' lengths."""
    links, row, column = [], 0, 0
    for one, other, score in align_spans(spans[0], spans[1], (characters[0], characters[1]), most=most):
        links.append(Link(tuple(range(row, row + one)), tuple(range(column, column + other)), score))
        row, column = row + one, column + other
    return links


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--peers", type=Path, default=peers_folder(), help="the folder with sentalign and bertalign")
    parser.add_argument("--sizes", default="100,300,1000,3000,10000,20000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=DEFAULT_MOST)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = Measurement("alignment_growth", seeds=[options.seed], facts={"dim": DIM, "most": options.most})
    vecalign = sentalign(options.peers) if options.peers else None
    two_passes = bertalign(options.peers) if options.peers else None
    medians: dict[str, dict[int, float]] = {}
    for size in map(int, options.sizes.split(",")):
        source, target, gold, characters = documents(size, options.seed)
        spans = [
            average_spans(each, ["x" * int(length) for length in counted], options.most - 1)
            for each, counted in ((source, characters[0]), (target, characters[1]))
        ]
        peers = [np.ascontiguousarray(each[:, 1:]) for each in spans]
        lengths = [byte_lengths(["x" * int(length) for length in side], options.most - 1) for side in characters]

        contestants: dict[str, Callable[[], list[Link]]] = {
            "mling_embed": partial(ours, spans, characters, options.most)
        }
        if vecalign is not None:
            contestants["sentalign"] = partial(vecalign, peers[0], peers[1], options.most)
        if two_passes is not None:
            contestants["bertalign"] = partial(two_passes, peers[0], peers[1], options.most, lengths[0], lengths[1])
        for name, align in contestants.items():
            times, links = [], align() if size <= 1000 else []  # the first two compile
            for _ in range(options.rounds if size <= 3000 else 1):
                began = time.process_time()
                links = align()
                times.append(time.process_time() - began)
            medians.setdefault(name, {})[size] = statistics.median(times)
            scores = gold_scores([(links, gold)])
            figures = {"seconds": medians[name][size], "ratio": medians[name][size] / medians["mling_embed"][size]}
            result.scores.append(
                {"task": f"{size:,} sentences", "aligner": name, "n": len(gold), "score": scores.strict.f1, **figures}
            )
            say(f"{size:,} {name}: {medians[name][size]:.3f} s, strict F1 {scores.strict.f1:.4f}")
    for name, median in medians.items():
        sizes = sorted(median)
        slope = np.polyfit(np.log(sizes[-3:]), np.log([median[size] for size in sizes[-3:]]), 1)[0]
        result.figures[f"exponent {name}"] = float(slope)
        result.figures[f"seconds {name} {sizes[-1]}"] = median[sizes[-1]]
    result.write(options.out)


if __name__ == "__main__":
    main()
