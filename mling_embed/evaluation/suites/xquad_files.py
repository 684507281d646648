"""The files of XQuAD-R: articles of paragraphs, their sentences, and questions with the sentence that answers them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import SplitFile
from mling_embed.errors import DamagedFileError
from mling_embed.files import read_json


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Hold a paragraph: its sentences, and by the question's identifier the question and its answer's sentence."""

    sentences: Sequence[str]
    questions: dict[str, tuple[str, int]]


def articles(file: SplitFile) -> Iterator[list[Paragraph]]:
    """Yield the paragraphs of each article of a file of SQuAD's shape with sentences.

    Raises:
        DamagedFileError: The file is of another shape.
    """
    path = resolve(file)
    try:
        for article in read_json(path)["data"]:
            yield [_paragraph(each) for each in article["paragraphs"]]
    except (KeyError, TypeError, IndexError) as error:
        raise DamagedFileError(f"not of SQuAD's shape ({error!r}).", where=path) from error


def paragraphs(file: SplitFile) -> Iterator[Paragraph]:
    """Yield the paragraphs of all articles."""
    for article in articles(file):
        yield from article


def _paragraph(values: dict[str, Any]) -> Paragraph:
    starts = [start for start, _ in values["sentence_breaks"]]
    questions = {
        each["id"]: (
            each["question"],
            max(0, bisect.bisect_right(starts, each["answers"][0]["answer_start"]) - 1),
        )
        for each in values["qas"]
    }
    return Paragraph([text.strip() for text in values["sentences"]], questions)
