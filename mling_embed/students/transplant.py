"""The transplanted student: the teacher's transformer with the static student's vocabulary.

The static student's token vectors live in the teacher's output space, where tokens of all languages that mean the same
lie close together. A new token's input embedding therefore starts as a weighted mean of the teacher's own input
embeddings of the whole words nearest to it there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.anatomy import replace_token_embedding, token_embedding
from mling_embed.encoders.static import StaticEncoder
from mling_embed.errors import DataError
from mling_embed.neighbors.topk import top_k
from mling_embed.progress import Progress, silent
from mling_embed.students.input_fit import fit_input_rows
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.token_matching import same_tokens
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer
from mling_embed.tokenizers.vocabulary import with_special_tokens
from mling_embed.training.training_set import TrainingSet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerFast

_ENGLISH_SAMPLE = 100_000
_LEAST_COUNT = 3  # times that English text must hold a token before its embedding counts as learned


def transplant(
    teacher: SentenceTransformer,
    static: StaticEncoder,
    english: Sequence[str],
    *,
    neighbors: int = 8,
    temperature: float = 0.05,
) -> SentenceTransformer:
    """Return the teacher's transformer with the static student's vocabulary.

    Args:
        teacher: Its body, pooling and head are copied.
        static: Its tokenizer becomes the student's, its token vectors say which tokens mean the same.
        english: English sentences; which of the teacher's tokens they hold says which embeddings it has learned.
        neighbors: English tokens that a new token's row is the mean of.
        temperature: Of the softmax over their cosines that weighs them.

    Returns:
        A model of its own. Tokens that the teacher has too keep its embeddings.

    Raises:
        UsageError: The teacher's tokenizer is not a fast one.
        DataError: The two vocabularies have next to nothing in common.
    """
    model = copy.deepcopy(teacher).to("cpu")
    old = token_embedding(model).weight.detach().cpu()
    known = plain_tokenizer(teacher)
    tokenizer = with_special_tokens(static.tokenizer, like=teacher.tokenizer)
    vectors = _in_order_of(tokenizer.backend_tokenizer, static)
    twins = same_tokens(tokenizer.backend_tokenizer, known)
    learned = _token_counts(known, english, len(old)) >= _LEAST_COUNT
    copied = np.flatnonzero((twins >= 0) & (learned[twins] | _is_special(tokenizer, len(twins))))
    anchors = copied[(vectors[copied] != 0).any(dim=1).numpy()]
    if len(anchors) < neighbors:
        raise DataError(
            f"the teacher and the new vocabulary share {len(anchors)} tokens; expected at least {neighbors}.",
            next_step="Check that the corpus holds English sentences, and that it is lower-cased as the teacher does.",
        )
    nearest = top_k(vectors.numpy(), vectors[anchors].numpy(), neighbors)
    weights = torch.softmax(torch.from_numpy(nearest.scores).float() / temperature, dim=1)
    table = functional.embedding_bag(
        torch.from_numpy(nearest.indices), old[twins[anchors]], per_sample_weights=weights, mode="sum"
    )
    table[torch.from_numpy(copied)] = old[twins[copied]]
    replace_token_embedding(model, table, tokenizer)
    return model


def transplanted_student(
    teacher: SentenceTransformer,
    static: StaticEncoder,
    corpus: ParallelCorpus,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> tuple[SentenceTransformer, TrainingSet]:
    """Return the teacher's transformer with the vocabulary of a static student, and the corpus tokenized with it.

    Args:
        teacher: Whose body is taken.
        static: Whose vocabulary is taken, and whose token vectors say what means the same.
        corpus: Parallel text, through which the rows are fitted (`fit_input_rows`).
        seed: Of that fit.
        checkpoints: Folder of its state, so that a stopped one goes on.
        progress: Told of the work done.
    """
    rows = corpus.english_rows(Split.TRAIN)
    sample = rows[:: max(1, len(rows) // _ENGLISH_SAMPLE)]
    start = transplant(teacher, static, corpus.english_texts(sample))
    sentences = fit_input_rows(start, teacher, corpus, seed=seed, checkpoints=checkpoints, progress=progress)
    return start, sentences


def _in_order_of(tokenizer: Tokenizer, static: StaticEncoder) -> Float[Tensor, "vocabulary dim"]:
    """Return the static student's unit-norm token vectors in another tokenizer's order; zeros where it has none."""
    vectors = torch.zeros(tokenizer.get_vocab_size(), static.dim)
    numbers = tokenizer.get_vocab()
    places = [numbers[token] for token, _ in sorted(static.tokenizer.get_vocab().items(), key=itemgetter(1))]
    vectors[places] = functional.normalize(static.table)
    return vectors


def _token_counts(tokenizer: Tokenizer, texts: Sequence[str], size: int) -> Int[ndarray, " vocabulary"]:
    return np.bincount(TokenBags.of(tokenizer, [texts]).ids, minlength=size)


def _is_special(tokenizer: PreTrainedTokenizerFast, size: int) -> Bool[ndarray, " vocabulary"]:
    special = np.zeros(size, dtype=bool)
    special[tokenizer.all_special_ids] = True
    return special
