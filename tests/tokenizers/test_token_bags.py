"""Token bags against plain Python lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from mling_embed.tokenizers.token_bags import TokenBags

Sentences = list[list[int]]


def bags_of(sentences: Sentences) -> TokenBags:
    ids = np.asarray([token for sentence in sentences for token in sentence], dtype=np.int32)
    return TokenBags(ids, np.cumsum([0, *map(len, sentences)]))


def lists_of(ids: np.ndarray, offsets: np.ndarray) -> Sentences:
    return [ids[start:end].tolist() for start, end in pairwise([*offsets.tolist(), len(ids)])]


@given(st.lists(st.lists(st.integers(0, 99), max_size=6), min_size=1, max_size=20), st.data())
def test_select_is_what_lists_would_give(sentences: Sentences, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=30))
    ids, offsets = bags_of(sentences).select(np.asarray(rows, dtype=np.int64))
    assert lists_of(ids, offsets) == [sentences[row] for row in rows]


def test_dropout_leaves_out_its_share_and_keeps_the_order() -> None:
    sentences = [list(range(n % 7)) for n in range(20_000)]
    bags, rows = bags_of(sentences), np.arange(20_000)
    ids, offsets = bags.select(rows, dropout=0.3, random=np.random.default_rng(0))
    assert len(ids) / len(bags.ids) == pytest.approx(0.7, abs=0.01)
    left = lists_of(ids, offsets)
    assert len(left) == len(sentences)
    assert all(
        sorted(set(some)) == some and set(some) <= set(whole) for some, whole in zip(left, sentences, strict=True)
    )
    again, _ = bags.select(rows, dropout=0.3, random=np.random.default_rng(0))
    np.testing.assert_array_equal(ids, again)


def test_of_tokenizes_lists_of_any_length() -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    bags = TokenBags.of(tokenizer, [["a b", ""], [], ["b b ?"]])
    assert len(bags) == 3
    assert lists_of(bags.ids, bags.starts[:-1]) == [[1, 2], [], [2, 2, 0]]
    many = TokenBags.of(tokenizer, [["a b"] * 10_000])
    assert (len(many), many.ids.sum()) == (10_000, 30_000)
    assert len(TokenBags.of(tokenizer, [])) == 0
