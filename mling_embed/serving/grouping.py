"""Hits that are translations of one text, put together by what their metadata say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mling_embed.indexing.results import Hit

_FIRST_LOOK = 8  # hits asked for, for each group wanted
_MOST_LOOKED_AT = 4_096


def grouped(search: Callable[[int], Sequence[Hit]], k: int, *, field: str) -> list[list[Hit]]:
    """Return the best groups of hits: those of one text together, best first within and among them.

    More and more hits are asked for until there are enough groups; a hit without the field is a group of its own.

    Args:
        search: Returns so many hits.
        k: Groups wanted.
        field: Of the metadata: its value is the same in all translations of a text.
    """
    wanted = min(k * _FIRST_LOOK, _MOST_LOOKED_AT)
    while True:
        hits = search(wanted)
        groups: dict[tuple[bool, str], list[Hit]] = {}
        for hit in hits:
            shared = field in hit.metadata
            groups.setdefault((shared, str(hit.metadata[field]) if shared else hit.id), []).append(hit)
        if len(groups) >= k or len(hits) < wanted or wanted >= _MOST_LOOKED_AT:
            return list(groups.values())[:k]
        wanted = min(wanted * 4, _MOST_LOOKED_AT)
