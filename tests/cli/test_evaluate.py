"""The verb ``evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mling_embed.cli import main

WORDS = {"katze": "cat", "hund": "dog", "haus": "house", "wasser": "water", "rot": "red", "kalt": "cold"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a static encoder that knows six words in two languages, each pair of them with one vector, and a mark."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", *WORDS, *WORDS.values(), "."]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    table = np.vstack([np.full(8, 0.01), np.eye(8)[:6], np.eye(8)[:7]]).astype(np.float32)
    folder = tmp_path_factory.mktemp("model")
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu").save(str(folder))
    return folder


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "news.de").write_text("\n".join(WORDS) + "\nkatze rot\n")
    (tmp_path / "news.en").write_text("\n".join(WORDS.values()) + "\ncat red\n")
    return tmp_path / "news.de", tmp_path / "news.en"


def test_bitext_as_tsv(model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), "--bitext", *map(str, files)]) == 0
    header, row = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header[:4] == ["suite", "task", "n", "xx->en"]
    assert row[:4] == ["bitext", "news.de news.en", "7", "1.0000"]


@pytest.mark.parametrize("json", [["--json"], []])
def test_few_pairs_are_warned_of(
    model: Path, files: tuple[Path, Path], json: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--bitext", *map(str, files), *json]) == 0
    told = capsys.readouterr().err
    assert told.count("warning: 1 of 1 tasks have fewer than 50 pairs (bitext news.de news.en 7)") == 1
    for path in files:
        path.write_text(path.read_text() * 8)
    assert main(["evaluate", str(model), "--bitext", *map(str, files), *json]) == 0
    assert "warning" not in capsys.readouterr().err


def test_json_lines_and_files(
    model: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sts = tmp_path / "pairs.csv"
    sts.write_text("sentence1,sentence2,score\nkatze,cat,5\nkatze rot,cat,3\nhaus,dog,0\n")
    out = tmp_path / "out"
    words = ["evaluate", str(model), "--teacher", str(model), "--bitext", *map(str, files), "--sts", str(sts)]
    assert main([*words, "--json", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    bitext, similarity = map(json.loads, printed.out.splitlines())
    assert (bitext["languages"], bitext["model"], bitext["score"]) == (["de", "en"], str(model), 1.0)
    assert bitext["figures"]["teacher_space_accuracy"] == 1.0
    assert bitext["signature"].startswith("task:bitext/news.de news.en/test|data:")
    assert similarity["score"] == pytest.approx(1.0)
    assert sorted(path.name for path in out.iterdir()) == ["bitext.json", "report.html", "sts.json"]
    assert f"wrote bitext.json, sts.json, report.html into {out}" in printed.err
    assert str(model) in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--tasks", "tatoba"], 2, "there are no tasks 'tatoba'. Did you mean tatoeba?"),
        (["--tasks", "phrasebook, stbs"], 2, "there are no tasks 'stbs'. Did you mean stsb?"),
        (["--tasks", "dev"], 2, "Name one with --corpus DIR."),
        (["--corpus", "nowhere"], 3, "no corpus here"),
        (["--languages", "klingon"], 2, "'klingon' is not a language code."),
        (["--sts", "nowhere.csv"], 3, "nowhere.csv: no such file."),
    ],
)
def test_errors(words: list[str], code: int, message: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), *words]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err


@pytest.mark.parametrize(
    ("source", "languages", "found"),
    [
        ("news.de", [], "de"),
        ("news.de", ["--languages", "fr"], "fr"),
        ("news.de", ["--languages", "deu"], "de"),
        ("news.txt", [], "und"),
        ("news.dev", [], "und"),
        ("news.txt", ["--languages", "sw"], "sw"),
    ],
)
def test_what_is_said_wins_over_a_suffix(
    source: str,
    languages: list[str],
    found: str,
    model: Path,
    files: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = files[0].rename(files[0].with_name(source))
    assert main(["evaluate", str(model), "--bitext", str(named), str(files[1]), "--json", *languages]) == 0
    assert json.loads(capsys.readouterr().out)["languages"] == [found, "en"]


def test_several_languages_do_not_say_which_is_the_files(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--tasks", "phrasebook", "--bitext", *map(str, files), "--languages", "fr,sw"]
    assert main(words) == 2
    assert f"{files[0]}: --languages names fr, sw; which of them is it?" in capsys.readouterr().err


def test_tasks_with_commas_and_repeated(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tasks", "phrasebook,phrasebook", "--tasks", " phrasebook ", "--languages", "sw", "--json"]
    assert main(["evaluate", str(model), *words]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record["suite"], record["task"], record["kind"]) for record in records] == [
        ("phrasebook", "sw-en", "bitext"),
        ("phrasebook-sts", "en-en", "sts"),
        ("phrasebook-qa", "en-en", "retrieval"),
    ]
    assert {tuple(record) for record in records} == {
        ("suite", "task", "kind", "split", "languages", "model", "n", "metric", "score", "low", "high", "figures",
         "signature")
    }  # fmt: skip


def test_the_test_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list-tasks"]) == 0
    rows = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert rows["phrasebook"].startswith("The built-in phrasebook: ")


def test_results_go_into_the_models_card(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--bitext", *map(str, files), "--card"]) == 0
    assert f"wrote the results into {model / 'README.md'}" in capsys.readouterr().err
    assert "## Results" in (model / "README.md").read_text(encoding="utf-8")
    assert main(["evaluate", "http://localhost:1/v1#m", "--bitext", *map(str, files), "--card"]) == 2
    assert "--card: http://localhost:1/v1#m is no folder" in capsys.readouterr().err


def test_unequal_files(model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with files[1].open("a") as file:
        file.write("one more\n")
    assert main(["evaluate", str(model), "--bitext", *map(str, files)]) == 3
    assert f"{files[0]} has 7 lines and {files[1]} has 8; expected as many." in capsys.readouterr().err


def test_a_model_that_is_not_there(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "./no/such/model", "--bitext", *map(str, files)]) == 3
    assert "no such model folder" in capsys.readouterr().err


def test_a_terminal_gets_a_drawn_table(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["evaluate", str(model), "--bitext", *map(str, files)]) == 0
    assert "news.de news.en" in capsys.readouterr().out


def test_labelled_texts_and_a_folder_of_beir(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\ncat\tpet\ndog\tpet\nwater\tdrink\ncold water\tdrink\n")
    (tmp_path / "test.tsv").write_text("katze\tpet\nwasser\tdrink\nhund\tdrink\n")
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    (tmp_path / "beir" / "corpus.jsonl").write_text('{"_id": "1", "text": "cat"}\n{"_id": "2", "text": "dog"}\n')
    (tmp_path / "beir" / "queries.jsonl").write_text('{"_id": "q", "text": "hund"}\n')
    (tmp_path / "beir" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t2\t1\n")
    words = ["--classification", str(tmp_path / "train.tsv"), str(tmp_path / "test.tsv"), "--languages", "de"]
    assert main(["evaluate", str(model), *words, "--retrieval", str(tmp_path / "beir"), "--json"]) == 0
    search, topics = map(json.loads, capsys.readouterr().out.splitlines())
    assert (search["suite"], search["task"], search["languages"], search["score"]) == (
        "retrieval",
        "beir",
        ["de", "de"],
        1.0,
    )
    assert (topics["kind"], topics["n"], topics["metric"], topics["score"]) == (
        "classification",
        3,
        "accuracy",
        pytest.approx(2 / 3),
    )


def test_a_limit_keeps_so_many(model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), "--bitext", *map(str, files), "--json", "--limit", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3
    assert main(["evaluate", str(model), "--bitext", *map(str, files), "--limit", "0"]) == 2
    assert "a limit of 0 texts: expected at least 1." in capsys.readouterr().err
