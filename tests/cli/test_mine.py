"""The verb ``mine``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input

N = 120


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two sides with ids, their vectors, and gold pairs, and go there."""
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    drawn = np.random.default_rng(0)
    source = drawn.standard_normal((N, 12)).astype(np.float32)
    target = source + 0.3 * drawn.standard_normal((N, 12)).astype(np.float32)
    target[N // 2 :] = drawn.standard_normal((N // 2, 12))
    for language, word, vectors in (("de", "Satz", source), ("en", "Sentence", target)):
        lines = (f"{language}-{number}\t{word} {number}\n" for number in range(N))
        Path(f"x.{language}").write_text("".join(lines), encoding="utf-8")
        np.save(f"{language}.npy", vectors)
    Path("x.gold").write_text("".join(f"de-{number}\ten-{number}\n" for number in range(N // 2)))
    return tmp_path


MINE = ["mine", "x.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"]


def rows_of(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.split("\n") if line]


def test_tsv_to_stdout_and_talk_to_stderr(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MINE, "--precision", "0.9"]) == 0
    printed = capsys.readouterr()
    header, *rows = rows_of(printed.out)
    assert header == ["score", "de", "en"]
    scores = [float(score) for score, *_ in rows]
    assert scores == sorted(scores, reverse=True)
    right = sum(source.split()[-1] == target.split()[-1] for _, source, target in rows)
    assert right >= 50
    assert f"de: {N} read, {N} distinct" in printed.err
    assert "are expected to be right" in printed.err
    assert (sides / "home" / "mining" / "tiles").is_dir()


def test_who_takes_all_pairs_is_told_how_to_take_the_best(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(MINE) == 0
    assert "as is expected: --precision 0.9" in capsys.readouterr().err
    assert main([*MINE, "--precision", "0.9"]) == 0
    assert "--precision" not in capsys.readouterr().err


def test_gold_ids_and_a_file(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MINE, "--gold", "x.gold", "--ids", "--out", "m.tsv", "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["files"] == ["m.tsv"]
    assert summary["gold"]["f1"] >= 0.9
    rows = rows_of(Path("m.tsv").read_text())
    assert rows[0] == ["score", "de", "en", "de_ids", "en_ids"]
    assert rows[1][3].startswith("de-")
    assert len(rows) == summary["pairs"] + 1
    assert "gold: precision" in printed.err


def test_every_candidate_as_json_lines(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MINE, "--all-candidates", "--json", "-k", "2"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert len(records) >= 2 * N
    assert set(records[0]) >= {"score", "de", "en", "de_ids", "en_ids", "cosine", "margin", "rank", "direction"}


@pytest.mark.parametrize("name", ["m.tsv", "m.jsonl", "m.parquet", "m.tmx"])
def test_what_is_mined_goes_into_a_corpus(sides: Path, name: str) -> None:
    assert main([*MINE, "--threshold", "1.1", "--out", name]) == 0
    corpus = build_corpus([guess_input(name)], sides / "corpus", dev_fraction=0.0, decontaminate=False)
    assert corpus.pairs("de").text_list()[0].startswith("Satz")
    assert corpus.english_texts()[0].startswith("Sentence")


def test_paraphrases_of_one_file(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.txt").write_text("one\ntwo\nthree\n")
    np.save("v.npy", np.array([[1, 0], [0, 1], [0.9, 0.1]]))
    assert main(["mine", "two.txt:en", "--vectors", "v.npy", "--threshold", "0.5"]) == 0
    assert rows_of(capsys.readouterr().out) == [["score", "sentence1", "sentence2"], ["0.993884", "one", "three"]]


def test_rejects_and_raw_vectors(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.de").write_bytes(b"eins\n\ncaf\xe9\n42 zwei\n")
    Path("b.en").write_bytes(b"one\n43 two\n")
    np.eye(4, dtype=np.float16).tofile("a.f16")
    np.eye(4, dtype=np.float16)[[0, 3]].tofile("b.f16")
    words = ["mine", "a.de", "b.en", "--vectors", "a.f16", "--vectors", "b.f16", "--dim", "4"]
    assert main([*words, "--same-numbers", "--rejects", "rejects.jsonl"]) == 0
    assert [row[1:] for row in rows_of(capsys.readouterr().out)[1:]] == [["eins", "one"]]
    records = [json.loads(line) for line in Path("rejects.jsonl").read_text().splitlines()]
    assert [(record.get("line"), record["reason"]) for record in records] == [
        (2, "empty"),
        (3, "undecodable"),
        (None, "numbers-differ"),
    ]


def test_a_model(sides: Path, tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.txt").write_text("the station\nwhere\n")
    Path("b.txt").write_text("where\nthe station\n")
    words = ["mine", "a.txt:de", "b.txt:en", "--model", str(tiny_teacher), "--memory", "64G", "-k", "1"]
    for _ in range(2):
        assert main(words) == 0
        rows = rows_of(capsys.readouterr().out)[1:]
        assert sorted(row[1:] for row in rows) == [["the station", "the station"], ["where", "where"]]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["mine", "x.de", "x.en"], 2, "neither a model nor vectors"),
        (["mine", "x.de", "x.en", "--vectors", "de.npy"], 2, "--vectors is given 1 time(s), for 2 side(s)"),
        ([*MINE, "--out", "m.xlsx"], 2, "pairs are not written as '.xlsx'"),
        ([*MINE, "--out", "."], 2, "is a folder, expected a file"),
        ([*MINE, "--threshold", "1", "--precision", "0.9"], 2, "give one of them"),
        ([*MINE, "--precision", "90"], 2, "an expected precision of 90.0"),
        ([*MINE, "--memory", "much"], 2, "'much' is no size of memory"),
        ([*MINE, "--memory", "1M"], 2, "are allowed. Allow more, as in --memory"),
        ([*MINE, "--margin", "cosine"], 2, "'cosine' is no margin"),
        ([*MINE, "--selection", "all"], 2, "'all' is no selection"),
        ([*MINE, "--layout", "csv"], 2, "'csv' is no layout"),
        ([*MINE, "-k", "0"], 2, "k is 0"),
        (["mine", "x.de", "--vectors", "de.npy", "--precision", "0.9"], 2, "are for two sides"),
        (["mine", "no.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"], 3, "no.de: no such file"),
        (["mine", "x.de", "x.en", "--vectors", "no.npy", "--vectors", "en.npy"], 3, "no.npy: no such file"),
        (["mine", "x.de", "x.gold", "--vectors", "de.npy", "--vectors", "en.npy"], 3, "120 vectors"),
        ([*MINE, "--gold", "x.de"], 3, "none of the 120 gold pairs, such as 'de-0' and 'Satz 0', names sentences"),
        ([*MINE, "--gold", "no.gold"], 3, "no.gold: no such file"),
    ],
)
def test_bad_usage(sides: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    assert message in capsys.readouterr().err
