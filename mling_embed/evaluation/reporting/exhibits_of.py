"""What is shown of an evaluation's results: language pairs, similarities, a map, mistakes, the data's terms."""

from __future__ import annotations

from collections.abc import Sequence

from mling_embed.corpora.manifests import load_manifest, manifest_names
from mling_embed.evaluation.exhibits import HeatMap, Histogram, Mistake, PointMap, histogram, point_map
from mling_embed.evaluation.reporting.tables import Cell, Table
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import Task, TaskResult
from mling_embed.evaluation.vectors import Vectors
from mling_embed.languages import ENGLISH

LEAST_LANGUAGES = 3
MOST_MISTAKES = 10
MAP_SENTENCES = 8
# Suites whose files are those of a manifest of another name.
_MANIFESTS = {"mlqe-pe": "mlqe-pe-da", "xquad-r-pairs": "xquad-r", "stsb-mixed": "stsb-multi-mt"}
_MANIFESTS |= dict.fromkeys(("distractors", "geometry", "mining"), "sib-200")


def heat_maps(results: Sequence[TaskResult]) -> tuple[HeatMap, ...]:
    """Return a map for each suite that pairs each of some languages with each."""
    groups: dict[tuple[str, str], list[TaskResult]] = {}
    for result in results:
        if len(result.label.languages) == 2:
            groups.setdefault((result.label.suite, result.type.kind), []).append(result)
    maps = []
    for (suite, _), members in groups.items():
        values = {(first, second): result.score for result in members for first, second in [result.label.languages]}
        rows, columns = (tuple(dict.fromkeys(pair[side] for pair in values)) for side in (0, 1))
        if min(len(rows), len(columns)) < LEAST_LANGUAGES or len(values) != len(rows) * len(columns):
            continue
        header = members[0].type.columns[0].header
        caption = f"{header}: questions in the language of the row, passages in that of the column."
        maps.append(HeatMap(f"Every language pair: {suite}", caption, rows, columns, values))
    return tuple(maps)


def similarities(results: Sequence[TaskResult]) -> Histogram | None:
    """Return how cosines of translations and of other pairs are spread over all bitext tasks; `None` without any."""
    found = [result.scores.similarities for result in results if result.scores.similarities is not None]
    if not found:
        return None
    true, other = ([value for pair in found for value in pair[side]] for side in (0, 1))
    caption = "Share of the pairs by their cosine: the less the two overlap, the better a threshold tells them apart."
    values = {"translations": true, "other pairs": other}
    return histogram("Similarity of true and of random pairs", caption, values, low=-0.25, high=1.0)


def worst_mistakes(results: Sequence[TaskResult]) -> tuple[Mistake, ...]:
    """Return the mistakes whose wrong sentence is nearer by most, two of a language at most."""
    ranked = sorted((each for result in results for each in result.scores.mistakes), key=lambda each: -each.gap)
    kept: list[Mistake] = []
    for mistake in ranked:
        if sum(other.language == mistake.language for other in kept) < 2:
            kept.append(mistake)
    return tuple(kept[:MOST_MISTAKES])


def sentence_map(tasks: Sequence[Task], vectors: Vectors) -> PointMap | None:
    """Return a few sentences of one test set in all its languages, where there are three that share their English."""
    groups: dict[tuple[str, ...], list[BitextTask]] = {}
    for task in tasks:
        if isinstance(task, BitextTask) and task.label.languages[1] == ENGLISH:
            groups.setdefault(tuple(task.target_texts), []).append(task)
    members = max(groups.values(), key=len, default=[])
    if len(members) < LEAST_LANGUAGES:
        return None
    english = members[0].target_texts[:MAP_SENTENCES]
    sides = {ENGLISH: vectors.of(english)}
    sides |= {task.label.languages[0]: vectors.of(task.source_texts[:MAP_SENTENCES]) for task in members}
    caption = (
        "The first two principal components. A sentence has one number and colour in every language: where it stands "
        "in one heap, languages agree; where languages stand apart, they do not."
    )
    return point_map(f"One set of sentences in {len(sides)} languages", caption, english, sides)


def data_table(results: Sequence[TaskResult]) -> Table | None:
    """Return the terms of the data that was measured on, as far as a manifest tells them."""
    known = set(manifest_names())
    suites = dict.fromkeys(result.label.suite for result in results)
    names = dict.fromkeys(_MANIFESTS.get(suite, suite) for suite in suites)
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        if name in known:
            manifest = load_manifest(name)
            rows.append((name, manifest.license, str(manifest.commercial_use).lower(), manifest.title))
    return (
        Table("Data and its terms", ("set", "licence", "commercial use", "what it is"), tuple(rows)) if rows else None
    )
