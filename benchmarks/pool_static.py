"""Distil a static student from a built corpus, and measure it on Tatoeba, the STS benchmark and its dev split.

python benchmarks/pool_static.py CORPUS OUT [--run DIR] [--set fit.epochs=6] [--no-teacher-index] [--seed 0]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import Measurement, peak_rss_bytes, say
from numpy import ndarray

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.distillation.config import read_config
from mling_embed.distillation.procedure import Distilled, distill
from mling_embed.distillation.static_student import untrained
from mling_embed.distillation.targets import TargetStore
from mling_embed.encoders.teacher import Teacher
from mling_embed.errors import DataError
from mling_embed.evaluation.results import BitextResult, StsResult, TaskResult
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites import DEV_LIMIT, dev_tasks, stsb_tasks, tatoeba_tasks
from mling_embed.evaluation.tasks import BitextTask, TaskLabel
from mling_embed.languages import ENGLISH

CHOSEN = ("de", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh", "ja", "ko", "tr", "cs", "ar", "hi")
LENGTHS = {"1-8 words": (1, 8), "9-20 words": (9, 20), "over 20 words": (21, 10**6)}
PAIRS_PER_LENGTH = 100  # of each language in each length, so that all search among as many


class StoredTeacher:
    """Encode with a teacher, keeping every vector on disk: searching its index costs its time once."""

    def __init__(self, teacher: Teacher) -> None:
        self._store = TargetStore(teacher)

    def encode(self, texts: Sequence[str], /) -> ndarray:
        """Encode texts. Shape: (n, dim)."""
        return self._store.compute(texts).matrix().astype(np.float32)


def language_tasks(corpus: ParallelCorpus, *, seed: int = 0) -> Iterator[BitextTask]:
    """Yield the dev split with all sources together, a task for each language."""
    for language, rows, texts in dev_rows(corpus):
        places = _draw(np.arange(len(rows)), DEV_LIMIT, seed)
        label = TaskLabel("dev by language", f"{language}-en", (language, ENGLISH), "dev")
        yield BitextTask(label, [texts[place] for place in places], corpus.english_texts(rows[places]))


def length_tasks(corpus: ParallelCorpus, *, seed: int = 0) -> Iterator[BitextTask]:
    """Yield the dev split by the length of the English sentence, for each language with enough of each length."""
    for language, rows, texts in dev_rows(corpus):
        english = corpus.english_texts(rows)
        words = np.asarray([len(re.findall(r"\S+", text)) for text in english])
        drawn = {
            name: _draw(np.flatnonzero((words >= low) & (words <= high)), PAIRS_PER_LENGTH, seed)
            for name, (low, high) in LENGTHS.items()
        }
        if min(map(len, drawn.values())) < PAIRS_PER_LENGTH:
            continue
        for name, places in drawn.items():
            label = TaskLabel(f"dev by length: {name}", f"{language}-en", (language, ENGLISH), "dev")
            yield BitextTask(label, [texts[place] for place in places], [english[place] for place in places])


def dev_rows(corpus: ParallelCorpus) -> Iterator[tuple[str, ndarray, list[str]]]:
    """Yield each language with the English rows of its dev pairs, each row once, and their translations."""
    for language in corpus.languages:
        table = corpus.pairs(language, Split.DEV)
        rows, places = np.unique(table.english_rows, return_index=True)
        if len(rows):
            yield language, rows, table.text_list(places)


def _draw(places: ndarray, n: int, seed: int) -> ndarray:
    return places if len(places) <= n else np.sort(np.random.default_rng(seed).choice(places, n, replace=False))


def record(result: TaskResult) -> dict[str, Any]:
    """Return the figures of a result that are kept."""
    figures = result.figures()
    low, high = ("accuracy_low", "accuracy_high") if isinstance(result, BitextResult) else ("", "")
    if isinstance(result, StsResult):
        low, high = "spearman_low", "spearman_high"
    kept = {"suite": result.label.suite, "task": result.label.name, "n": result.n, "score": result.score}
    kept |= {"low": figures[low], "high": figures[high]}
    for name in ("reverse_accuracy", "safe_accuracy", "f1", "xsim", "teacher_space_accuracy"):
        if figures.get(name) is not None:
            kept[name] = figures[name]
    return kept


def mean(values: Iterable[float]) -> float:
    """Return the mean of figures, not-a-number without any."""
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def tatoeba_figures(results: Sequence[TaskResult]) -> dict[str, float]:
    """Return means and the worst language of the Tatoeba test."""
    bitext = [result for result in results if isinstance(result, BitextResult)]
    chosen = [result for result in bitext if result.label.languages[0] in CHOSEN]
    worst = min(chosen, key=lambda result: result.score)
    say(f"worst of the {len(chosen)} chosen languages: {worst.label.name}")
    return {
        "tatoeba_15": mean(result.score for result in chosen),
        "tatoeba_15_reverse": mean(result.scores.backward.accuracy for result in chosen),
        "tatoeba_15_worst": worst.score,
        "tatoeba_15_teacher_index": mean(r.teacher_space.forward.accuracy for r in chosen if r.teacher_space),
        "tatoeba_all": mean(result.score for result in bitext),
        "tatoeba_all_reverse": mean(result.scores.backward.accuracy for result in bitext),
        "tatoeba_all_f1": mean(result.scores.forward.f1 for result in bitext),
    }


def sts_figures(results: Sequence[TaskResult]) -> dict[str, float]:
    """Return the English figure, the means within and across languages, and the teacher's English figure."""
    sts = {result.label.languages: result for result in results if isinstance(result, StsResult)}
    cross = [result.score for (first, second), result in sts.items() if first == ENGLISH != second]
    within = [result.score for (first, second), result in sts.items() if first == second != ENGLISH]
    english = sts[ENGLISH, ENGLISH]
    return {
        "sts_en": english.score,
        "sts_en_x": mean(cross),
        "sts_en_x_worst": min(cross),
        "sts_x_x": mean(within),
        "sts_x_x_worst": min(within),
        "sts_teacher_en": float(english.teacher_english or float("nan")),
    }


