"""Teach a student that exists another language: the student, and vocabulary where it lacks some."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.heads import fit_head, output_dim
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.static import count_words
from mling_embed.encoders.vocabulary_change import extend_vocabulary
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent
from mling_embed.students.forgetting import NewBesideOld
from mling_embed.students.input_fit import fit_new_rows
from mling_embed.students.replay import replay_set, replayed_pairs
from mling_embed.students.row_initialization import align_rows
from mling_embed.tokenizers.extension import new_pieces
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import UNIGRAM, backend_of, is_byte, read_state, token_ids, unknown_token
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets
from mling_embed.training.trainer import train

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_TEXTS_OF_VOCABULARY = 200_000
_TEXTS_OF_ALIGNMENT = 100_000
_MOST_TOKENS = 1.4  # of a language that is cut well, for each token of its English translation
_MOST_UNKNOWN = 0.02  # share of tokens
_SIZES = (1_024, 32_768)
_WORDS_OF_PIECE = 2


@dataclass(frozen=True, slots=True)
class Coverage:
    """How well a tokenizer covers a language.

    Attributes:
        tokens_per_english_token: Tokens of its sentences over those of their English translations.
        unknown_share: Share of its tokens that are unknown, or single bytes of characters that are.
    """

    tokens_per_english_token: float
    unknown_share: float

    @property
    def enough(self) -> bool:
        """Whether new vocabulary would bring little.

        Languages that a vocabulary was made for need 0.8 to 1.3 tokens for each English one, and others 1.5 to 4; a
        script that it lacks is unknown, or cut into bytes.
        """
        return self.tokens_per_english_token <= _MOST_TOKENS and self.unknown_share <= _MOST_UNKNOWN


@dataclass(frozen=True, slots=True)
class Added:
    """What a new language brought to a vocabulary.

    Attributes:
        coverage: Of the vocabulary before.
        pieces: New tokens.
        aligned: Those whose row is made from the rows of the English tokens that stand across from them.
    """

    coverage: Coverage
    pieces: int = 0
    aligned: int = 0


def student_to_extend(
    name: str, corpus: ParallelCorpus, *, new_languages: Sequence[str], dim: int
) -> SentenceTransformer:
    """Return a student that is to learn further languages, as it is.

    Args:
        name: A folder, or a name of the Hugging Face hub.
        corpus: Parallel text of its new languages, and of old ones.
        new_languages: Those that it learns.
        dim: Width of the teacher's vectors.

    Raises:
        UsageError: The corpus lacks a new language, or the student is static or not in the teacher's space.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    missing = [language for language in new_languages if language not in corpus.languages]
    if missing:
        raise UsageError(
            f"no pairs of {', '.join(missing)}; it has {', '.join(corpus.languages)}.",
            where=corpus.path,
            next_step="Give pairs of every new language, and of the old ones to replay.",
        )
    student = load_sentence_transformer(name, device="cpu")
    if any(isinstance(module, StaticEmbedding) for module in student):
        raise UsageError(
            "is a static student, which cannot be extended yet.",
            where=name,
            next_step="Train a static student of the pairs of all languages, old and new: it takes minutes.",
        )
    width = output_dim(student)
    if width != dim:
        raise UsageError(
            f"gives vectors of {width} dimensions, and the teacher {dim}: it is no student of this teacher.",
            where=name,
            next_step="Name its own --teacher, or start a new student from it: --student.",
        )
    return student


def extended_start(
    student: SentenceTransformer,
    corpus: ParallelCorpus,
    *,
    new_languages: Sequence[str],
    dim: int,
    unit_norm: bool,
    size: Literal["auto"] | int = "auto",
) -> tuple[SentenceTransformer, dict[str, Added]]:
    """Give a student vocabulary for its new languages, in place, and the head of its targets.

    Args:
        student: As `student_to_extend` gives it.
        corpus: Parallel text.
        new_languages: Those that it learns.
        dim: Width of the targets.
        unit_norm: Whether the targets have length one.
        size: Entries of each new language's own vocabulary, from which it takes what it lacks.

    Returns:
        The student, and what each new language brought.
    """
    added = {}
    for language in new_languages:
        added[language] = add_vocabulary(student, corpus, language, size=size)
        logger.info("%s: %s", language, added[language])
    return fit_head(student, dim=dim, unit_norm=unit_norm), added


