"""The state of all rows together, and the checksums that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class State:
    """Hold what must be true of all rows together, after one commit.

    Every row number from 1 to `last_row` is that of a row or of a deletion, so that a lost row is noticed.

    Attributes:
        commit: Goes up by one with every change.
        epoch: Goes up when all vectors or row numbers change: older generations are void then.
        last_row: The highest row number ever given.
        live: Rows.
        digest: Sum of the checksums of all rows, in hexadecimal.
        deleted: Deletions.
        deleted_digest: Sum of the checksums of all deletions, in hexadecimal.
    """

    commit: int = 0
    epoch: int = 1
    last_row: int = 0
    live: int = 0
    digest: str = "0"
    deleted: int = 0
    deleted_digest: str = "0"


def added_to(digest: str, value: bytes, *, sign: int = 1) -> str:
    """Return a sum of checksums with one more, or one less."""
    return f"{(int(digest, 16) + sign * int.from_bytes(value, 'little')) % MODULUS:x}"


def deletion_sum(sequence: int, row: int) -> bytes:
    """Return the checksum of a deletion."""
    return blake2b(f"{sequence} {row}".encode(), digest_size=32).digest()


def check(value: Any) -> str:
    """Return the checksum of a record beside the rows."""
    return blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
