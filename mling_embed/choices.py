"""Choices given by name: the member of an enumeration, or an error that names the nearest and the others."""

from __future__ import annotations

import difflib
import re
from enum import StrEnum
from typing import TypeVar

from mling_embed.errors import UsageError

Choice = TypeVar("Choice", bound=StrEnum)


def choice(kind: type[Choice], value: str) -> Choice:
    """Return the member of an enumeration that has a value.

    Raises:
        UsageError: None has; the nearest and the others are named.
    """
    if value in list(kind):
        return kind(value)
    near = difflib.get_close_matches(value, list(kind), n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    name = re.sub("(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
    raise UsageError(f"'{value}' is no {name}.", next_step=f"{hint}Choose one of {', '.join(kind)}.")
