"""Take the race with the usual recipe apart: what of the distance between its trainer and ours comes of what.

Both start from the same student, on the same pairs, towards the same vectors, as in `trainer_peer.py`; here the peer's
trainer is given one thing of ours after the other.

1. Pairs a second, in interleaved rounds of a few steps of the same pairs, fp32 on both sides: the recipe, then with a
   row-sparse Adam for its token table, then with batches of sentences alike in length, then with each English sentence
   once instead of beside each translation, then our trainer. The factor from row to row is the part of what was added,
   so that they multiply to the whole; the last holds all the rest (tokens made beforehand, batches of one token count,
   one forward a slice). What is timed are real tokens a second; tokens a pair are counted over all pairs. Ends of the
   ladder on other numbers of threads, and both trainers in bf16 where the processor has it.
2. The rate of our passes beside that of bare products of their shapes, and where the time of our step goes.
3. What a step costs for the token table alone, dense and row-sparse, for this vocabulary and for that of XLM-R.
4. Training seconds until the dev accuracy is the best that the recipe had, at any of its rates, in its time: for the
   recipe with our rate for its token table, with `EmbedDistillLoss`, with both and our other rate too, and for ours.
   The time of the measurements is left out. A row ends when it is there.

python benchmarks/trainer_rows.py CORPUS OUT [--minutes 1.5] [--threads 2 1] [--start DIR] [--prepare]

The start is kept in the cache, or in DIR, and made if it is not there; with --prepare, it and the teacher's vectors are
made, and that is all.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars
from measure import Measurement, say
from numpy import ndarray
from rendering import TOLD
from step_profile import passes
from trainer_pairs import BATCH, DevAccuracy, Pairs, add_pair_options, facts_of
from trainer_race import LONGEST, Race, Watch
from trainer_recipe import CLIP, EPOCHS, RECIPE_RATE, Recipe

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.files import cache_root
from mling_embed.hardware import native_bf16, processor_name
from mling_embed.training.sampler import SPECIAL_TOKENS
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets

RECIPE, OURS = "the recipe", "mling_embed"
TABLE, LENGTH, ONCE = "row-sparse Adam", "batches of like length", "English once"
LADDER = {
    RECIPE: Recipe(),
    f"+ {TABLE}": Recipe(row_sparse=True),
    f"+ {LENGTH}": Recipe(row_sparse=True, by_length=True),
    f"+ {ONCE}": Recipe(row_sparse=True, by_length=True, english_once=True),
}
PARTS = ("part_dense_table", "part_padding", "part_english_per_pair", "part_rest")  # of the ladder's steps
FP32 = replace(TrainingSettings(), bf16=False)
OUR_RATE, OUR_TABLE_RATE = FP32.learning_rate, FP32.embedding_learning_rate
MEASUREMENTS = 5  # of the recipe's dev accuracy in its time
OUR_EVERY = 5  # steps from one of ours to the next
XLM_R_ROWS = 250_002
Contestants = Mapping[str, tuple[Recipe | TrainingSettings, int]]


@dataclass(frozen=True, slots=True)
class Course:
    """Hold what all run on: the race, the pairs, the teacher's vectors."""

    race: Race
    pairs: Pairs
    targets: Targets

    def run(self, contestant: Recipe | TrainingSettings, steps: int, watch: Watch) -> None:
        """Train in one of the two ways for so many steps; ours for an epoch if that is 0."""
        if isinstance(contestant, Recipe):
            self.race.peer(self.pairs, self.targets.matrix(), watch, recipe=contestant, steps=steps)
        else:
            self.race.ours(self.pairs, self.targets, watch, settings=replace(contestant, max_steps=steps or None))


def tokens_per_pair(course: Course) -> dict[bool, float]:
    """Return the real tokens of a pair over all pairs, with each English sentence once, and once a pair."""
    pairs = course.pairs
    sentences = pairs.sentences(course.race.student())
    lengths = np.minimum(np.diff(sentences.bags.starts) + SPECIAL_TOKENS, LONGEST)
    english, others = lengths[: len(pairs.english)], lengths[len(pairs.english) :]
    beside = english[np.concatenate(list(pairs.places.values()))]
    return {
        True: float(english.sum() + others.sum()) / len(pairs),
        False: float(beside.sum() + others.sum()) / len(pairs),
    }


def speeds(result: Measurement, course: Course, contestants: Contestants, *, rounds: int, threads: int) -> ndarray:
    """Measure contestants in turns on a number of threads; return their pairs a second, the medians."""
    torch.set_num_threads(threads)
    tokens: dict[str, list[float]] = {name: [] for name in contestants}
    last: dict[str, Watch] = {}
    for turn in range(rounds):
        for name in list(contestants)[:: -1 if turn % 2 else 1]:
            last[name] = watch = Watch()
            course.run(*contestants[name], watch)
            tokens[name].append(watch.tokens_per_second)
            say(f"  {name}, {threads} threads: {watch.tokens_per_second:,.0f} tokens a second")
    of_pair = tokens_per_pair(course)
    once = [not isinstance(each, Recipe) or each.english_once for each, _ in contestants.values()]
    per_pair = [of_pair[each] for each in once]
    found = np.array([np.median(each) for each in tokens.values()]) / per_pair
    for name, each, pairs_per_second in zip(contestants, per_pair, found, strict=True):
        score = {"task": f"speed: {name}", "threads": threads, "n": len(last[name].steps)}
        score |= {"score": float(np.median(tokens[name])), "low": min(tokens[name]), "high": max(tokens[name])}
        score |= {"tokens_per_pair": each, "pairs_per_second": float(pairs_per_second)}
        score |= {"times_the_first": float(pairs_per_second / found[0])}
        result.scores.append({**score, "padded_per_real": last[name].padded / last[name].real})
    return found


