"""Creation: the settings that a new index begins with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mling_embed.choices import choice
from mling_embed.errors import UsageError
from mling_embed.indexing.harmonization import Pairs, measure_by
from mling_embed.indexing.model_match import OwnModel
from mling_embed.indexing.published.faiss_kinds import Kind
from mling_embed.indexing.searching.search import Metric
from mling_embed.indexing.storage.rows import NumberFormat
from mling_embed.indexing.storage.store import FILE

FORMAT = 2


def new_settings(
    folder: Path,
    model: OwnModel,
    *,
    kind: Kind | str | None,
    number_format: NumberFormat | str,
    metric: Metric | str,
    harmonize: Pairs | None,
) -> dict[str, Any]:
    """Return the settings of a new index, having seen that it can be made.

    Raises:
        UsageError: Something is at its place, or the settings make no sense.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        step = "Open it, or choose another folder." if (folder / FILE).exists() else "Choose another folder."
        raise UsageError("something is there already.", where=folder, next_step=step)
    chosen = {
        "metric": choice(Metric, metric),
        "number_format": choice(NumberFormat, number_format),
        "kind": None if kind is None else choice(Kind, kind),
    }
    if harmonize is not None and chosen["metric"] is not Metric.COSINE:
        raise UsageError("offsets are of unit-norm vectors: harmonization needs the metric cosine.")
    return {
        "format": FORMAT,
        "index": uuid.uuid4().hex,
        **asdict(model.record()),
        **chosen,
        "harmonization": None if harmonize is None else measure_by(model.encoder, harmonize).as_json(),
    }


def require_format(settings: Mapping[str, Any], folder: Path) -> None:
    """Check that this version reads an index.

    Raises:
        UsageError: A later one wrote it.
    """
    if settings.get("format") != FORMAT:
        raise UsageError(
            f"has format {settings.get('format')}; this version reads {FORMAT}.",
            where=folder,
            next_step="Use the version that wrote it, or make the index again.",
        )
