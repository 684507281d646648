"""The demonstration: the whole way on the built-in phrasebook, with controls, and a search without re-indexing.

Two students of the same few thousand pairs: one made from nothing, and one from a multilingual encoder, where one is at
hand, by a linear head alone.
"""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.distillation.config import DistillConfig, read_config
from mling_embed.distillation.phrasebook import phrasebook_config
from mling_embed.distillation.receipt import renew_receipt
from mling_embed.distillation.run import Distilled, run
from mling_embed.encoders.packaged_multilingual import PACKAGED_MULTILINGUAL, packed_weights
from mling_embed.encoders.static import as_static
from mling_embed.errors import DataError
from mling_embed.evaluation.charts import Chart
from mling_embed.evaluation.reporting.card_results import write_card_results
from mling_embed.evaluation.reporting.html import ReportData, SearchExample, SearchHit, write_report
from mling_embed.evaluation.reporting.report import Report
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.phrasebook import PHRASEBOOK, phrasebook_sentences
from mling_embed.progress import Progress, silent
from mling_embed.students.static import shuffled_control, untrained

if TYPE_CHECKING:
    from mling_embed.encoders.contract import Encoder

REPORT_FILE = "report.html"
QUERY_LANGUAGES = ("de", "hi", "ja")
FROM_NOTHING = "made from nothing"
FROM_ENCODER = "made from a multilingual encoder"
_HITS = 3
_ENCODER_FOLDER = "multilingual"
_HEAD_PAIRS = 11_000  # of each language half are sentences, all that there are, and half words of the glossary


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of sentences found in the teacher's index, in one language.

    Attributes:
        before: By the student made from nothing, with random token vectors.
        after: By the same, trained.
        shuffled: By the same, trained on pairs that are none.
        multilingual: By the student made from a multilingual encoder; `None` without one.
    """

    before: float
    after: float
    shuffled: float
    multilingual: float | None = None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demonstration reached.

    Attributes:
        models: The students' folders: of the one made from nothing, and of the other where there is one.
        report: The page that shows it all.
        languages: By language, the share of the phrasebook's test sentences found in the teacher's English index.
        mean: Their mean.
        searches: Questions and what they found, by each student.
        seconds: Duration of the whole, and of making each student.
    """

    models: tuple[Path, ...]
    report: Path
    languages: Mapping[str, Accuracy]
    mean: Accuracy
    searches: tuple[SearchExample, ...]
    seconds: Mapping[str, float]


def demonstration_encoder() -> str | None:
    """Return the name of the multilingual encoder that is at hand without a network, or `None`."""
    return PACKAGED_MULTILINGUAL if packed_weights() is not None else None


def demonstrate(out: Path, *, encoder: str | None = None, seed: int = 0, progress: Progress = silent) -> Demonstration:
    """Distil the default teacher on the phrasebook, measure the students beside their controls, and search with them.

    The 100 test sentences are of the phrasebook's test split: no student has seen them.

    Args:
        out: The run's folder; a finished run in it is not repeated, only measured again.
        encoder: A multilingual encoder to make the second student from: a folder, or a name of the hub; `None` for
            the first alone.
        seed: Of the fit and the controls.
        progress: Told of the work done.
    """
    began = time.perf_counter()
    students = {FROM_NOTHING: run(phrasebook_config(out, seed=seed), progress=progress)}
    seconds = {FROM_NOTHING: time.perf_counter() - began}
    first = students[FROM_NOTHING]
    encoders = {"before": untrained(as_static(first.student), seed=seed), "after": first.student}
    encoders["shuffled"] = _shuffled(first, progress=progress)
    if encoder is not None:
        made = time.perf_counter()
        students[FROM_ENCODER] = run(headed_config(out, encoder, seed=seed), progress=progress)
        seconds[FROM_ENCODER] = time.perf_counter() - made
        encoders["multilingual"] = students[FROM_ENCODER].student
    reports = _measured(encoders, first.teacher, progress=progress)
    scores = {name: _in_teacher_index(report) for name, report in reports.items()}
    languages = {
        language: Accuracy(**{name: by_language[language] for name, by_language in scores.items()})
        for language in scores["after"]
    }
    mean = Accuracy(**{name: float(np.mean(list(by_language.values()))) for name, by_language in scores.items()})
    searches = search_teacher_index(first.teacher, {name: done.student for name, done in students.items()})
    seconds["all"] = time.perf_counter() - began
    reached = Demonstration(
        tuple(done.model for done in students.values()), out / REPORT_FILE, languages, mean, searches, seconds
    )
    for name, done in zip(("after", "multilingual"), students.values(), strict=False):
        renew_receipt(done.model, write_card_results(reports[name], done.model).name)
    best = reports["multilingual" if encoder is not None else "after"]
    write_report(_page(reached, first, best, encoder), reached.report)
    return reached


