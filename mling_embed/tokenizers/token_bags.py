"""Sentences as bags of token ids, in two flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer

_SENTENCES_AT_A_TIME = 8192


@dataclass(frozen=True, slots=True)
class TokenBags:
    """Token ids of many sentences.

    Attributes:
        ids: Ids of all sentences, one after the other. Shape: (n_tokens,).
        starts: Where each sentence starts in `ids`, and the end of the last. Shape: (n_sentences + 1,).
    """

    ids: Int[ndarray, " n_tokens"]
    starts: Int[ndarray, " n_starts"]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.starts) - 1

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Iterable[Sequence[str]]) -> TokenBags:
        """Tokenize texts, given in lists of any length, without special tokens."""
        ids: list[ndarray] = []
        lengths: list[ndarray] = []
        for part in texts:
            for start in range(0, len(part), _SENTENCES_AT_A_TIME):
                encodings = tokenizer.encode_batch_fast(
                    list(part[start : start + _SENTENCES_AT_A_TIME]), add_special_tokens=False
                )
                lengths.append(np.fromiter((len(encoding) for encoding in encodings), np.int64, len(encodings)))
                ids.append(np.concatenate([np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]))
        if not ids:
            return cls(np.zeros(0, np.int32), np.zeros(1, np.int64))
        return cls(np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))

    @classmethod
    def joined(cls, parts: Sequence[TokenBags]) -> TokenBags:
        """Return the sentences of several, in order."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        return cls(np.concatenate([part.ids for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))

    def select(
        self,
        rows: Int[ndarray, " n_rows"],
        *,
        dropout: float = 0.0,
        random: np.random.Generator | None = None,
    ) -> tuple[Int[ndarray, " n_selected"], Int[ndarray, " n_rows"]]:
        """Return the ids of some sentences and the offset of each, as an embedding bag takes them.

        Args:
            rows: Sentence numbers. Shape: (n_rows,).
            dropout: Share of tokens to leave out at random.
            random: Source of the dropout.
        """
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        offsets = np.cumsum(lengths) - lengths
        ids = self.ids[np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())]
        if dropout and random is not None:
            kept = random.random(len(ids), dtype=np.float32) >= dropout
            before = np.concatenate([[0], np.cumsum(kept)])
            ids, offsets = ids[kept], before[offsets]
        return ids, offsets
