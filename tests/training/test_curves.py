"""The curves of a training, from its logs."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mling_embed.training.curves import FIT_LOG_FILE, LOG_FILE, training_curves


def test_curves_of_what_was_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = [
        {"step": 0, "dev": 0.25, "best": 0.25},
        {"step": 2, "total": 1.5, "learning_rate": 1e-4},
        {"step": 4, "total": 1.25},
        {"step": 4, "dev": 0.5},
    ]
    log = tmp_path / LOG_FILE
    log.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"step": 6, "tot', encoding="utf-8")
    (tmp_path / FIT_LOG_FILE).write_text('{"step": 10, "epoch": 1, "cosine": 0.5}\n', encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert training_curves(tmp_path) == {"dev": ((0, 0.25), (4, 0.5)), "total": ((2, 1.5), (4, 1.25))}
    assert f"{log}:5 is torn" in caplog.text  # one epoch's cosine is no curve


def test_no_log_no_curves(tmp_path: Path) -> None:
    assert training_curves(tmp_path) == {}
