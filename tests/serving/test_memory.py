"""What a server gives back: memory that is free, however it is scattered, from time to time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mling_embed.serving.memory import Heaps

# 1,000 blocks of 100 kB, of which every hundredth stays: holes of 10 MB each.
PROGRAM = """
import ctypes, sys
from pathlib import Path
from mling_embed.serving.memory import Heaps

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
full = resident()
for number, block in enumerate(blocks):
    if number % 100 < 99:
        libc.free(block)
freed = resident()
print(full - freed < 10, Heaps().give_back(), full - resident() > 90)
"""


@pytest.mark.skipif(not hasattr(__import__("ctypes").CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_lies_between_blocks_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr


def test_it_is_done_once_a_second_at_most() -> None:
    now = [5.0]
    heaps = Heaps(clock=lambda: now[0])
    heaps._trim = lambda _: 1
    told = []
    for now[0] in (5.0, 5.1, 5.9, 6.0, 6.9, 7.5):
        told.append(heaps.give_back())
    assert told == [True, False, False, True, False, True]
