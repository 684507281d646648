"""Slices hold each sentence once, with its special tokens and little padding; targets are the English rows'."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mling_embed.errors import UsageError
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.training.collator import Collator
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet

CLS, SEP, PAD = 101, 102, 7


def sentences_of(lengths: list[int]) -> TrainingSet:
    """Number tokens from 1000 on through all sentences."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(1000, 1000 + starts[-1], dtype=np.int32)
    rows = np.arange(len(lengths)) % 3
    return TrainingSet(TokenBags(ids, starts), rows, (np.arange(len(lengths)) >= 3).astype(np.int64))


def targets_of(matrix: np.ndarray) -> Targets:
    """Put the rows in two shards, the second one upside down."""
    rows = np.arange(len(matrix))
    shard_of = rows % 2
    row_of = np.where(shard_of == 1, rows[::-1] // 2 if len(rows) % 2 == 0 else (len(rows) - 1 - rows) // 2, rows // 2)
    return Targets((matrix[::2], matrix[1::2][::-1]), shard_of, row_of, matrix.shape[1])


def collator(sentences: TrainingSet, *, max_length: int = 6, prefix: tuple[int, ...] = (CLS,)) -> Collator:
    matrix = np.arange(12, dtype=np.float16).reshape(3, 4)
    return Collator(
        sentences, targets_of(matrix), prefix_ids=prefix, suffix_ids=[SEP], pad_id=PAD, max_length=max_length
    )


def test_three_sentences_by_hand() -> None:
    slices = collator(sentences_of([2, 0, 9])).slices(np.array([1, 2, 0]), slice_tokens=12)
    (long, short) = slices
    assert long.positions.tolist() == [1, 2]
    assert long.input_ids.tolist() == [[CLS, 1002, 1003, 1004, 1005, SEP], [CLS, 1000, 1001, SEP, PAD, PAD]]
    assert long.attention_mask.tolist() == [[1] * 6, [1, 1, 1, 1, 0, 0]]
    positions, input_ids, attention_mask = short
    assert (positions.tolist(), input_ids.tolist(), attention_mask.tolist()) == ([0], [[CLS, SEP]], [[1, 1]])
    assert {tensor.dtype for part in slices for tensor in part} == {torch.int64}


def test_a_sentence_beyond_the_slice_is_one_of_its_own() -> None:
    slices = collator(sentences_of([4, 4, 1])).slices(np.arange(3), slice_tokens=3)
    assert [part.positions.tolist() for part in slices] == [[0], [1], [2]]


def test_targets_are_those_of_the_english_row() -> None:
    found = collator(sentences_of([1] * 6)).targets(np.array([5, 0, 3, 1]))
    assert found.dtype == torch.float32
    assert found.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 15), min_size=1, max_size=30),
    seed=st.integers(0, 9),
    slice_tokens=st.integers(1, 80),
    prefix=st.sampled_from([(), (CLS,), (CLS, 5)]),
)
def test_any_sentences(lengths: list[int], seed: int, slice_tokens: int, prefix: tuple[int, ...]) -> None:
    sentences = sentences_of(lengths)
    numbers = np.random.default_rng(seed).integers(0, len(lengths), 20)
    slices = collator(sentences, max_length=10, prefix=prefix).slices(numbers, slice_tokens=slice_tokens)
    found: dict[int, list[int]] = {}
    for positions, input_ids, mask in slices:
        assert len(positions) == 1 or input_ids.numel() <= slice_tokens
        assert mask.sum(dim=1).max() == input_ids.shape[1]
        assert (input_ids[mask == 0] == PAD).all()
        for position, row, kept in zip(positions.tolist(), input_ids, mask.bool(), strict=True):
            assert position not in found
            found[position] = row[kept].tolist()
    starts = sentences.bags.starts
    for position, number in enumerate(numbers):
        own = sentences.bags.ids[starts[number] : starts[number + 1]][: 10 - len(prefix) - 1].tolist()
        assert found[position] == [*prefix, *own, SEP]


def test_padding_is_little() -> None:
    lengths = np.minimum(np.random.default_rng(0).geometric(0.05, 400), 120).tolist()
    slices = collator(sentences_of(lengths), max_length=128).slices(np.arange(400), slice_tokens=1024)
    padded = sum(part.input_ids.numel() for part in slices)
    real = sum(int(part.attention_mask.sum()) for part in slices)
    assert real == sum(lengths) + 2 * 400
    assert padded - real < (400 * (max(lengths) + 2) - real) / 20  # against one padding for all


def test_nothing_and_what_cannot_fit() -> None:
    assert collator(sentences_of([1])).slices(np.zeros(0, np.int64)) == []
    assert collator(sentences_of([1])).targets(np.zeros(0, np.int64)).shape == (0, 4)
    with pytest.raises(UsageError, match="max_length: 2; expected more than the 2 special tokens"):
        collator(sentences_of([1]), max_length=2)
