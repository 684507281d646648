"""How a training went, from the folder of its run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.exhibits import Line
from mling_embed.evaluation.reporting.training_lines import training_lines


def test_the_newest_training_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert training_lines(str(tmp_path / "model")) == ()
    for name, dev, age in (("old", 0.25, 100), ("new", 0.75, 0)):
        folder = tmp_path / "checkpoints" / name
        folder.mkdir(parents=True)
        log = folder / "log.jsonl"
        log.write_text(f'{{"step": 0, "dev": 0.0}}\n{{"step": 40, "dev": {dev}}}\n', encoding="utf-8")
        os.utime(log, (10**9 - age, 10**9 - age))
    (line,) = training_lines(str(tmp_path / "model"))
    assert line.points == ((0, 0.0), (40, 0.75))
    assert line.last == 0.75
    assert training_lines("all-MiniLM-L6-v2") == ()


def test_places_lie_between_the_ticks() -> None:
    line = Line("t", "c", ((0, 0.25), (50, 0.5), (100, 0.75)))
    assert line.ticks(0) == (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    assert line.ticks(1) == (0.2, 0.4, 0.6, 0.8)
    first, middle, last = line.places()
    assert first == pytest.approx((0.0, 0.05 / 0.6))
    assert middle == pytest.approx((0.5, 0.5))
    assert last == pytest.approx((1.0, 0.55 / 0.6))


def test_a_long_line_is_told_by_some_of_its_points() -> None:
    line = Line("t", "c", tuple((step, step / 10) for step in range(100)))
    assert line.spoken(4) == ((0, 0.0), (33, 3.3), (66, 6.6), (99, 9.9))
    assert len(line.spoken()) == 12


def test_one_point_is_no_line() -> None:
    with pytest.raises(UsageError, match="1 points; expected two"):
        Line("t", "c", ((0, 0.5),))
