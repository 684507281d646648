"""The steps of a run: timed, and written to its log."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mling_embed.files import append_text
from mling_embed.training.distributed import is_main

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RunLog:
    """Time the steps of a run and write them to its ``log.jsonl``; of several processes the main one writes."""

    path: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[dict[str, Any]]:
        """Time the block, and log it with the facts that it fills in."""
        began = time.perf_counter()
        yield facts
        self.seconds[name] = round(time.perf_counter() - began, 3)
        record = {"step": name, "seconds": self.seconds[name], **facts}
        logger.info("%s: %.1f s", name, self.seconds[name])
        if is_main():
            append_text(self.path, json.dumps(record, ensure_ascii=False) + "\n")
