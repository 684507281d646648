"""Kinds of engines, by the words of a command line."""

from __future__ import annotations

from enum import StrEnum

from mling_embed.engines.engine import Engine
from mling_embed.engines.share import parse_share
from mling_embed.errors import UsageError


class EngineKind(StrEnum):
    """Name where tasks are done."""

    LOCAL = "local"
    RAY = "ray"


def engine_of(kind: str | None, share: str | None = None) -> Engine | None:
    """Return the engine that the words of a command line mean; `None` for the work that is done where it is needed.

    Args:
        kind: ``local`` or ``ray``.
        share: ``i/n``: the share of one of n processes.

    Raises:
        UsageError: They mean none, or both are given, or Ray is not installed.
    """
    if kind is not None and kind not in list(EngineKind):
        raise UsageError(f"'{kind}' is no engine.", next_step=f"Choose one of {', '.join(EngineKind)}.")
    if share is not None:
        if kind == EngineKind.RAY:
            raise UsageError("a share, and Ray, which shares the work out itself.", next_step="Give one of them.")
        return parse_share(share)
    if kind != EngineKind.RAY:
        return None
    from mling_embed.engines.ray_cluster import RayCluster

    return RayCluster()
