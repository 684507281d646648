"""Where new tokens start: from the English tokens that stand across from them in parallel text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from mling_embed.encoders.anatomy import token_embedding
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer, read_state, token_ids

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_COMPANIONS = 4


def align_rows(
    student: SentenceTransformer, tokens: Sequence[str], texts: Sequence[str], english: Sequence[str]
) -> int:
    """Start the rows of new tokens from those of the English tokens that they stand across from, in place.

    A new token becomes the weighted mean of its companions, by the sentences that hold both: those English tokens e
    with the largest P(e | token) * P(token | e). Tokens of no sentence keep the row that they have.

    Args:
        student: Whose vocabulary has the tokens.
        tokens: The new ones.
        texts: Sentences of the new language.
        english: Their English translations.

    Returns:
        How many rows were made so.
    """
    backend, table = plain_tokenizer(student), token_embedding(student).weight
    ids = token_ids(read_state(student.tokenizer))
    is_new = np.zeros(len(table), dtype=bool)
    is_new[[ids[token] for token in tokens]] = True
    ours, theirs = (_presence(TokenBags.of(backend, [part]), len(table)) for part in (texts, english))
    new, old = np.flatnonzero(is_new), np.flatnonzero(~is_new)
    weights = association(ours[:, new], theirs[:, old])
    aligned = np.flatnonzero(weights.sum(axis=1) > 0)
    if not len(aligned):
        return 0
    shares = sparse.diags_array(1 / weights.sum(axis=1)[aligned]) @ weights[aligned]
    with torch.no_grad():
        rows = shares @ table[torch.from_numpy(old)].numpy()
        table[torch.from_numpy(new[aligned])] = torch.from_numpy(rows).to(table)
    return len(aligned)


def association(ours: sparse.csr_array, theirs: sparse.csr_array) -> sparse.csr_array:
    """Weigh the companions of each token: those that stand across from it, and from little else.

    Args:
        ours: 1 where a sentence holds a token. Shape: (n_pairs, n_ours).
        theirs: The same of the translations. Shape: (n_pairs, n_theirs).

    Returns:
        The four largest P(theirs | ours) * P(ours | theirs) of each row. Shape: (n_ours, n_theirs).
    """
    both = (ours.T @ theirs).tocsr()
    count, other = (np.asarray(side.sum(axis=0), dtype=np.float64) for side in (ours, theirs))
    rows = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
    weights = both.data.astype(np.float64) ** 2 / (count[rows] * other[both.indices])
    order = np.lexsort((both.indices, -weights, rows))  # row by row, the largest first
    kept = order[np.arange(len(order)) - both.indptr[rows[order]] < _COMPANIONS]
    return sparse.csr_array((weights[kept], (rows[kept], both.indices[kept])), shape=both.shape)


def _presence(bags: TokenBags, width: int) -> Any:
    """Return which sentence holds which token. Shape: (n_sentences, width)."""
    rows = np.repeat(np.arange(len(bags)), np.diff(bags.starts))
    held = sparse.csr_array((np.ones(len(rows), np.float32), (rows, bags.ids)), shape=(len(bags), width))
    held.sum_duplicates()
    held.data.fill(1)
    return held
