"""Fit the input embeddings of a new vocabulary through parallel text, before anything is trained.

The rows of a sentence's tokens, summed, shall point where the teacher's own rows of its English translation do: the
regression of the static student, in the teacher's input space instead of its output space. It tells word forms and
homographs apart by their use, which likeness of meaning alone does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.anatomy import token_embedding
from mling_embed.progress import Progress, silent
from mling_embed.students.static_solver import fit_token_table
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer, read_state, token_ids
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet, training_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_FIT = FitSettings(epochs=3)
_FIT_OF_FEW = FitSettings(epochs=16, batch_size=512, group=512)  # thousands of sentences, not millions
_FREQUENT = 1e-3  # share of the text at which a token weighs half: a of Arora et al. 2017
_AGREEMENT = 0.9  # cosine from which a row is right as it is
_LEAST_COUNT = 20  # times that English text must hold a token for its row's length to count
_SENTENCES_AT_A_TIME = 16_384


def fit_input_rows(
    student: SentenceTransformer,
    teacher: SentenceTransformer,
    corpus: ParallelCorpus,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> TrainingSet:
    """Join the token rows of a transplanted student with those that parallel text asks for, in place.

    Args:
        student: The teacher's body with another vocabulary, whose rows have a start.
        teacher: Whose rows are the measure.
        corpus: Parallel text; its training split is read.
        seed: Of the fit.
        checkpoints: Folder where the state after each epoch is kept, so that a stopped fit goes on.
        progress: Told of the work done.

    Returns:
        The training split, tokenized as it was read here, so that a training need not do it again.
    """
    own, rows = token_embedding(teacher).weight.detach().cpu(), token_embedding(student).weight
    measure = _Measure.of(own, TokenBags.of(plain_tokenizer(teacher), _english(corpus)))
    sentences = training_sentences(corpus, plain_tokenizer(student), progress=progress)
    fitted = fit_token_table(
        sentences.bags,
        sentences.target_rows,
        measure.sums,
        vocabulary_size=len(rows),
        fit=_FIT,
        seed=seed,
        checkpoints=checkpoints,
        progress=progress,
    )
    with torch.no_grad():
        rows.copy_(joined_rows(rows, torch.from_numpy(fitted), center=measure.center, length=measure.length))
    return sentences


def fit_new_rows(
    student: SentenceTransformer, tokens: Sequence[str], texts: Sequence[str], english: Sequence[str], *, seed: int = 0
) -> None:
    """Join the rows of new tokens with those that parallel text asks for, in place; all others stay as they are.

    Args:
        student: Whose vocabulary has the tokens; its rows of the English sentences' tokens are the measure.
        tokens: The new ones, whose rows have a start.
        texts: Sentences of the new language.
        english: Their English translations.
        seed: Of the fit.
    """
    rows, backend = token_embedding(student).weight, plain_tokenizer(student)
    own = rows.detach().cpu()
    measure = _Measure.of(own, TokenBags.of(backend, [english]))
    fitted = fit_token_table(
        TokenBags.of(backend, [texts]),
        np.arange(len(texts)),
        measure.sums,
        vocabulary_size=len(rows),
        fit=_FIT_OF_FEW,
        seed=seed,
    )
    ids = token_ids(read_state(student.tokenizer))
    new = torch.tensor([ids[token] for token in tokens])
    with torch.no_grad():
        rows[new] = joined_rows(
            own[new], torch.from_numpy(fitted)[new], center=measure.center, length=measure.length
        ).to(rows)


def joined_rows(
    rows: Float32[Tensor, "vocabulary hidden"],
    fitted: Float32[Tensor, "vocabulary hidden"],
    *,
    center: Float32[Tensor, " hidden"],
    length: float,
) -> Float32[Tensor, "vocabulary hidden"]:
    """Return rows between those that are there and fitted directions, each counting half.

    A row stays as it is where both nearly agree, and where nothing was fitted.

    Args:
        rows: As they are.
        fitted: Directions from the center, of any length; zero where no sentence held the token.
        center: Mean of the teacher's rows.
        length: Distance from the center of a row that is made.
    """
    own, found = functional.normalize(rows - center), functional.normalize(fitted)
    differs = (own * found).sum(dim=1) < _AGREEMENT
    made = center + length * functional.normalize(own + found)
    return torch.where((differs & found.any(dim=1))[:, None], made, rows)


def _english(corpus: ParallelCorpus) -> Iterator[list[str]]:
    """Yield all English sentences: the row numbers of targets count those of the dev split too."""
    for start in range(0, corpus.n_english, _SENTENCES_AT_A_TIME):
        yield corpus.english_texts(np.arange(start, min(start + _SENTENCES_AT_A_TIME, corpus.n_english)))


@dataclass(frozen=True, slots=True)
class _Measure:
    """What rows are fitted to: the sums of known rows over English sentences.

    Attributes:
        center: Mean of the rows that the sentences hold.
        length: Mean distance from it, of the frequent ones.
        sums: Directions of the sentences' sums from the center, frequent tokens weighing less.
    """

    center: Float32[Tensor, " hidden"]
    length: float
    sums: Targets

    @classmethod
    def of(cls, own: Float32[Tensor, "vocabulary hidden"], english: TokenBags) -> _Measure:
        """Measure known rows by English sentences, tokenized with their vocabulary."""
        counts = np.bincount(english.ids, minlength=len(own))
        center = own[torch.from_numpy(counts > 0)].mean(dim=0)
        frequent = own[torch.from_numpy(counts >= min(_LEAST_COUNT, counts.max()))]
        weights = torch.from_numpy(_FREQUENT / (_FREQUENT + counts / counts.sum())).to(own)
        weighted, starts = (own - center) * weights[:, None], torch.from_numpy(english.starts)
        summed = functional.embedding_bag(torch.from_numpy(english.ids).long(), weighted, starts[:-1], mode="sum")
        matrix = functional.normalize(summed).half().numpy()
        sums = Targets((matrix,), np.zeros(len(matrix), np.int64), np.arange(len(matrix)), matrix.shape[1])
        return cls(center, float((frequent - center).norm(dim=1).mean()), sums)
