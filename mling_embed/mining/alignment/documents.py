"""Documents: the sentences that are aligned, read a line a sentence or split by rules, and what is left out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from mling_embed.corpora.filters import tidy
from mling_embed.corpora.lines import Decoding
from mling_embed.corpora.records import Reason, Reject
from mling_embed.corpora.sentence_splitting import split_sentences
from mling_embed.errors import DataError
from mling_embed.languages import UNKNOWN_LANGUAGE
from mling_embed.mining.sentences import RejectedSentence, SentenceFilter
from mling_embed.mining.sources import Sentence, SentenceSource, read_sentences, sentence_source

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo", "dz"})  # written without spaces between sentences
_KEPT = SentenceFilter(max_characters=10_000, min_script_share=None)  # names and numbers are part of a document
_SHOWN = 200


class Split(StrEnum):
    """Name what a sentence of a document is: each line, or what sentencex's rules find in each line."""

    LINES = "lines"
    SENTENCES = "sentences"


@dataclass(frozen=True, slots=True)
class Document:
    """Hold the sentences of a document in their order.

    Attributes:
        name: What to call it.
        language: Its language, ``und`` where nobody says.
        sentences: The sentences that are aligned, in NFC without white space around them.
        numbers: The number of each among all that were read, from 0: what a ladder says.
        ids: The id of each: that of its file, else its line.
        n_read: Sentences read, empty ones and rejected ones too.
        rejected: What is not aligned, with reasons.
    """

    name: str
    language: str
    sentences: tuple[str, ...]
    numbers: tuple[int, ...]
    ids: tuple[str, ...]
    n_read: int
    rejected: tuple[RejectedSentence, ...] = ()

    def __len__(self) -> int:
        """Return the number of sentences that are aligned."""
        return len(self.sentences)

    @property
    def joint(self) -> str:
        """Return what stands between sentences in this language: a space, or nothing."""
        return "" if self.language.partition("-")[0] in _UNSPACED else " "


DocumentInput = str | Path | Sequence[str] | SentenceSource | Document


def read_document(
    given: DocumentInput,
    *,
    split: Split = Split.LINES,
    decoding: Decoding = Decoding.QUARANTINE,
    name: str | None = None,
) -> Document:
    """Read a document: a list of sentences, ``FILE[:lang]`` with a sentence a line, or with ``split`` any lines.

    Raises:
        UsageError: The file is of a kind that holds no sentences.
        DataError: There is no such file, it is a folder or not in its format, or holds no sentence.
        DamagedFileError: It is damaged.
    """
    if isinstance(given, Document):
        return given
    source = sentence_source(given)
    if len(source.paths) > 1 or any(path.is_dir() for path in source.paths):
        raise DataError(
            "is a folder with several files, expected one document.",
            where=source.paths[0].parent,
            next_step="Give a file, or a folder on both sides.",
        )
    collected = _Collected(_KEPT.check_for(UNKNOWN_LANGUAGE))
    for where, row in read_sentences(source, decoding=decoding):
        if isinstance(row, Reject):
            collected.reject(where, row.line, row.reason, row.text)
        else:
            for sentence in _parts(row, source.language, split):
                collected.take(where, sentence)
    document = collected.document(name or source.name, source.language)
    if not document.sentences:
        raise DataError(
            f"holds no sentence; {document.n_read:,} lines were read.",
            where=document.name,
            next_step="Give a file with a sentence a line.",
        )
    return document


def _parts(row: Sentence, language: str, split: Split) -> Iterator[Sentence]:
    pieces = split_sentences(row.text, language) if split is Split.SENTENCES else []
    if not pieces:
        yield row
    for number, piece in enumerate(pieces, 1):
        yield replace(row, id=row.id if len(pieces) == 1 else f"{row.id}#{number}", text=piece.text)


class _Collected:
    """Take sentences one by one, and keep apart what cannot be aligned."""

    def __init__(self, check: Callable[[str], Reason | None]) -> None:
        self._check = check
        self._kept: list[tuple[str, int, str]] = []
        self._rejected: list[RejectedSentence] = []
        self._n_read = 0

    def take(self, where: str, sentence: Sentence) -> None:
        text = tidy(sentence.text)
        if (reason := self._check(text)) is not None:
            self.reject(where, sentence.line, reason, sentence.text)
            return
        self._kept.append((text, self._n_read, sentence.id))
        self._n_read += 1

    def reject(self, where: str, line: int, reason: Reason, text: str) -> None:
        shown = text[:_SHOWN].encode("utf-8", "backslashreplace").decode()
        self._rejected.append(RejectedSentence(where, line, reason, shown))
        self._n_read += 1

    def document(self, name: str, language: str) -> Document:
        texts, numbers, ids = zip(*self._kept, strict=True) if self._kept else ((), (), ())
        return Document(name, language, texts, numbers, ids, self._n_read, tuple(self._rejected))
