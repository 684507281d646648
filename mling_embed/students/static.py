"""Make a static student of a corpus: vocabulary, token bags, token table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.corpora.foreign_errors import foreign_errors
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.static import StaticEncoder, count_words
from mling_embed.files import write_text
from mling_embed.progress import Progress, silent
from mling_embed.students.static_solver import fit_token_table
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.vocabulary import spelled_pieces, train_unigram, vocabulary_size
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import Targets, TargetStore
from mling_embed.training.training_set import training_sentences, training_texts

logger = logging.getLogger(__name__)

_VOCABULARY_WORK = "training the vocabulary"
_PIECES_WORK = "labelling the vocabulary"
_VOCABULARY_SAMPLE = 700_000  # sentences, of all languages together


@dataclass(frozen=True, slots=True)
class LabelledText:
    """Hold sentences without translations, and what they mean.

    Attributes:
        corpus: The sentences, of any language, in place of English ones.
        targets: Their vectors in the teacher's space.
        store: Of the encoder whose vectors they are.
    """

    corpus: ParallelCorpus
    targets: Targets
    store: TargetStore

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sentences and who labelled them."""
        return sha256(f"{self.corpus.fingerprint} {self.store.teacher.fingerprint}".encode()).hexdigest()


def fit_static_student(
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    *,
    monolingual: LabelledText | None = None,
    pieces: TargetStore | None = None,
    size: int | Literal["auto"] = "auto",
    lowercase: bool = True,
    finer: Sequence[int] = (),
    fit: FitSettings = FitSettings(),  # noqa: B008 -- frozen
    seed: int = 0,
    progress: Progress = silent,
) -> StaticEncoder:
    """Fit a static student to the targets of a corpus's training split.

    Args:
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Where the vocabulary and the state after each epoch are kept, so that a stopped run goes on.
        monolingual: Sentences without translations, to learn from too.
        pieces: Labels each piece of the vocabulary, to learn from as from a sentence, so that those have a meaning too
            that few sentences hold; the teacher reads every language of the corpus then.
        size: Entries of the vocabulary; ``auto`` chooses by the corpus.
        lowercase: Merge cases.
        finer: Longest piece, in characters, of further segmentations to learn from.
        fit: How the token table is fitted.
        seed: Of the vocabulary's sample and of the fit.
        progress: Told of the work done.
    """
    corpora = [corpus] if monolingual is None else [corpus, monolingual.corpus]
    tokenizer = _vocabulary(corpora, folder, size=size, lowercase=lowercase, seed=seed, progress=progress)
    learned = [training_sentences(each, tokenizer, finer=finer, progress=progress) for each in corpora]
    parts = [(each.bags, each.target_rows) for each in learned]
    labels = [targets] if monolingual is None else [targets, monolingual.targets]
    if pieces is not None:
        ids, texts = zip(*spelled_pieces(tokenizer), strict=True)
        parts.append((TokenBags(np.asarray(ids, dtype=np.int32), np.arange(len(ids) + 1)), np.arange(len(ids))))
        labels.append(pieces.compute(texts, work=_PIECES_WORK, progress=progress))
    starts = np.cumsum([0, *map(len, labels)])[:-1]
    table = fit_token_table(
        TokenBags.joined([bags for bags, _ in parts]),
        np.concatenate([rows + start for (_, rows), start in zip(parts, starts, strict=True)]),
        Targets.joined(labels),
        vocabulary_size=tokenizer.get_vocab_size(),
        fit=fit,
        seed=seed,
        checkpoints=folder,
        progress=progress,
    )
    return StaticEncoder(tokenizer, table)


def shuffled_control(
    corpus: ParallelCorpus,
    targets: Targets,
    tokenizer: Tokenizer,
    *,
    fit: FitSettings,
    seed: int = 0,
    finer: Sequence[int] = (),
    progress: Progress = silent,
) -> StaticEncoder:
    """Fit the same student to the same sentences, each translation with the target of another: what chance reaches."""
    training = training_sentences(corpus, tokenizer, finer=finer)
    n_english = len(corpus.english_rows(Split.TRAIN))
    once = training.target_rows[: len(training.target_rows) // (1 + len(finer))].copy()
    once[n_english:] = np.random.default_rng(seed).permutation(once[n_english:])
    rows = np.tile(once, 1 + len(finer))
    size = tokenizer.get_vocab_size()
    table = fit_token_table(training.bags, rows, targets, vocabulary_size=size, fit=fit, seed=seed, progress=progress)
    return StaticEncoder(tokenizer, table)


def untrained(student: StaticEncoder, *, seed: int) -> StaticEncoder:
    """Return a student with the same vocabulary and random token vectors."""
    table = np.random.default_rng(seed).standard_normal(tuple(student.table.shape), dtype=np.float32)
    return StaticEncoder(student.tokenizer, table)


def _vocabulary(
    corpora: Sequence[ParallelCorpus],
    folder: Path,
    *,
    size: int | Literal["auto"],
    lowercase: bool,
    seed: int,
    progress: Progress,
) -> Tokenizer:
    """Train the vocabulary, or read the one that is kept under the name of all that it was made from."""
    fingerprints = " ".join(corpus.fingerprint for corpus in corpora)
    key = sha256(f"{fingerprints} {size} {lowercase} {seed}".encode()).hexdigest()[:16]
    path = folder / f"tokenizer-{key}.json"
    if path.exists():
        with foreign_errors(path, next_step="Delete it and run again."):
            return Tokenizer.from_file(str(path))
    progress(_VOCABULARY_WORK, 0, None)
    if size == "auto":
        size = vocabulary_size(count_words(chain.from_iterable(map(training_texts, corpora))))
    sample = chain.from_iterable(_vocabulary_sample(corpus, seed) for corpus in corpora)
    tokenizer = train_unigram(sample, size=size, lowercase=lowercase)
    write_text(path, tokenizer.to_str())
    progress(_VOCABULARY_WORK, 1, 1)
    return tokenizer


def _vocabulary_sample(corpus: ParallelCorpus, seed: int) -> Iterator[str]:
    """Yield training sentences, of each language in proportion to the square root of what it has.

    Equal shares starve the languages that most of the corpus is in; shares as they are, all others.
    """
    random = np.random.default_rng(seed)
    english = corpus.english_rows(Split.TRAIN)
    tables = {language: corpus.pairs(language, Split.TRAIN) for language in corpus.languages}
    unit = _VOCABULARY_SAMPLE / (len(english) ** 0.5 + sum(len(table) ** 0.5 for table in tables.values()))
    yield from corpus.english_texts(_sample(english, int(unit * len(english) ** 0.5), random))
    for table in tables.values():
        yield from table.text_list(_sample(np.arange(len(table)), int(unit * len(table) ** 0.5), random))


def _sample(rows: Int[ndarray, " n"], size: int, random: np.random.Generator) -> Int[ndarray, " _"]:
    return rows if len(rows) <= size else np.sort(random.choice(rows, size, replace=False))
