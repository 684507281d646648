"""The readers, one module a format: rows in, `Pair` or `Reject` out. Whatever module here has a `FORMAT` is one."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import BufferedIOBase
from typing import NamedTuple

from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.records import Pair, Reject
from mling_embed.errors import UsageError


class OpenFile(NamedTuple):
    """Hold one file of an input, open and decompressed, with its name for people."""

    stream: BufferedIOBase
    where: str


# Yields every row of an input's open files as a pair, or as a reject that says why it is none.
Reader = Callable[[Sequence[OpenFile], CorpusInput, Decoding], Iterator[Pair | Reject]]


@dataclass(frozen=True, slots=True)
class Format:
    """Describe a format; a module of this package that holds one as `FORMAT` is found by itself.

    Attributes:
        name: What manifests and inputs call it.
        read: Its reader.
        suffixes: Of files in it, compression aside.
        files: How many an input of it has.
        in_order: Whether sides may have slipped against each other, so that the off-by-one check applies.
        in_columns: Whether a row is pairs only with columns that name English; manifests hold other tables too.
    """

    name: str
    read: Reader
    suffixes: tuple[str, ...] = ()
    files: int = 1
    in_order: bool = False
    in_columns: bool = False


@cache
def formats() -> dict[str, Format]:
    """Return every format by its name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def format_named(name: str) -> Format:
    """Return a format.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in formats():
        raise UsageError(f"no format '{name}'.", next_step=f"Use one of {', '.join(formats())}.")
    return formats()[name]


def suffixes() -> dict[str, str]:
    """Return the name of the format that goes by each suffix."""
    return {suffix: one.name for one in formats().values() for suffix in one.suffixes}