def ladder(result: Measurement, course: Course, *, rounds: int, steps: int, threads: Sequence[int]) -> float:
    """Measure the ladder, its ends on other numbers of threads, both in bf16; return the recipe's seconds a step."""
    first, *others = threads
    both: Contestants = {RECIPE: (Recipe(), steps), OURS: (FP32, steps)}
    whole: Contestants = {name: (recipe, 2 * steps if recipe.by_length else steps) for name, recipe in LADDER.items()}
    with result.phase(f"the ladder, {first} threads"):
        found = speeds(result, course, {**whole, OURS: both[OURS]}, rounds=rounds, threads=first)
    result.figures["ratio_pairs_per_second"] = float(found[-1] / found[0])
    result.figures |= dict(zip(PARTS, (found[1:] / found[:-1]).tolist(), strict=True))
    for number in others:
        with result.phase(f"its ends, {number} threads"):
            ends = speeds(result, course, both, rounds=1, threads=number)
        result.figures[f"ratio_pairs_per_second_{number}_threads"] = float(ends[-1] / ends[0])
    if native_bf16():
        halves: Contestants = {
            f"{RECIPE}, bf16": (Recipe(bf16=True), steps),
            f"{OURS}, bf16": (TrainingSettings(), steps),
        }
        with result.phase("both in bf16"):
            half = speeds(result, course, halves, rounds=rounds, threads=first)
        result.figures["ratio_pairs_per_second_bf16"] = float(half[-1] / half[0])
    else:
        result.facts["left_out"] = "bf16 autocast, which this processor has no products for: both sides are fp32"
    torch.set_num_threads(first)
    return float(BATCH / found[0])


