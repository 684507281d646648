"""Bad input to ``mine`` and ``score``: files, the command, its exit code and what it must say; or the rejects."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

GERMAN, ENGLISH = b"eins ist da\nzwei ist da\ndrei ist da\n", b"one is here\ntwo is here\nthree is here\n"
ROWS = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
VECTORS = ("--vectors", "a.npy", "--vectors", "b.npy")
MINE = ("mine", "a.de", "a.en", *VECTORS)
PAIR = b"one is here\teins ist da\n"
SCORE = ("score", "p.tsv:de", "--model", "TEACHER")


def npy(rows: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def not_finite() -> bytes:
    rows = ROWS.copy()
    rows[1, 2] = np.nan
    return npy(rows)


def with_c(name: str, *more: str) -> tuple[str, ...]:
    """Return a mining whose first side has the vectors of another file."""
    return ("mine", "a.de", "a.en", "--vectors", name, "--vectors", "b.npy", *more)


def of_side(name: str, *more: str) -> tuple[str, ...]:
    """Return a mining with another first side."""
    return ("mine", name, "a.en", *VECTORS, *more)


def write(files: dict[str, bytes]) -> None:
    """Write files, with the folders that they lie in."""
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


def write_good() -> None:
    """Write two good sides and their vectors into the folder that is the current one."""
    write({"a.de": GERMAN, "a.en": ENGLISH, "a.npy": npy(ROWS), "b.npy": npy(ROWS[::-1])})


ERRORS = {
    "neither model nor vectors": ({}, ("mine", "a.de", "a.en"), 2, "neither a model nor vectors. Name the encoder"),
    "model and vectors": ({}, (*MINE, "--model", "x"), 2, "a model and vectors: give one of them"),
    "vectors of one side": ({}, ("mine", "a.de", "a.en", *VECTORS[:2]), 2, "--vectors is given 1 time(s), for 2"),
    "no such side": ({}, of_side("no.de"), 3, "no.de: no such file. Give a file of sentences"),
    "empty folder": ({"d/.keep": b""}, of_side("d"), 3, "d: no files in this folder"),
    "archive": ({"a.zip": b"PK\3\4"}, of_side("a.zip"), 2, "a.zip: is an archive. Unpack it"),
    "csv": ({"a.csv": GERMAN}, of_side("a.csv"), 2, "a.csv: a side of a mining is sentences"),
    "tabs that are no ids": ({"t.de": b"a b\tc\na b\td\n"}, of_side("t.de"), 3, "are not 'id<TAB>text'"),
    "an id twice": (
        {"i.de": b"1\teins\n2\tzwei\n1\tdrei\n"},
        of_side("i.de", "--layout", "id-text"),
        3,
        "i.de:3: the id '1' stands here for the second time",
    ),
    "gzip cut short": ({"a.de.gz": gzip.compress(GERMAN)[:-6]}, of_side("a.de.gz"), 4, "a.de.gz: damaged or cut short"),
    "no Parquet": ({"a.parquet": b"PAR1xxxx"}, of_side("a.parquet"), 4, "a.parquet: not a Parquet file"),
    "JSON without text": ({"a.jsonl": b'{"foo": 1}\n'}, of_side("a.jsonl"), 3, "a.jsonl:1: no column text"),
    "no language": ({}, of_side("a.de:xyzzy"), 2, "'xyzzy' is not a language code. Use"),
    "too few vectors": ({"c.npy": npy(ROWS[:2])}, with_c("c.npy"), 3, "c.npy: 2 vectors (shape (2, 4)) for 3"),
    "two widths": ({"c.npy": npy(np.ones((3, 5)))}, with_c("c.npy"), 2, "vectors of 4 and 5 dimensions cannot"),
    "not finite": ({"c.npy": not_finite()}, with_c("c.npy"), 3, "c.npy: vector 1 is not finite"),
    "npy cut short": ({"c.npy": npy(ROWS)[:-9]}, with_c("c.npy"), 3, "c.npy: not a .npy file of numbers, or cut short"),
    "integers": ({"c.npy": npy(np.ones((3, 4), dtype=int))}, with_c("c.npy"), 3, "c.npy: holds int64 of shape (3, 4)"),
    "raw without a width": ({"c.f32": ROWS.tobytes()}, with_c("c.f32"), 2, "c.f32: raw vectors need their width"),
    "raw cut short": (
        {"c.f32": ROWS.tobytes()[:-4]},
        with_c("c.f32", "--dim", "4"),
        3,
        "c.f32: 44 bytes are no whole number of rows of 4 x 4 bytes",
    ),
    "vectors of another suffix": ({"c.bin": b""}, with_c("c.bin"), 2, "c.bin: vectors do not go by the suffix '.bin'"),
    "no such vectors": ({}, with_c("no.npy"), 3, "no.npy: no such file. Give a file of vectors"),
    "margin": ({}, (*MINE, "--margin", "ration"), 2, "'ration' is no margin. Did you mean 'ratio'? Choose one of"),
    "selection": ({}, (*MINE, "--selection", "maxx"), 2, "'maxx' is no selection. Did you mean 'max'? Choose one of"),
    "search": ({}, (*MINE, "--search", "fast"), 2, "'fast' is no search. Choose one of auto, exact, approximate"),
    "k of 0": ({}, (*MINE, "-k", "0"), 2, "k is 0, expected at least 1"),
    "threshold": ({}, (*MINE, "--threshold", "nan"), 2, "the threshold is not a number"),
    "two thresholds": ({}, (*MINE, "--threshold", "1", "--precision", ".9"), 2, "--gold: give one of them"),
    "precision of 2": ({}, (*MINE, "--precision", "2"), 2, "an expected precision of 2.0: it is above 0"),
    "precision of few": ({}, (*MINE, "--precision", ".9"), 2, "an expected precision needs a selection, and 50 pairs"),
    "no such gold": ({}, (*MINE, "--gold", "no.gold"), 3, "no.gold: no such file"),
    "gold of one column": ({"g": b"1\n"}, (*MINE, "--gold", "g"), 3, "g:1: 1 cell(s), expected 'source id<TAB>"),
    "empty gold": ({"g": b""}, (*MINE, "--gold", "g"), 3, "g: no pairs. Give lines"),
    "gold of other ids": (
        {"g": b"x-1\ty-1\n"},
        (*MINE, "--gold", "g"),
        3,
        "none of the 1 gold pairs, such as 'x-1' and 'y-1', names sentences of both sides, such as '1' and '1'",
    ),
    "output": ({}, (*MINE, "--out", "x.xlsx"), 2, "x.xlsx: pairs are not written as '.xlsx'. Use one of .tsv"),
    "output is a folder": ({"o/x": b""}, (*MINE, "--out", "o"), 2, "o: is a folder, expected a file. Give o/mined.tsv"),
    "memory": ({}, (*MINE, "--memory", "lots"), 2, "'lots' is no size of memory. Write it as 4G"),
    "little memory": ({}, (*MINE, "--memory", "1M"), 2, "1 are allowed. Allow more, as in --memory"),
    "length ratio": ({}, (*MINE, "--max-length-ratio", "0"), 2, "max_length_ratio is 0, expected at least 1"),
    "confidence": ({}, (*MINE, "--min-language-confidence", "2"), 2, "is 2, expected from 0 to 1"),
    "layout": ({}, (*MINE, "--layout", "ids"), 2, "'ids' is no layout. Choose one of auto, text, id-text"),
    "no such model": ({}, ("mine", "a.de", "a.en", "--model", "./no"), 3, "./no: no such model folder"),
    "gold of one set": ({"g": b"1\t2\n"}, ("mine", "a.de", *VECTORS[:2], "--gold", "g"), 2, "--gold are for two sides"),
    "score: no such file": ({}, ("score", "no.tsv:de", *SCORE[2:]), 3, "no.tsv: no such file"),
    "score: no pairs": ({"p.tsv": b"one\ntwo\n"}, SCORE, 3, "p.tsv:1: 1 column, expected at least 2"),
    "score: sides of two lengths": (
        {"e.de": GERMAN + b"vier\n"},
        ("score", "a.en,e.de:de", *SCORE[2:]),
        3,
        "a.en: 3 lines, but e.de has 4",
    ),
    "score: a folder": ({"p.tsv": PAIR, "o/x": b""}, (*SCORE, "--keep", "o"), 2, "o: is a folder, expected a file"),
    "score: two files": ({}, ("score", "a.en", "a.de", *SCORE[2:]), 2, "as one word, the English one first: a.en,a.de"),
    "pairs to be mined": (
        {"t.de": b"one is here\teins ist da\none is here\tzwei ist da\n"},
        of_side("t.de"),
        3,
        "Pairs that are there already are judged by mling-embed score",
    ),
    "score: none of the worst": ({"p.tsv": PAIR}, (*SCORE, "--worst", "0"), 2, "--worst 0: expected at least 1"),
    "score: k of 0": ({"p.tsv": PAIR}, (*SCORE, "-k", "0"), 2, "k is 0, expected at least 1"),
    "score: least score": ({"p.tsv": PAIR}, (*SCORE, "--min-score", "nan"), 2, "the least score is not a number"),
}  # fmt: skip

REJECTED = {
    "not UTF-8": ("l.de", b"caf\xe9\nzwei ist da\ndrei ist da\n", {"undecodable": 1}),
    "blank": ("l.de", b"\nzwei ist da\n  \n", {"empty": 2}),
    "NUL": ("l.de", b"eins\0zwei\nzwei ist da\ndrei ist da\n", {"control-characters": 1}),
    "too long": ("l.de", b"eins " * 500 + b"\nzwei ist da\ndrei ist da\n", {"too-long": 1}),
    "another script": (
        "l.ru",
        "one is here\nдва\nтри\n".encode(),
        {"wrong-script": 1},
    ),
    "no JSON": ("l.jsonl", b'{"text": "eins ist da"}\nnot json\n{"text": 3}\n', {"malformed": 2}),
}
