"""Compare our trainer with the usual recipe: sentence-transformers' trainer, `MSELoss`, batches of 64 pairs, fp32.

Both start from the same student and learn from the same pairs of a built corpus towards the same vectors of the
teacher, which are made beforehand and count for neither. The recipe is that of sentence-transformers' example
make_multilingual.py: a data set a language, AdamW at 2e-5 with a tenth of warm-up, 5 epochs at most, here ended by the
clock; its rate falls to zero by then. Our side runs with the defaults of `TrainingSettings`, its tokenization counted.

1. Speed, in interleaved rounds on the same pairs: real tokens a second (special tokens are real, padding is not) and
   pairs a second. The recipe sends an English sentence through the student once a pair, ours once a group.
2. Training seconds until the dev accuracy (mean of both directions and of the languages) is the best that the recipe
   had at any of its rates; the time of the measurements is left out.
3. Where the time of our step goes (`step_profile.py`).

Which part of the ratios is what, `trainer_rows.py` measures.

python benchmarks/trainer_peer.py CORPUS OUT [--start DIR] [--pairs 20000] [--peer-minutes 6] [--peer-lr 2e-5 1e-4]

Without --start and without a folder in $MLING_EMBED_BENCH_START, the start is made of the pairs themselves: a static
student, and its vocabulary transplanted into the teacher.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from datasets import disable_progress_bars
from measure import Measurement, say
from step_profile import profile
from trainer_pairs import BATCH, DevAccuracy, Pairs, add_pair_options, facts_of
from trainer_race import Race, Watch
from trainer_recipe import EPOCHS, RECIPE_RATE, Recipe

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.errors import DataError
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets

START_VARIABLE = "MLING_EMBED_BENCH_START"
OURS, PEER = "mling_embed", "sentence_transformers"
MEASUREMENTS = 10  # of the recipe's dev accuracy in its time
OUR_EVERY = 10  # steps from one of ours to the next


def speed(result: Measurement, race: Race, pairs: Pairs, targets: Targets, rounds: int) -> float:
    """Measure tokens and pairs a second in interleaved rounds; return the recipe's seconds a step."""
    matrix, settings = targets.matrix(), TrainingSettings()
    speeds: dict[str, list[float]] = {OURS: [], PEER: []}
    per_pair, padding, step_seconds = {}, {}, []
    for turn in range(rounds + 1):
        watches = {OURS: Watch(), PEER: Watch()}
        for name in (OURS, PEER) if turn % 2 else (PEER, OURS):
            if name == OURS:
                race.ours(pairs, targets, watches[OURS], settings=settings)
            else:
                race.peer(pairs, matrix, watches[PEER], recipe=Recipe())
        for name, watch in watches.items():
            per_pair[name], padding[name] = watch.real / len(pairs), watch.padded / watch.real
            if turn:  # the first is to warm up
                speeds[name].append(watch.tokens_per_second)
        steps = watches[PEER].steps
        step_seconds.append((steps[-1][0] - steps[0][0]) / (len(steps) - 1))
    medians = {name: float(np.median(found)) for name, found in speeds.items()}
    for name, found in speeds.items():
        score = {"task": f"speed of {name}", "n": len(pairs), "score": medians[name], "low": min(found)}
        score |= {"high": max(found), "pairs_per_second": medians[name] / per_pair[name]}
        result.scores.append({**score, "tokens_per_pair": per_pair[name], "padded_per_real": padding[name]})
    result.figures["ratio_tokens_per_second"] = medians[OURS] / medians[PEER]
    result.figures["ratio_pairs_per_second"] = medians[OURS] / per_pair[OURS] / (medians[PEER] / per_pair[PEER])
    return float(np.median(step_seconds))


