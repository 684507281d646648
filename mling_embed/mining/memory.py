"""Memory: how large blocks may be, and whether a mining fits at all, before it begins."""

from __future__ import annotations

import re
from pathlib import Path

from mling_embed.errors import UsageError
from mling_embed.mining.shards import PIECE_ROWS, SHARD_ROWS

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_KERNEL_BYTES = 160 << 20  # what the kernel holds beside the two blocks
_COPIES = 3  # of a block: as read, as joined, and as the kernel wants it
_NEIGHBOR_BYTES = 16  # an index and a score
_SELECTING_BYTES = 64  # a neighbor, while pairs are selected and calibrated
_ROW_BYTES = 400  # a row, while pairs are selected


def parse_size(text: str) -> int:
    """Return the bytes that a size means: ``4G``, ``1500M``, ``2.5 GiB``.

    Raises:
        UsageError: It is no size.

    >>> parse_size("1.5G") == 1536 << 20
    True
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if match is None or not float(match[1]):
        raise UsageError(f"'{text}' is no size of memory.", next_step="Write it as 4G or 1500M.")
    return int(float(match[1]) * _UNITS[match[2]])


def block_rows_within(memory: int | None, *, n_rows: int, dim: int, k: int) -> int:
    """Return how many rows of either side may be in memory at once, so that all stays within `memory`.

    Args:
        memory: Bytes of the whole process at its peak; `None` for no limit.
        n_rows: Distinct sentences of both sides together.
        dim: Width of a vector.
        k: Neighbors kept for each row.

    Raises:
        UsageError: It cannot be done within `memory`; what is needed is named.
    """
    if memory is None:
        return SHARD_ROWS
    held = resident_bytes() + n_rows * k * _NEIGHBOR_BYTES
    selecting = n_rows * (k * _SELECTING_BYTES + _ROW_BYTES)
    row = 2 * _COPIES * dim * 4
    needed = held + max(selecting, _KERNEL_BYTES + PIECE_ROWS * row)
    if needed > memory:
        raise UsageError(
            f"{n_rows:,} sentences with {k} neighbors each need {needed / (1 << 20):,.0f} MiB; "
            f"{memory / (1 << 20):,.0f} are allowed.",
            next_step=f"Allow more, as in --memory {-(-needed // (1 << 20))}M, or mine in parts.",
        )
    rows = (memory - held - _KERNEL_BYTES) // row
    return int(max(PIECE_ROWS, min(SHARD_ROWS, rows // PIECE_ROWS * PIECE_ROWS)))


def resident_bytes() -> int:
    """Return the memory that this process holds now; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
