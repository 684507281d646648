"""Lines as the bytes have them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.corpora.lines import Decoding, Line, read_lines
from mling_embed.corpora.records import Reason
from mling_embed.errors import DataError


def texts(data: bytes) -> list[str]:
    return [line.text for line in read_lines(io.BytesIO(data))]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\r\r\n", ["a\r"]),
        (b"a\rb\n", ["a\rb"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("a\u2028b\x85c\x0bd\x0ce\n".encode(), ["a\u2028b\x85c\x0bd\x0ce"]),
        (b"a\x00b\n", ["a\x00b"]),
        ("שלום\nमैं\n👩\u200d👩\u200d👧\n".encode(), ["שלום", "मैं", "👩\u200d👩\u200d👧"]),
    ],
)
def test_only_lf_ends_a_line(data: bytes, expected: list[str]) -> None:
    assert texts(data) == expected


def test_undecodable_line_is_quarantined_and_its_neighbours_are_read() -> None:
    lines = list(read_lines(io.BytesIO(b"a\n\xff\xe9x\r\nb")))
    assert lines == [Line(1, "a"), Line(2, "\\xff\\xe9x", Reason.UNDECODABLE), Line(3, "b")]


def test_undecodable_line_is_replaced_or_refused() -> None:
    assert [x.text for x in read_lines(io.BytesIO(b"\xc3("), decoding=Decoding.REPLACE)] == ["\ufffd("]
    with pytest.raises(DataError, match=r"x\.tsv:2: not UTF-8 \(byte 0xff at column 2\)"):
        list(read_lines(io.BytesIO(b"a\nb\xff\n"), decoding=Decoding.STRICT, where="x.tsv"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_utf16_and_its_like_are_read(encoding: str) -> None:
    data = "One line and more\r\nzweite Zeile ü\nlast".encode(encoding)
    assert texts(data) == ["One line and more", "zweite Zeile ü", "last"]
    long = "".join(f"Zeile {i} 日本語\n" for i in range(100))
    assert [x.text for x in read_lines(io.BytesIO(long.encode(encoding)), limit=64)] == long.splitlines()


def test_cut_short_utf16_loses_no_more_than_its_last_character() -> None:
    assert texts("ab\nc".encode("utf-16")[:-1]) == ["ab", "\ufffd"]


def test_overlong_line_is_rejected_without_being_held() -> None:
    class Counting(io.BufferedIOBase):
        def __init__(self) -> None:
            self.left, self.largest = 64, 0

        def read(self, size: int | None = -1, /) -> bytes:
            size = size or 0
            self.largest = max(self.largest, size)
            self.left -= 1
            return b"x" * size if self.left > 0 else (b"\nend\n" if self.left == 0 else b"")

    stream = Counting()
    lines = list(read_lines(stream, limit=1000))
    assert [(line.number, line.reason) for line in lines] == [(1, Reason.TOO_LONG), (2, None)]
    assert lines[1].text == "end"
    assert stream.largest == 1000


@given(st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), max_size=12), st.integers(4, 30))
def test_lines_are_those_of_a_plain_split_at_any_limit(raws: list[bytes], limit: int) -> None:
    raws = [b"x" + raw for raw in raws]  # no byte-order mark
    lines = list(read_lines(io.BytesIO(b"\n".join(raws)), limit=limit, decoding=Decoding.REPLACE))
    assert [line.number for line in lines] == list(range(1, len(raws) + 1))
    for line, raw in zip(lines, raws, strict=True):
        content = raw.removesuffix(b"\r")
        assert (line.reason is Reason.TOO_LONG) == (len(content) > limit)
        if line.reason is None:
            assert line.text == content.decode("utf-8", "replace")
