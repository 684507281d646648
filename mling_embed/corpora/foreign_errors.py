"""The border to other people's code: whatever a library raises while it reads, comes out as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mling_embed.errors import DamagedFileError, MlingEmbedError


@contextmanager
def foreign_errors(
    where: object,
    what: str = "damaged or cut short",
    *,
    kind: type[MlingEmbedError] = DamagedFileError,
    next_step: str = "Fetch it again.",
) -> Iterator[None]:
    """Turn what the block raises into an error that names the file; ours, and a system's that names one, pass.

    Args:
        where: The file, or the member of an archive.
        what: What is wrong; the library's own words follow in brackets.
        kind: The error to raise.
        next_step: What to do about it.

    Raises:
        MlingEmbedError: The library failed. It is of `kind`.
    """
    try:
        yield
    except MlingEmbedError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        told = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"{what} ({told[:300]}).", where=str(where), next_step=next_step) from error