def evaluated(result: Measurement, done: Distilled, *, seed: int, teacher_index: bool) -> None:
    """Measure the student on every suite."""
    teacher, student, corpus = StoredTeacher(done.teacher) if teacher_index else None, done.static, done.corpus
    with result.phase("evaluation: tatoeba"):
        tasks = list(tatoeba_tasks())
        tatoeba = evaluate(student, tasks, teacher=teacher)
        result.figures |= tatoeba_figures(tatoeba)
        chosen = [task for task in tasks if task.label.languages[0] in CHOSEN]
        before = evaluate(untrained(student, seed=seed), chosen)
        result.figures["tatoeba_15_untrained"] = mean(found.score for found in before)
    with result.phase("evaluation: stsb"):
        sts = evaluate(student, list(stsb_tasks()), teacher=done.teacher)
        result.figures |= sts_figures(sts)
    with result.phase("evaluation: dev"):
        dev_split = [*dev_tasks(corpus), *language_tasks(corpus, seed=seed), *length_tasks(corpus, seed=seed)]
        dev = evaluate(student, dev_split, teacher=teacher)
        for suite in sorted({found.label.suite for found in dev}):
            result.figures[suite] = mean(found.score for found in dev if found.label.suite == suite)
    result.scores = [record(found) for found in (*tatoeba, *sts, *dev)]


def main() -> None:
    """Parse the options, distil, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--run", type=Path, help="folder of the run [default: a temporary one]")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting, such as fit.epochs=3")
    parser.add_argument("--no-teacher-index", action="store_true", help="do not encode the tests with the teacher")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("pool_static", seeds=[options.seed])
    with TemporaryDirectory() as temporary:
        run = options.run or Path(temporary) / "run"
        values = {"out": run, "seed": options.seed, "data": {"corpus": options.corpus.absolute()}}
        config = read_config(None, values, options.settings)
        if (run / "config.toml").exists():
            raise DataError("a run is there already: its times would not be those of a whole run.", where=run)
        done = distill(config, progress=_talk)
        peak = peak_rss_bytes()
        result.seconds |= {f"distillation: {name}": seconds for name, seconds in done.seconds.items()}
        evaluated(result, done, seed=options.seed, teacher_index=not options.no_teacher_index)
        result.facts = {
            "corpus": done.corpus.fingerprint,
            "english": done.corpus.n_english,
            "pairs": done.corpus.n_pairs,
            "languages": len(done.corpus.languages),
            "vocabulary": len(done.static.table),
            "dim": done.static.dim,
            "targets_computed": done.targets.computed,
            "distillation_peak_rss_bytes": peak,
            "settings": options.settings,
            "fit": config.fit.model_dump(mode="json"),
        }
    result.figures["fit_minutes"] = done.seconds["student"] / 60
    result.write(options.out)


def _talk(work: str, done: int, total: int | None) -> None:
    if total and done * 10 // total != (done - 1) * 10 // total:
        say(f"  {work}: {done:,} of {total:,}")


if __name__ == "__main__":
    main()
