"""Memory: sizes as people write them, and what fits."""

from __future__ import annotations

import pytest

from mling_embed.errors import UsageError
from mling_embed.mining import memory
from mling_embed.mining.memory import block_rows_within, parse_size, resident_bytes
from mling_embed.mining.shards import PIECE_ROWS, SHARD_ROWS


@pytest.mark.parametrize(
    ("text", "size"), [("4G", 4 << 30), ("1500m", 1500 << 20), ("2.5 GiB", 2560 << 20), ("1024", 1024), ("8kb", 8192)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "four", "1e9", "0", "4 X", "1.G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is no size of memory.*Write it as 4G"):
        parse_size(text)


def test_blocks_grow_with_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_bytes", lambda: 500 << 20)
    given = {"n_rows": 10_000, "dim": 384, "k": 5}
    assert block_rows_within(None, **given) == SHARD_ROWS
    assert block_rows_within(64 << 30, **given) == SHARD_ROWS
    rows = [block_rows_within(size << 20, **given) for size in (700, 800, 900)]
    assert PIECE_ROWS < rows[0] < rows[1] < rows[2] < SHARD_ROWS
    assert all(each % PIECE_ROWS == 0 for each in rows)
    with pytest.raises(UsageError, match=r"10,000 sentences with 5 neighbors each need 6\d\d MiB; 600 are allowed"):
        block_rows_within(600 << 20, **given)


def test_this_process_holds_something() -> None:
    assert resident_bytes() > 10 << 20
