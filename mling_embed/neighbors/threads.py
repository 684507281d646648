"""Threads for the compiled loops: as many as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def spans(n: int, *, multiple: int = 1) -> list[tuple[int, int]]:
    """Cut `n` pieces of work into one span for each thread, each beginning at a multiple of a number."""
    step = -(-n // torch.get_num_threads())
    step += -step % multiple
    return [(start, min(start + step, n)) for start in range(0, n, step)] if n else []


def on_threads(work: Callable[[int, int], None], parts: Sequence[tuple[int, int]]) -> None:
    """Do work on all spans at the same time, and wait for it."""
    if len(parts) < 2:
        for part in parts:
            work(*part)
        return
    for _ in _pool(len(parts)).map(lambda part: work(*part), parts):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="neighbors")
