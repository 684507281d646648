"""Retrieval measures over runs and qrels: a query without hits scores 0 and never vanishes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mling_embed.errors import UsageError

Qrels = Mapping[str, Mapping[str, int]]
"""Query id -> passage id -> grade; a grade above 0 is relevant."""
Run = Mapping[str, Sequence[str]]
"""Query id -> passage ids, best first."""


@dataclass(frozen=True, slots=True)
class MeasureScores:
    """Hold a measure's value for each judged query.

    Attributes:
        queries: The queries with a relevant passage, in the order of the qrels.
        values: The value of each.
    """

    queries: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return math.fsum(self.values) / len(self.values)


def retrieval_scores(run: Run, qrels: Qrels, measures: Sequence[str]) -> dict[str, MeasureScores]:
    """Score a run by measures of ir-measures, as trec_eval computes them.

    A query of the qrels without hits scores 0; one without a relevant passage is not judged. nDCG has linear gain, and
    a grade below 0 gains nothing.

    Args:
        run: What was found.
        qrels: What is relevant.
        measures: Names such as ``nDCG@10``, ``RR``, ``R@1``, ``AP``.

    Returns:
        Measure -> its values.

    Raises:
        UsageError: No query has a relevant passage, a passage occurs twice among a query's hits, or there is no such
            measure.

    >>> retrieval_scores({"q": ["a", "b"]}, {"q": {"b": 1}, "lost": {"a": 1}}, ["RR"])["RR"].values
    (0.5, 0.0)
    """
    import ir_measures

    judged = {
        query: {passage: max(0, grade) for passage, grade in grades.items()}
        for query, grades in qrels.items()
        if any(grade > 0 for grade in grades.values())
    }
    if not judged:
        raise UsageError("no query has a relevant passage: there is nothing to score.")
    try:
        parsed = {ir_measures.parse_measure(measure): measure for measure in measures}
    except (ValueError, NameError, KeyError) as error:
        raise UsageError(f"no such measure: {error}.", next_step="Such are nDCG@10, RR, R@10, AP.") from None
    found = {measure: dict.fromkeys(judged, 0.0) for measure in measures}
    for metric in ir_measures.iter_calc(list(parsed), judged, _ranked(run, judged)):
        found[parsed[metric.measure]][metric.query_id] = float(metric.value)
    return {measure: MeasureScores(tuple(values), tuple(values.values())) for measure, values in found.items()}


def _ranked(run: Run, judged: Qrels) -> dict[str, dict[str, float]]:
    """Return the hits of the judged queries with a score for each that falls by rank."""
    ranked = {}
    for query in judged:
        hits = run.get(query, ())
        if len(set(hits)) != len(hits):
            raise UsageError(f"query '{query}': a passage occurs twice among its hits.")
        ranked[query] = {passage: -float(rank) for rank, passage in enumerate(hits)}
    return ranked
