"""Choices by name: the member, or an error that names the nearest and all of them."""

from __future__ import annotations

from enum import StrEnum

import pytest

from mling_embed.choices import choice
from mling_embed.errors import UsageError


class NumberKind(StrEnum):
    """Kinds of numbers."""

    EVEN = "even"
    ODD = "odd"


def test_a_word_names_its_member() -> None:
    assert choice(NumberKind, "odd") is NumberKind.ODD


@pytest.mark.parametrize(
    ("word", "hint"),
    [("evne", "Did you mean 'even'? Choose one of even, odd."), ("x", "Choose one of even, odd.")],
)
def test_another_word_is_told_what_there_is(word: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"'{word}' is no number kind") as caught:
        choice(NumberKind, word)
    assert caught.value.next_step == hint