def to_accuracy(
    result: Measurement,
    race: Race,
    pairs: Pairs,
    targets: Targets,
    dev: DevAccuracy,
    *,
    rates: Sequence[float],
    steps: int,
) -> None:
    """Train by the recipe at each rate for its time, then ours until it is as good as the best of them was."""
    before = dev(race.student())
    result.figures["dev_before"] = before
    say(f"  dev accuracy of the start: {before:.4f}; the recipe has {steps} steps")
    curves: dict[str, Watch] = {}
    for rate in rates:
        say(f"  the recipe at {rate:g}")
        curves[f"{PEER}, rate {rate:g}"] = watch = Watch(measure=dev, every=max(1, steps // MEASUREMENTS))
        with result.phase(f"recipe at {rate:g}, measurements included"):
            race.peer(pairs, targets.matrix(), watch, recipe=Recipe(rate), steps=steps)
    best = max(curves, key=lambda name: max(accuracy for _, accuracy in curves[name].curve))
    goal = max(accuracy for _, accuracy in curves[best].curve)
    say(f"  ours, to {goal:.4f}, the best of {best}")
    curves[OURS] = watch = Watch(measure=dev, every=OUR_EVERY, goal=goal)
    with result.phase("ours, measurements included"):
        race.ours(pairs, targets, watch, settings=TrainingSettings())
    for name, found in curves.items():
        for seconds, accuracy in found.curve:
            result.scores.append({"task": name, "n": found.real, "score": accuracy, "seconds": seconds})
    reached = {name: found.seconds_to(goal, before=before) for name, found in curves.items()}
    comparable = goal > before and np.isfinite(reached[OURS])
    result.figures |= {
        "dev_goal": goal,
        "dev_ours": max(accuracy for _, accuracy in watch.curve),
        "seconds_peer": reached[best],
        "seconds_ours": reached[OURS],
        "ratio_seconds_to_accuracy": reached[best] / reached[OURS] if comparable else float("nan"),
    }
    result.facts |= {"compared_with": best, "peer_steps": steps}


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_pair_options(parser, dev_pairs=300)
    parser.add_argument("--start", type=Path, default=os.environ.get(START_VARIABLE), help="the student's folder")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed")
    parser.add_argument("--round-pairs", type=int, default=1_600, help="in each of them")
    parser.add_argument("--peer-minutes", type=float, default=6, help="of the recipe, at each rate")
    parser.add_argument("--peer-lr", type=float, nargs="+", default=[RECIPE_RATE, 1e-4], help="its rates")
    options = parser.parse_args()
    result = Measurement("trainer_peer", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    pairs = Pairs.draw(corpus, options.languages, options.pairs, seed=options.seed)
    dev = DevAccuracy(corpus, options.languages, options.dev_pairs, seed=options.seed)
    part = pairs.whole_batches(min(1.0, options.round_pairs / len(pairs)))
    if len(part) < 2 * BATCH:
        raise DataError(f"{len(part)} pairs in whole batches for the speed; expected at least {2 * BATCH}.")
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    disable_progress_bars()
    with TemporaryDirectory() as folder:
        with result.phase("the start and the teacher's vectors, for both"):
            race = Race(options.start or Path(folder) / "start", pairs, seed=options.seed)
        targets, part_targets = race.targets, race.targets_of(part)
        with result.phase("speed"):
            step_seconds = speed(result, race, part, part_targets, options.rounds)
        with result.phase("profile"):
            profile(result, race, part, part_targets, rounds=options.rounds)
        steps = max(2, min(EPOCHS * Recipe().n_batches(pairs), int(options.peer_minutes * 60 / step_seconds)))
        to_accuracy(result, race, pairs, targets, dev, rates=options.peer_lr, steps=steps)
        vocabulary = len(race.student().tokenizer)
    result.facts |= {
        **facts_of(corpus, pairs, dev),
        "vocabulary": vocabulary,
        "start_made_here": options.start is None,
        "peer_precision": "fp32",
        "threads": torch.get_num_threads(),
        "targets_computed": targets.computed,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
