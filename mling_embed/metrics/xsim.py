"""xSIM: the error rate of margin-based similarity search (Heffernan et al. 2022, as in LASER)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.neighbors.margins import DEFAULT_K, Margin, best_by_margin
from mling_embed.neighbors.vectors import unit_rows


def xsim(
    source: Float[ndarray, "n_pairs dim"],
    target: Float[ndarray, "n_pairs dim"],
    *,
    target_texts: Sequence[str] | None = None,
    k: int = DEFAULT_K,
    margin: Margin = Margin.RATIO,
) -> float:
    """Return 100 x errors / n_pairs of the ``forward`` selection; lower is better.

    Args:
        source: Vectors, row i being the translation of row i of `target`; any norm. Shape: (n_pairs, dim).
        target: Vectors. Shape: (n_pairs, dim).
        target_texts: The target sentences: a retrieved sentence with the right text is right (LASER's default).
            Without them rows are compared.
        k: Size of the neighborhoods.
        margin: What is compared.

    Raises:
        UsageError: The sides are empty or differ in length.
    """
    if len(source) != len(target) or not len(source):
        raise UsageError(f"{len(source)} sources against {len(target)} targets: expected as many, at least one.")
    return 100 * len(xsim_errors(source, target, target_texts=target_texts, k=k, margin=margin)) / len(source)


def xsim_errors(
    source: Float[ndarray, "n_source dim"],
    target: Float[ndarray, "n_target dim"],
    *,
    target_texts: Sequence[str] | None = None,
    k: int = DEFAULT_K,
    margin: Margin = Margin.RATIO,
) -> list[tuple[int, int]]:
    """Return each source row that finds another target than its own, and the target that it finds.

    The targets may be more than the sources: row i of the sources belongs to row i of the targets, the rest distract
    (as in xSIM++; Chen et al. 2023).

    Args:
        source: Vectors of any norm. Shape: (n_source, dim).
        target: Vectors of any norm, at least as many. Shape: (n_target, dim).
        target_texts: The target sentences: a retrieved sentence with the right text is right. Without them rows are
            compared.
        k: Size of the neighborhoods.
        margin: What is compared.

    Raises:
        UsageError: There are fewer targets than sources, or no source.
    """
    if len(source) > len(target) or not len(source):
        raise UsageError(f"{len(source)} sources against {len(target)} targets: expected as many targets at least.")
    retrieved, _ = best_by_margin(unit_rows(source), unit_rows(target), k=k, margin=margin)
    return [
        (row, found)
        for row, found in enumerate(retrieved.tolist())
        if (found != row if target_texts is None else target_texts[found] != target_texts[row])
    ]
