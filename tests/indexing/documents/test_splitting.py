"""Splitting texts into pieces that a model reads whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.corpora.sentence_splitting import Piece
from mling_embed.indexing.documents.splitting import PieceKind, split_text


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def pieces(text: str, split: PieceKind, limit: int | None, language: str = "en") -> list[Piece]:
    return split_text(text, language=language, split=split, limit=limit, token_counts=words)


def test_sentences_keep_their_places() -> None:
    text = " Dr. Smith went home.  He slept. "
    assert pieces(text, PieceKind.SENTENCES, None) == [Piece("Dr. Smith went home.", 1, 21), Piece("He slept.", 23, 32)]
    assert pieces(text, PieceKind.NONE, None) == [Piece("Dr. Smith went home.  He slept.", 1, 32)]


def test_passages_are_filled_up_to_the_limit() -> None:
    text = "One two. Three four. Five six seven. Eight."
    assert [piece.text for piece in pieces(text, PieceKind.PASSAGES, 4)] == [
        "One two. Three four.",
        "Five six seven. Eight.",
    ]
    assert [piece.text for piece in pieces(text, PieceKind.PASSAGES, None)] == [text]


def test_a_sentence_that_is_too_long_is_halved_between_words() -> None:
    text = "one two three four five six seven"
    assert [piece.text for piece in pieces(text, PieceKind.SENTENCES, 3)] == ["one two three", "four five", "six seven"]


@pytest.mark.parametrize("split", [PieceKind.SENTENCES, PieceKind.PASSAGES])
@given(text=st.text(alphabet="aB. 。!?\n\u2028e\u0301\u200d", max_size=60), limit=st.integers(1, 6))
def test_nothing_is_lost_but_space_between_pieces(split: PieceKind, text: str, limit: int) -> None:
    found = pieces(text, split, limit)
    assert all(text[piece.start : piece.end] == piece.text for piece in found)
    assert [piece.start for piece in found] == sorted(piece.start for piece in found)
    at, gaps = 0, ""
    for piece in found:
        gaps += text[at : piece.start]
        at = piece.end
    assert not (gaps + text[at:]).strip()
    assert all(count <= limit for count in words([piece.text for piece in found]))
