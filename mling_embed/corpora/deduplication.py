"""A set of 64-bit keys that grows by batches in 8 to 16 bytes a key: sorted runs, merged as they grow."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def key_of(text: str) -> int:
    """Return 64 bits of a text's BLAKE2b hash. Among ten million texts two are alike with odds of 1 in 370,000."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mixed(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return one key for each two, the order counting (the finalizer of SplitMix64). Shape: (n,)."""
    mix = first * np.uint64(0x9E3779B97F4A7C15) + second
    mix = (mix ^ (mix >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mix = (mix ^ (mix >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mix ^ (mix >> np.uint64(31)), dtype=np.uint64)


class Numbering:
    """Number distinct keys from 0 in the order in which they first come."""

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Add a batch of keys.

        Returns:
            The number of each key, and whether it came here for the first time. Shapes: (n,), (n,).
        """
        distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        numbers = np.full(len(distinct), -1, dtype=np.int64)
        for run, values in self._runs:
            places = np.minimum(np.searchsorted(run, distinct), len(run) - 1)
            found = run[places] == distinct
            numbers[found] = values[places[found]]
        unknown = np.flatnonzero(numbers < 0)
        by_coming = unknown[np.argsort(first[unknown], kind="stable")]
        numbers[by_coming] = np.arange(self._count, self._count + len(by_coming))
        self._count += len(by_coming)
        is_first = np.zeros(len(keys), dtype=np.bool_)
        is_first[first[unknown]] = True
        if len(unknown):
            self._push(distinct[unknown], numbers[unknown].astype(np.uint32))
        return numbers[inverse.reshape(-1)], is_first

    def _push(self, keys: NDArray[np.uint64], values: NDArray[np.uint32]) -> None:
        self._runs.append((keys, values))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            (small, small_values), (large, large_values) = self._runs.pop(), self._runs.pop()
            places = np.searchsorted(large, small) + np.arange(len(small))
            rest = np.ones(len(large) + len(small), dtype=np.bool_)
            rest[places] = False
            joined = np.empty(len(rest), dtype=np.uint64)
            joined[places], joined[rest] = small, large
            joined_values = np.empty(len(rest), dtype=np.uint32)
            joined_values[places], joined_values[rest] = small_values, large_values
            self._runs.append((joined, joined_values))
