"""The demonstration: the whole way on the built-in phrasebook, with controls, and a search without re-indexing."""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.distillation.config import DistillConfig
from mling_embed.distillation.phrasebook import phrasebook_config
from mling_embed.distillation.run import Distilled, run
from mling_embed.encoders.static import as_static
from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.reporting.html import ReportData, SearchExample, SearchHit, write_report
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.phrasebook import PHRASEBOOK, phrasebook_sentences
from mling_embed.progress import Progress, silent
from mling_embed.students.static import shuffled_control, untrained

REPORT_FILE = "report.html"
QUERY_LANGUAGES = ("de", "hi", "ja")
SERIES = ("before", "after", "shuffled")
_HITS = 3


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of sentences found in the teacher's index, in one language, at the three points of the demonstration."""

    before: float
    after: float
    shuffled: float


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demonstration reached.

    Attributes:
        model: The student's folder.
        report: The page that shows it all.
        languages: By language, the share of the phrasebook's test sentences found in the teacher's English index.
        mean: Their mean.
        searches: Questions and what they found.
        seconds: Duration of the whole.
    """

    model: Path
    report: Path
    languages: Mapping[str, Accuracy]
    mean: Accuracy
    searches: tuple[SearchExample, ...]
    seconds: float


def demonstrate(out: Path, *, seed: int = 0, progress: Progress = silent) -> Demonstration:
    """Distil the default teacher on the phrasebook, measure the student beside its controls, and search with it.

    The 100 test sentences are of the phrasebook's test split: the student has not seen them.

    Args:
        out: The run's folder; a finished run in it is not repeated, only measured again.
        seed: Of the fit and the controls.
        progress: Told of the work done.
    """
    began = time.perf_counter()
    config = phrasebook_config(out, seed=seed)
    done = run(config, progress=progress)
    student = as_static(done.student)
    control = shuffled_control(
        done.corpus,
        done.targets,
        student.tokenizer,
        fit=config.fit,
        seed=seed,
        finer=config.student.finer,
        progress=progress,
    )
    tasks = list(phrasebook_sentences(manifest_folder() / PHRASEBOOK))
    encoders = {"before": untrained(student, seed=seed), "after": done.student, "shuffled": control}
    reports = {name: evaluate(encoder, tasks, teacher=done.teacher) for name, encoder in encoders.items()}
    scores = {name: _in_teacher_index(report) for name, report in reports.items()}
    languages = {
        language: Accuracy(**{name: by_language[language] for name, by_language in scores.items()})
        for language in scores["after"]
    }
    mean = Accuracy(**{name: float(np.mean(list(by_language.values()))) for name, by_language in scores.items()})
    searches = search_teacher_index(done)
    seconds = time.perf_counter() - began
    page = _page(config, done, reports["after"], languages, mean, searches, seconds)
    write_report(page, out / REPORT_FILE)
    return Demonstration(done.model, out / REPORT_FILE, languages, mean, searches, seconds)


def _in_teacher_index(report: Report) -> dict[str, float]:
    """Return the share of each language's sentences whose English is the first hit in the teacher's index."""
    found = {result.label.languages[0]: result.figures["teacher_space_accuracy"] for result in report}
    if missing := [language for language, share in found.items() if share is None]:
        raise DataError(f"{', '.join(missing)} was not searched in the teacher's index.")
    return {language: share for language, share in found.items() if share is not None}


def search_teacher_index(done: Distilled) -> tuple[SearchExample, ...]:
    """Index the phrasebook's English with the teacher, and search it with the student in other languages."""
    with (manifest_folder() / PHRASEBOOK / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    english = [row["en"] for row in rows]
    index = faiss.IndexFlatIP(done.student.dim)
    index.add(done.teacher.encode(english))
    questions = [row for row in rows if row["split"] == "test" and row["en"].endswith("?")][: len(QUERY_LANGUAGES)]
    examples = []
    for language, row in zip(QUERY_LANGUAGES, questions, strict=True):
        scores, places = index.search(done.student.encode([row[language]]), _HITS)
        hits = tuple(
            SearchHit(english[place], float(score), english[place] == row["en"])
            for score, place in zip(scores[0], places[0], strict=True)
        )
        examples.append(SearchExample(language, row[language], hits, meaning=row["en"]))
    return tuple(examples)


def _page(
    config: DistillConfig,
    done: Distilled,
    report: Report,
    languages: Mapping[str, Accuracy],
    mean: Accuracy,
    searches: tuple[SearchExample, ...],
    seconds: float,
) -> ReportData:
    chart = Chart(
        title="Unseen sentences found in the teacher's English index",
        caption="Share of test sentences whose translation is the first hit among 100 English sentences that the "
        "teacher indexed. Before: random token vectors. Shuffled: the same training, each translation with the target "
        "of another.",
        series=SERIES,
        bars={language: [getattr(found, name) for name in SERIES] for language, found in languages.items()},
        emphasis="after",
    )
    return ReportData(
        title="Demonstration",
        model=str(done.model),
        teacher=config.teacher.name,
        seconds=seconds,
        versions={name: version(name) for name in ("mling-embed", "sentence-transformers", "torch", "faiss-cpu")}
        | {"python": platform.python_version()},
        summary=(
            f"A student of {len(languages)} languages, made from the built-in phrasebook, finds the English of an "
            f"unseen sentence in {mean.after:.0%} of cases. Untrained it finds {mean.before:.0%}, and "
            f"{mean.shuffled:.0%} when it learns from shuffled pairs."
        ),
        charts=(chart,),
        tables=tuple(report.tables()),
        searches=searches,
        facts={"Sentences": f"{done.corpus.n_english:,} English, {done.corpus.n_pairs:,} translations"},
    )