def _shuffled(done: Distilled, *, progress: Progress) -> Encoder:
    """Return what the same fit makes of pairs that are none."""
    return shuffled_control(
        done.corpus,
        done.targets,
        as_static(done.student).tokenizer,
        fit=done.config.fit,
        seed=done.config.seed,
        finer=done.config.student.finer,
        progress=progress,
    )


def _measured(encoders: Mapping[str, Encoder], teacher: Encoder, *, progress: Progress) -> dict[str, Report]:
    """Measure each encoder on the phrasebook's test sentences."""
    tasks = list(phrasebook_sentences(manifest_folder() / PHRASEBOOK))
    reports = {}
    for number, (name, encoder) in enumerate(encoders.items()):
        progress("measuring", number, len(encoders))
        reports[name] = evaluate(encoder, tasks, teacher=teacher)
    progress("measuring", len(encoders), len(encoders))
    return reports


def _in_teacher_index(report: Report) -> dict[str, float]:
    """Return the share of each language's sentences whose English is the first hit in the teacher's index."""
    found = {result.label.languages[0]: result.figures["teacher_space_accuracy"] for result in report}
    if missing := [language for language, share in found.items() if share is None]:
        raise DataError(f"{', '.join(missing)} was not searched in the teacher's index.")
    return {language: share for language, share in found.items() if share is not None}


def headed_config(out: Path, encoder: str, *, seed: int = 0) -> DistillConfig:
    """Return the configuration of the second student: a head on a multilingual encoder, of the first one's corpus."""
    return read_config(
        None,
        {
            "out": out / _ENCODER_FOLDER,
            "seed": seed,
            "data": {"corpus": out / "corpus"},
            "student": {"kind": "pretrained", "name": encoder, "head_pairs": _HEAD_PAIRS},
            "train": {"max_steps": 0},
        },
    )


def search_teacher_index(teacher: Encoder, students: Mapping[str, Encoder]) -> tuple[SearchExample, ...]:
    """Index the phrasebook's English with the teacher, and search it with each student in other languages."""
    with (manifest_folder() / PHRASEBOOK / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    english = [row["en"] for row in rows]
    index = faiss.IndexFlatIP(teacher.dim)
    index.add(teacher.encode(english))
    questions = [row for row in rows if row["split"] == "test" and row["en"].endswith("?")][: len(QUERY_LANGUAGES)]
    examples = []
    for language, row in zip(QUERY_LANGUAGES, questions, strict=True):
        for name, student in students.items():
            scores, places = index.search(student.encode([row[language]]), _HITS)
            hits = tuple(
                SearchHit(english[place], float(score), english[place] == row["en"])
                for score, place in zip(scores[0], places[0], strict=True)
            )
            examples.append(SearchExample(language, row[language], hits, meaning=row["en"], student=name))
    return tuple(examples)


def _page(reached: Demonstration, done: Distilled, report: Report, encoder: str | None) -> ReportData:
    mean, series = reached.mean, ("before", "after", "shuffled", *(["multilingual"] if encoder is not None else []))
    caption = (
        "Share of test sentences whose translation is the first hit among 100 English sentences that the teacher "
        "indexed. Before: random token vectors. Shuffled: the same training, each translation with the target of "
        "another."
    )
    summary = (
        f"A student of {len(reached.languages)} languages, made from nothing but the built-in phrasebook, finds the "
        f"English of an unseen sentence in {mean.after:.0%} of cases. Untrained it finds {mean.before:.0%}, and "
        f"{mean.shuffled:.0%} when it learns from shuffled pairs."
    )
    facts = {"Sentences": f"{done.corpus.n_english:,} English, {done.corpus.n_pairs:,} translations"}
    if encoder is not None:
        caption += f" Multilingual: a head on {Path(encoder).name}, fitted to the same pairs."
        summary += (
            f" A multilingual encoder with a head fitted to the same pairs finds {mean.multilingual:.0%}, "
            f"in the same index, {reached.seconds[FROM_ENCODER]:.0f} seconds later."
        )
        facts["Encoder"] = encoder
    chart = Chart(
        title="Unseen sentences found in the teacher's English index",
        caption=caption,
        series=series,
        bars={language: [getattr(found, name) for name in series] for language, found in reached.languages.items()},
        emphasis=series[-1] if encoder is not None else "after",
    )
    return ReportData(
        title="Demonstration",
        model=", ".join(map(str, reached.models)),
        teacher=done.config.teacher.name,
        seconds=reached.seconds["all"],
        versions={name: version(name) for name in ("mling-embed", "sentence-transformers", "torch", "faiss-cpu")}
        | {"python": platform.python_version()},
        summary=summary,
        charts=(chart,),
        tables=tuple(report.tables()),
        searches=reached.searches,
        facts=facts,
    )
