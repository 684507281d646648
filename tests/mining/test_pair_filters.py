"""Filters of pairs."""

from __future__ import annotations

import pytest

from mling_embed.mining.pair_filters import PairFilter, PairReason, numbers_in


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("Ein Satz von üblicher Länge.", "A sentence of usual length.", None),
        ("Nein.", "No, " * 40, PairReason.LENGTH_RATIO),
        ("New York", "New York", None),
        ("one two three four", "one two three four", PairReason.COPY_OF_SOURCE),
        ("Im Jahr 1990", "In 1991", PairReason.NUMBERS_DIFFER),
        ("1.234,5 km", "1,234.5 km", None),
    ],
)
def test_reasons(source: str, target: str, reason: PairReason | None) -> None:
    check = PairFilter(same_numbers=True).check_for("de", "en")
    assert check(source, target) is reason
    assert check(target, source) is reason
    everything = PairFilter(max_length_ratio=None, max_copied_words=None).check_for("de", "en")
    assert everything(source, target) is None


def test_chinese_is_dense_and_either_side_may_be() -> None:
    chinese, english = "这是一个关于今天天气的句子" * 3, "This is a sentence about the weather of today. " * 3
    strict = PairFilter(max_length_ratio=1.5)
    assert strict.check_for("zh", "en")(chinese, english) is None
    assert strict.check_for("en", "zh")(english, chinese) is None
    assert strict.check_for("und", "und")(chinese, english) is PairReason.LENGTH_RATIO


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("no digits", ()),
        ("3 of 12", ("12", "3")),
        ("٣ و ١٢", ("12", "3")),
        ("10\u202f000 Euro", ("10000",)),
        ("v1.2.3, then 7.", ("123", "7")),
        ("x²", ()),
    ],
)
def test_numbers(text: str, numbers: tuple[str, ...]) -> None:
    assert numbers_in(text) == numbers