def train_extended_student(
    start: SentenceTransformer,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    *,
    new_languages: Sequence[str],
    replay_ratio: float,
    dev: DevAccuracy,
    settings: TrainingSettings,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, int]:
    """Train a student on its new languages beside a replay of old ones, in place.

    Args:
        start: As `extended_start` gives it.
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Of the checkpoints and the log.
        new_languages: Those that it learns.
        replay_ratio: Replayed pairs of all old languages together, over pairs of the new ones.
        dev: Measures each language.
        settings: Of the training.
        device: Where it is trained.
        seed: Of the pairs drawn, batches and dropout.
        progress: Told of the work done.

    Returns:
        Language -> pairs that were learned from.
    """
    chosen = replayed_pairs(corpus, new_languages, ratio=replay_ratio, seed=seed)
    # Measured on old languages alone, the start would be the best: then keep the last weights.
    measure = NewBesideOld(dev, new_languages) if dev.languages.keys() & set(new_languages) else None
    train(
        start,
        replay_set(corpus, chosen, start, progress=progress),
        targets,
        settings=settings,
        folder=folder,
        device=device,
        seed=seed,
        measure=measure,
        progress=progress,
    )
    return {language: len(rows) for language, rows in chosen.items()}


def add_vocabulary(
    student: SentenceTransformer,
    corpus: ParallelCorpus,
    language: str,
    *,
    size: Literal["auto"] | int = "auto",
    align: bool = True,
) -> Added:
    """Give a student the tokens that it lacks for a language, in place; none if it has enough.

    Args:
        student: With a Unigram vocabulary; another kind is left as it is, with a warning if that covers little.
        corpus: Whose training pairs of the language say which pieces it needs.
        language: The new one.
        size: Entries of the language's own vocabulary, from which those are taken that are new.
        align: Start new rows from English ones by `align_rows` and `fit_new_rows`; else each from the pieces that it
            was cut into, which are bytes where the script is new, and all alike.
    """
    table = corpus.pairs(language, Split.TRAIN)
    chosen = _spread(len(table), _TEXTS_OF_VOCABULARY)
    texts = table.text_list(chosen)
    paired = chosen[_spread(len(chosen), _TEXTS_OF_ALIGNMENT)]
    others, english = table.text_list(paired), corpus.english_texts(table.english_rows[paired])
    coverage = coverage_of(student.tokenizer, others, english)
    if coverage.enough or not texts:
        return Added(coverage)
    kind = read_state(student.tokenizer)["model"]["type"]
    if kind != UNIGRAM:
        logger.warning(
            "the vocabulary covers %s badly (%.1f tokens for an English one, %.0f %% unknown), and new pieces are only "
            "found for a %s vocabulary; this one is %s",
            language,
            coverage.tokens_per_english_token,
            100 * coverage.unknown_share,
            UNIGRAM,
            kind,
        )
        return Added(coverage)
    pieces = new_pieces(
        student.tokenizer, texts, size=_size_for(count_words(iter([texts]))) if size == "auto" else size
    )
    names = [piece for piece, _ in pieces]
    extend_vocabulary(student, names, scores=[score for _, score in pieces])
    if not align or not names:
        return Added(coverage, len(names))
    aligned = align_rows(student, names, others, english)
    fit_new_rows(student, names, others, english)
    return Added(coverage, len(names), aligned)


def coverage_of(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], english: Sequence[str]) -> Coverage:
    """Measure how well a tokenizer covers a language, by sentences and their English translations."""
    state = read_state(tokenizer)
    backend, unknown = backend_of(state), unknown_token(state)
    poor = [number for token, number in token_ids(state).items() if token == unknown or is_byte(token)]
    ids, of_english = (TokenBags.of(backend, [part]).ids for part in (texts, english))
    return Coverage(len(ids) / max(1, len(of_english)), float(np.isin(ids, poor).mean()) if len(ids) else 0.0)


def _size_for(n_words: int) -> int:
    """Choose the size of a language's own vocabulary: half its distinct words, within bounds."""
    least, most = _SIZES
    return max(least, min(most, n_words // _WORDS_OF_PIECE))


def _spread(n: int, most: int) -> Int[ndarray, " _"]:
    """Return at most so many numbers below n, at even distances."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)