def tables(dim: int, recipe: Mapping[str, Any], step_seconds: float, *, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return what a step costs for the token table alone, dense and row-sparse, beside the whole step of the recipe.

    Args:
        dim: Width of the table.
        recipe: The score of the recipe's speed.
        step_seconds: Of the recipe's step.
        sizes: Rows of the table.
    """
    tokens = round(BATCH * recipe["tokens_per_pair"] * recipe["padded_per_real"])
    rows = []
    for size in sizes:
        found = table_steps(dim, size, tokens=tokens)
        row: dict[str, Any] = {"rows of the table": size, "tokens of a step": tokens}
        row |= {f"{name}, seconds a step": seconds for name, seconds in found.items()}
        rows.append({**row, "dense, of the recipe's step": found["dense"] / step_seconds})
    return rows


def table_steps(dim: int, rows: int, *, tokens: int, repeats: int = 5) -> dict[str, float]:
    """Return the median seconds of a step of the token table alone: look-up, gradient, clipping, optimizer."""
    found = {}
    for sparse in (False, True):
        weight = torch.nn.Parameter(torch.zeros(rows, dim))
        optimizer = torch.optim.SparseAdam([weight]) if sparse else torch.optim.AdamW([weight], fused=True)
        ids = torch.from_numpy(np.random.default_rng(0).integers(rows, size=tokens))
        seconds = []
        for _ in range(repeats + 1):
            began = perf_counter()
            torch.nn.functional.embedding(ids, weight, sparse=sparse).sum().backward()
            if not sparse:
                torch.nn.utils.clip_grad_norm_([weight], CLIP)
            optimizer.step()  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            seconds.append(perf_counter() - began)
        found["row-sparse" if sparse else "dense"] = float(np.median(seconds[1:]))
    return found


def to_accuracy(result: Measurement, course: Course, dev: DevAccuracy, *, rates: Sequence[float], steps: int) -> None:
    """Let the recipe train for its time at each of its rates, then all others until they are as good as its best."""
    every = max(1, steps // MEASUREMENTS)
    before = dev(course.race.student())
    say(f"  dev accuracy of the start: {before:.4f}; the recipe has {steps} steps")
    curves: dict[str, Watch] = {}

    def run(name: str, contestant: Recipe | TrainingSettings, goal: float = float("inf")) -> None:
        say(f"  {name}")
        each = every if isinstance(contestant, Recipe) else OUR_EVERY
        curves[name] = watch = Watch(measure=dev, every=each, goal=goal)
        with result.phase(f"{name}, measurements included"):
            course.run(contestant, steps if isinstance(contestant, Recipe) else 0, watch)
        for seconds, accuracy in watch.curve:
            score = {"task": f"to accuracy: {name}", "n": len(watch.steps), "score": accuracy, "seconds": seconds}
            result.scores.append({**score, "reached": accuracy >= goal if np.isfinite(goal) else None})

    def best(name: str) -> float:
        return max(accuracy for _, accuracy in curves[name].curve)

    named = {f"{RECIPE}, rate {rate:g}": rate for rate in rates}
    for name, rate in named.items():
        run(name, Recipe(rate))
    winner = max(named, key=best)
    rate, goal = named[winner], best(winner)
    given = {
        "table_rate": Recipe(rate, table_rate=OUR_TABLE_RATE),
        "embed_distill_loss": Recipe(rate, cosine=True),
        "both_and_our_rate": Recipe(OUR_RATE, table_rate=OUR_TABLE_RATE, cosine=True),
        **({"bf16": Recipe(rate, bf16=True)} if native_bf16() else {}),
    }
    for name, recipe in given.items():
        run(name, recipe, goal)
    run(OURS, FP32, goal)
    if native_bf16():
        run(f"{OURS}, bf16", TrainingSettings(), goal)
    seconds = {name: watch.seconds_to(goal, before=before) for name, watch in curves.items()}
    result.figures |= {"dev_before": before, "dev_goal": goal, "dev_ours": best(OURS)}
    result.figures |= {"seconds_peer": seconds[winner], "seconds_ours": seconds[OURS]}
    result.figures["ratio_seconds_to_accuracy"] = seconds[winner] / seconds[OURS] if goal > before else float("nan")
    result.figures |= {f"ratio_seconds_{name}": seconds[name] / seconds[OURS] for name in given}
    result.facts |= {"compared_with": winner, "peer_steps": steps}


def told(figures: Mapping[str, float], *, threads: int, vocabulary: int) -> str:
    """Say in words what was found.

    Args:
        figures: Of the result.
        threads: That all but the ends ran on.
        vocabulary: Rows of the token table.
    """
    table, padding, english, rest = (f"{figures[part]:.2f}" for part in PARTS)
    speed = (
        f"Our trainer does {figures['ratio_pairs_per_second']:.1f} times the pairs a second of sentence-transformers' "
        f"own (`MSELoss`, batches of 64 pairs), on {threads} threads of {processor_name()}, fp32 on both sides: a "
        f"factor of {table} for the dense AdamW over a token table of {vocabulary:,} rows, {padding} for padding, "
        f"{english} for encoding English once a pair, {rest} for the rest."
    )
    ratio, given = figures["ratio_seconds_to_accuracy"], figures["ratio_seconds_both_and_our_rate"]
    if not np.isfinite(ratio):
        return f"{speed} It did not reach the dev accuracy of the other, or that one never rose."
    less = f"{given:.1f} times" if np.isfinite(given) else "longer than it was given"
    return (
        f"{speed} To the best dev accuracy that this recipe had it took {ratio:.1f} times our time, and {less} with "
        "our learning rates and its own `EmbedDistillLoss`."
    )


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_pair_options(parser, dev_pairs=100)
    parser.add_argument("--start", type=Path, help="the student's folder [default: in the cache]")
    parser.add_argument("--prepare", action="store_true", help="make the start and the vectors, and stop")
    parser.add_argument("--rounds", type=int, default=2, help="of the speed")
    parser.add_argument("--steps", type=int, default=12, help="in each of them; twice as many of the shorter ones")
    parser.add_argument("--minutes", type=float, default=1.5, help="of the recipe, at each rate")
    parser.add_argument("--rates", type=float, nargs="+", default=[RECIPE_RATE, 1e-4], help="of the recipe")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="the first is that of all but the ends")
    options = parser.parse_args()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    disable_progress_bars()
    torch.set_num_threads(options.threads[0])
    result = Measurement("trainer_rows", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    pairs = Pairs.draw(corpus, options.languages, options.pairs, seed=options.seed)
    name = f"{corpus.fingerprint[:16]}-{len(pairs)}-{options.seed}"
    race = Race(options.start or cache_root() / "benchmarks" / "starts" / name, pairs, seed=options.seed)
    if options.prepare:
        return
    course = Course(race, pairs, race.targets)
    with result.phase("warming up"):
        for contestant in (Recipe(), FP32):
            course.run(contestant, 2, Watch())
    step_seconds = ladder(result, course, rounds=options.rounds, steps=options.steps, threads=options.threads)
    with result.phase("our passes, and bare products of their shapes"):
        passes(result, race, pairs, race.targets, replace(FP32, max_steps=options.steps))
    vocabulary = len(race.student().tokenizer)
    with result.phase("the token table alone"):
        result.facts["token_table"] = tables(race.dim, result.scores[0], step_seconds, sizes=(vocabulary, XLM_R_ROWS))
    dev = DevAccuracy(corpus, options.languages, options.dev_pairs, seed=options.seed)
    steps = max(2, min(EPOCHS * Recipe().n_batches(pairs), int(options.minutes * 60 / step_seconds)))
    to_accuracy(result, course, dev, rates=options.rates, steps=steps)
    result.facts |= {
        TOLD: told(result.figures, threads=options.threads[0], vocabulary=vocabulary),
        **facts_of(corpus, pairs, dev),
        "minutes_at_each_rate": options.minutes,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
