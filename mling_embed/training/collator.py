"""Turn sentence numbers into what a forward pass takes, and into the teacher's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64
from numpy import ndarray

from mling_embed.errors import UsageError
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet


class Slice(NamedTuple):
    """Sentences of about one length, padded to the longest of them.

    Attributes:
        positions: Where each stands among the numbers asked for. Shape: (n,).
        input_ids: Shape: (n, seq).
        attention_mask: 1 for tokens, 0 for padding. Shape: (n, seq).
    """

    positions: Int64[torch.Tensor, " n"]
    input_ids: Int64[torch.Tensor, "n seq"]
    attention_mask: Int64[torch.Tensor, "n seq"]


class Collator:
    """Gather token ids and targets of training sentences.

    Args:
        sentences: What is trained on.
        targets: The teacher's vectors of the English rows.
        prefix_ids: Special tokens before each sentence.
        suffix_ids: Special tokens after each; a truncated sentence has them too.
        pad_id: Id of padding.
        max_length: Tokens to which a sentence is truncated, special ones included.

    Raises:
        UsageError: No token of a sentence would fit.
    """

    def __init__(
        self,
        sentences: TrainingSet,
        targets: Targets,
        *,
        prefix_ids: Sequence[int],
        suffix_ids: Sequence[int],
        pad_id: int,
        max_length: int,
    ) -> None:
        special = len(prefix_ids) + len(suffix_ids)
        if max_length <= special:
            raise UsageError(f"max_length: {max_length}; expected more than the {special} special tokens.")
        self._sentences, self._targets = sentences, targets
        self._prefix, self._suffix = np.array(prefix_ids, np.int64), np.array(suffix_ids, np.int64)
        self._pad_id, self._longest = pad_id, max_length - special

    def slices(self, numbers: Int[ndarray, " n"], *, slice_tokens: int = 2048) -> list[Slice]:
        """Return sentences in slices, from long to short, each padded on its own.

        Args:
            numbers: Sentence numbers. Shape: (n,).
            slice_tokens: Most tokens in a slice, padding included; a longer sentence is a slice of its own.
        """
        starts = self._sentences.bags.starts
        lengths = np.minimum(starts[numbers + 1] - starts[numbers], self._longest)
        order = np.argsort(-lengths, kind="stable")
        slices, done = [], 0
        while done < len(order):
            longest = int(lengths[order[done]]) + len(self._prefix) + len(self._suffix)
            positions = order[done : done + max(1, slice_tokens // max(1, longest))]
            slices.append(self._slice(positions, starts[numbers[positions]], lengths[positions]))
            done += len(positions)
        return slices

    def targets(self, numbers: Int[ndarray, " n"]) -> Float32[torch.Tensor, "n dim"]:
        """Return the teacher's vector of each sentence's English row. Shape: (n, dim)."""
        vectors = self._targets.take(self._sentences.target_rows[numbers])
        return torch.from_numpy(vectors.astype(np.float32))

    def _slice(self, positions: Int[ndarray, " n"], starts: Int[ndarray, " n"], lengths: Int[ndarray, " n"]) -> Slice:
        before, after = len(self._prefix), len(self._suffix)
        columns = np.arange(before + int(lengths.max()) + after)
        ends = (before + lengths)[:, None]
        ids = np.full((len(positions), len(columns)), self._pad_id, dtype=np.int64)
        ids[:, :before] = self._prefix
        # Row by row, the places of the sentence's own tokens, and the tokens in the same order.
        own = (columns >= before) & (columns < ends)
        offsets = np.cumsum(lengths) - lengths
        ids[own] = self._sentences.bags.ids[np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())]
        np.put_along_axis(ids, ends + np.arange(after), np.broadcast_to(self._suffix, (len(ids), after)), axis=1)
        mask = (columns < ends + after).astype(np.int64)
        return Slice(torch.from_numpy(positions), torch.from_numpy(ids), torch.from_numpy(mask))
