"""The verb ``score``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main
from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "sal") for b in ("ran", "del", "fis", "gom", "lup", "nex")]


def sentence(number: int) -> str:
    drawn = np.random.default_rng(number)
    return " ".join(WORDS[place] for place in drawn.integers(0, len(WORDS), 7)).capitalize() + "."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokenizer = train_unigram([sentence(number) for number in range(300)], size=600)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 24), dtype=np.float32)
    folder = tmp_path_factory.mktemp("student") / "model"
    StaticEncoder(tokenizer, table).save(folder, model_card="")
    return str(folder)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write pairs whose sides share most words, six of them shuffled, and go there."""
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    others = [" ".join(reversed(sentence(number).lower().split())) for number in range(80)]
    others[10:16] = others[11:16] + others[10:11]
    lines = [f"de\t{sentence(number)}\t{others[number]}\n" for number in range(80)]
    Path("x.tsv").write_text("language\tenglish\tother\n" + "".join(lines))
    return tmp_path


def test_every_pair_with_its_reasons(pairs: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "x.tsv", "--model", model]) == 0
    printed = capsys.readouterr()
    header, *rows = [line.split("\t") for line in printed.out.split("\n") if line]
    assert header == ["line", "score", "reasons", "language", "english", "other"]
    assert [row[0] for row in rows] == [str(line) for line in range(2, 82)]
    flagged = [int(row[0]) for row in rows if row[2]]
    assert set(range(12, 18)) <= set(flagged)
    assert len(flagged) <= 10
    assert "80 rows" in printed.err
    assert "better-elsewhere" in printed.err


def test_an_encoder_that_knows_little_is_told_of(
    pairs: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "many more are flagged than are expected to be wrong"
    assert main(["score", "x.tsv", "--model", model]) == 0
    assert words not in capsys.readouterr().err
    lines = [line.split("\t") for line in Path("x.tsv").read_text().splitlines()[1:]]
    # Of each translation one word is left: hardly a sentence finds its own, and yet each fits it better than others do.
    short = [f"{language}\t{english}\t{' '.join(other.split()[:3])}\n" for language, english, other in lines]
    Path("short.tsv").write_text("language\tenglish\tother\n" + "".join(short))
    assert main(["score", "short.tsv", "--model", model]) == 0
    assert words in capsys.readouterr().err


def test_what_stays_and_the_rest(pairs: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["score", "x.tsv", "--model", model, "--keep", "kept.tsv", "--rejects", "rest.jsonl", "--json"]
    assert main(words) == 0
    summary = json.loads(capsys.readouterr().out)
    kept, rest = Path("kept.tsv").read_text().splitlines(), Path("rest.jsonl").read_text().splitlines()
    assert summary["kept"] == len(kept)
    assert len(kept) + len(rest) == 80
    assert kept[0] == Path("x.tsv").read_text().splitlines()[1]
    assert {json.loads(line)["line"] for line in rest} >= set(range(12, 18))
    assert (
        main(["score", "kept.tsv:de,english=1,other=2", "--model", model, "--min-score", "0.2", "--keep", "again.tsv"])
        == 0
    )


def test_the_worst(pairs: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "x.tsv", "--model", model, "--worst", "6", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert sorted(record["line"] for record in records) == list(range(12, 18))
    scores = [record["score"] for record in records]
    assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["score", "no.tsv:de"], 3, "no.tsv: no such file"),
        (["score", "x.tsv", "--keep", "."], 2, "is a folder"),
        (["score", "x.tsv", "--worst", "0"], 2, "--worst 0: expected at least 1"),
        (["score", "x.tsv", "--memory", "1M"], 2, "are allowed"),
        (["score", "x.tsv", "--margin", "best"], 2, "'best' is no margin"),
    ],
)
def test_bad_usage(
    pairs: Path, model: str, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--model", model]) == code
    assert message in capsys.readouterr().err
