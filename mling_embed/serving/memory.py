"""The memory of a server: what batches needed goes back to the system."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass, field


def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's, or nothing where the C library is another."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return found


@dataclass(slots=True)
class Heaps:
    """Give freed memory back to the system.

    No two batches have activations of the same shapes, so that glibc's heaps fill with holes that the next ones do not
    fit into: a server grows by half in two minutes, and stays so.

    Attributes:
        seconds: Between two times, as it takes some milliseconds, and what is given back must be asked for again.
        clock: Tells the time.
    """

    seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=float("-inf"), init=False)
    _trim: Callable[[int], int] | None = field(default_factory=_malloc_trim, init=False)

    def give_back(self) -> bool:
        """Give back what is free, if it is time and the C library can; tell whether it was done."""
        now = self.clock()
        if self._trim is None or now - self._last < self.seconds:
            return False
        self._last = now
        self._trim(0)
        return True
