"""Threads for the compiled loops: as many as torch may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


def spans(n: int, *, multiple: int = 1) -> list[tuple[int, int]]:
    """Cut `n` pieces of work into one span for each thread, each beginning at a multiple of a number."""
    step = -(-n // torch.get_num_threads())
    step += -step % multiple
    return [(start, min(start + step, n)) for start in range(0, n, step)] if n else []


def at_once(work: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> None:
    """Call a function with each tuple of arguments, all at the same time, and wait for it."""
    if len(calls) < 2:
        for call in calls:
            work(*call)
        return
    for _ in _pool(len(calls)).map(lambda call: work(*call), calls):
        pass


@contextmanager
def one_thread_each(workers: int) -> Iterator[None]:
    """Have torch use one thread in each of several workers: its own would wait for work on the workers' cores."""
    before = torch.get_num_threads()
    if workers > 1:
        torch.set_num_threads(1)
        at_once(lambda: torch.set_num_threads(1), [()] * workers)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="neighbors")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
