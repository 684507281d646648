"""Summaries of texts."""

from __future__ import annotations

import numpy as np
import pytest

from mling_embed.errors import DataError, UsageError
from mling_embed.summarization import summarize

TEXT = "The river is high. The river floods the town. Cats sleep. The town fears the river.\nA cat\nslept."


class Words:
    """Encode a text as which of a few words it holds."""

    words = ("river", "town", "cat", "sle", "flood", "high")

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[float(word in text.lower()) for word in self.words] for text in texts], dtype=np.float32)


def test_the_central_sentences_in_their_order() -> None:
    found = summarize(TEXT, Words(), size=2, redundancy=0.0, language="en")
    assert (found.n_sentences, [sentence.place for sentence in found.sentences]) == (5, [1, 3])
    assert str(found) == "The river floods the town.\nThe town fears the river."
    assert sorted(sentence.rank for sentence in found.sentences) == [1, 2]


def test_what_repeats_is_left_out() -> None:
    found = summarize(TEXT, Words(), share=0.4, redundancy=0.9)
    assert [sentence.text for sentence in found.sentences] == ["Cats sleep.", "The town fears the river."]


def test_sentences_as_they_are_given() -> None:
    found = summarize(["One cat. Two cats.", " ", "The high river"], Words())
    assert [sentence.text for sentence in found.sentences] == ["One cat. Two cats.", "The high river"]
    assert summarize("A cat\nslept.", Words(), size=1).sentences[0].text == "A cat slept."


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="size and share are both given"):
        summarize(TEXT, Words(), size=1, share=0.5)
    with pytest.raises(UsageError, match=r"a share of 1\.5"):
        summarize(TEXT, Words(), share=1.5)
    with pytest.raises(DataError, match="holds no sentence"):
        summarize(" \n", Words())
