"""Threads of the compiled loops."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from mling_embed.neighbors.threads import at_once, spans


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def squares(n: int) -> list[int]:
    found = [0] * n

    def work(start: int, stop: int) -> None:
        found[start:stop] = [number**2 for number in range(start, stop)]

    at_once(work, spans(n))
    return found


@pytest.mark.usefixtures("three_threads")
def test_spans_cover_the_work_once() -> None:
    assert spans(10) == [(0, 4), (4, 8), (8, 10)]
    assert spans(10, multiple=8) == [(0, 8), (8, 10)]
    assert spans(2) == [(0, 1), (1, 2)]
    assert spans(0) == []
    assert squares(100) == [number**2 for number in range(100)]


@pytest.mark.usefixtures("three_threads")
def test_spans_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)
    at_once(lambda start, stop: together.wait(), spans(3))


@pytest.mark.usefixtures("three_threads")
def test_an_error_reaches_the_caller() -> None:
    def work(start: int, stop: int) -> None:
        raise ValueError(f"at {start}")

    with pytest.raises(ValueError, match="at 0"):
        at_once(work, spans(3))


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.usefixtures("three_threads")
def test_threads_start_anew_after_a_fork() -> None:
    squares(10)
    child = multiprocessing.get_context("fork").Process(target=squares, args=(10,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
