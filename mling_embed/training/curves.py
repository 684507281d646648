"""What the logs of a training say, read again: how its measures went, step by step."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

LOG_FILE = "log.jsonl"
"""Of a transformer student, beside its checkpoints."""
FIT_LOG_FILE = "fit.jsonl"
"""Of a static student's fit, beside its checkpoints."""
DEV, LOSS, COSINE = "dev", "total", "cosine"
"""The measures: score on the dev split, loss of a batch, mean cosine to the targets in an epoch."""

Curve = tuple[tuple[int, float], ...]
"""Steps done, and the value there."""


def training_curves(folder: Path) -> Mapping[str, Curve]:
    """Return the curves of each measure that was logged twice or more in a folder of checkpoints; steps ascend."""
    found: dict[str, dict[int, float]] = {}
    for name in (FIT_LOG_FILE, LOG_FILE):
        for record in _records(folder / name):
            for measure in (DEV, LOSS, COSINE):
                if isinstance(record.get(measure), int | float) and isinstance(record.get("step"), int):
                    found.setdefault(measure, {})[record["step"]] = float(record[measure])
    return {measure: tuple(sorted(points.items())) for measure, points in found.items() if len(points) > 1}


def _records(log: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log; one that a kill has torn is left out."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            logger.warning("%s:%d is torn; left out", log, number)
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
