"""Give a model another vocabulary, trimmed or extended: its tokenizer and its token embedding together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mling_embed.encoders.anatomy import gathered, position_padding, replace_token_embedding, token_embedding
from mling_embed.errors import DataError
from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.extension import extended_vocabulary
from mling_embed.tokenizers.tokenizer_json import read_state, rebuilt, token_ids
from mling_embed.tokenizers.trimming import trimmed_vocabulary

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What trimming did.

    Attributes:
        model: The model, changed in place.
        rows_before: Rows of its token embedding before.
        rows_after: And after.
        megabytes_before: Size of the token embedding in memory before, in millions of bytes.
        megabytes_after: And after.
    """

    model: SentenceTransformer
    rows_before: int
    rows_after: int
    megabytes_before: float
    megabytes_after: float

    @property
    def rows_saved(self) -> int:
        """Rows that are gone."""
        return self.rows_before - self.rows_after

    @property
    def megabytes_saved(self) -> float:
        """Millions of bytes that are gone."""
        return self.megabytes_before - self.megabytes_after


def trim_vocabulary(
    model: SentenceTransformer,
    texts: Iterable[Sequence[str]],
    *,
    keep: Sequence[str] = (),
    min_count: int = 1,
    progress: Progress = silent,
) -> Trimmed:
    """Trim a model's vocabulary to what a corpus uses, in place.

    Special and added tokens stay, with their roles. With `min_count` 1 every text of the corpus gives the same tokens
    and the same vector as before.

    Args:
        model: A model with a fast tokenizer (Unigram, BPE or WordPiece) and a transformer of a known family.
        texts: Texts, or lists of texts of any length; with the prompts of the model before them where it has some.
        keep: Further tokens to keep, as the tokenizer writes them.
        min_count: Times that the corpus must use a token for it to stay. Above 1, texts with rare tokens are cut finer.
        progress: Receives the texts read.

    Raises:
        UsageError: A token of `keep` is not in the vocabulary, or tokenizer or family are not of a known kind.
        DataError: The tokenizer does not fit the token embedding.
    """
    state = read_state(model.tokenizer)
    ids, table = token_ids(state), token_embedding(model).weight
    if max(ids.values()) >= len(table):
        raise DataError(f"the tokenizer has ids up to {max(ids.values())}; the token embedding {len(table)} rows.")
    new = trimmed_vocabulary(
        state,
        texts,
        prompts=[prompt for prompt in model.prompts.values() if prompt],
        keep=keep,
        min_count=min_count,
        padding=position_padding(model),
        progress=progress,
    )
    new_ids = token_ids(new)
    rows = [ids[token] for token in sorted(new_ids, key=new_ids.__getitem__)]
    replace_token_embedding(model, gathered(table, rows), rebuilt(model.tokenizer, new))
    megabytes_a_row = table.shape[1] * table.element_size() / 1e6
    return Trimmed(model, len(table), len(rows), len(table) * megabytes_a_row, len(rows) * megabytes_a_row)


@dataclass(frozen=True, slots=True)
class Extended:
    """What extending did.

    Attributes:
        model: The model, changed in place.
        rows_before: Rows of its token embedding before.
        rows_after: And after.
        composed: New tokens whose row is the mean of their old pieces' rows.
        averaged: New tokens of which the old vocabulary knew nothing; their row is the mean of the whole old table.
    """

    model: SentenceTransformer
    rows_before: int
    rows_after: int
    composed: int
    averaged: int


def extend_vocabulary(
    model: SentenceTransformer, new_tokens: Sequence[str], *, scores: Sequence[float] | None = None
) -> Extended:
    """Add tokens to a model's vocabulary, in place.

    A new token's row of the token embedding starts as the mean of the rows of the pieces that the old tokenizer cut it
    into: the text means to the model about what it meant before.

    Args:
        model: A model with a fast tokenizer (Unigram, BPE or WordPiece) and a transformer of a known family.
        new_tokens: As the tokenizer writes them; see `extended_vocabulary`.
        scores: Natural log-probabilities of Unigram pieces, as `new_pieces` gives them.

    Raises:
        UsageError: A token is there already, is no token, or scores do not fit.
    """
    state, old = read_state(model.tokenizer), token_embedding(model).weight.detach()
    new = extended_vocabulary(state, new_tokens, scores=scores)
    if not new_tokens:
        return Extended(model, len(old), len(old), 0, 0)
    old_ids, new_ids = token_ids(state), token_ids(new.state)
    table = gathered(old, [old_ids.get(token, 0) for token in sorted(new_ids, key=new_ids.__getitem__)])
    table[[new_ids[token] for token in new_tokens]] = _composed(old, new.parts)
    replace_token_embedding(model, table, rebuilt(model.tokenizer, new.state))
    averaged = sum(not part for part in new.parts)
    return Extended(model, len(old), len(table), len(new_tokens) - averaged, averaged)


def _composed(table: Tensor, parts: Sequence[Sequence[int]]) -> Tensor:
    """Return the mean row of each token's parts, or of the whole table for one without. Shape: (n_new, hidden)."""
    whole = table.mean(dim=0)
    return torch.stack([table[list(part)].mean(dim=0) if part else whole for part in parts])
