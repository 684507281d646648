"""The verb ``index``: from a folder of text files to an answer, and what it says of bad input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import faiss
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_index_input import BAD, SENTENCES, save_models, write_texts

from mling_embed.cli import main


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path)
    return tmp_path


@pytest.fixture
def filled(place: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["index", "create", "library", "--model", models[0]]) == 0
    assert main(["index", "add", "library", "texts"]) == 0
    capsys.readouterr()
    return place


def test_from_a_folder_of_text_files_to_an_answer(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "search", "library", "Wo ist der Bahnhof?", "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rank\tscore\tid\tlanguage\ttext"
    assert lines[1] == "1\t1.0000\tde.txt:1\tde\tWo ist der Bahnhof?"
    assert len(lines) == 3


def test_a_hit_as_json_has_every_part(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "search", "library", "--json", "-k", "1", SENTENCES[2]]) == 0
    (hit,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(hit) == ["query", "rank", "score", "id", "document", "start", "end", "language", "text", "metadata"]
    assert (hit["id"], hit["document"], hit["language"]) == ("other.txt.gz:1", "other.txt.gz", "en")


def test_queries_from_files_and_standard_input(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("museum").write_text(f"{SENTENCES[2]}\n\n{SENTENCES[3]}\n", encoding="utf-8")
    assert main(["index", "search", "library", "museum", "-k", "1"]) == 0
    assert [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()[1:]] == SENTENCES[2:4]
    assert main(["index", "search", "library", "--text", "museum", "-k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["query"] == "museum"
    assert main(["index", "search", "library", "museums.txt"]) == 3
    assert "museums.txt: no such file. To find its name as words: --text." in capsys.readouterr().err
    assert main(["index", "search", "library", "--text", "museums.txt", "-k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["query"] == "museums.txt"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(SENTENCES).encode())))
    assert main(["index", "search", "library", "-k", "1"]) == 0
    assert [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()[1:]] == SENTENCES


def test_adding_again_goes_on_and_upsert_follows_the_file(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "add", "library", "texts", "--json"]) == 0
    assert [json.loads(line)["unchanged"] for line in capsys.readouterr().out.splitlines()] == [2, 3]
    Path("texts/de.txt").write_text("Der Markt ist alt.\n", encoding="utf-8")
    assert main(["index", "add", "library", "texts"]) == 2
    assert "--upsert" in capsys.readouterr().err
    assert main(["index", "add", "library", "texts", "--upsert", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["replaced"], first["removed"]) == (1, 1)
    assert main(["index", "delete", "library", "--document", "other.txt.gz"]) == 0
    assert "deleted 3; 1 texts are left" in capsys.readouterr().err


def test_splitting_keeps_places(place: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    text = "  The museum opens at nine.  It is old! Where is it?"
    Path("long.txt").write_text(text + "\n", encoding="utf-8")
    main(["index", "create", "library", "--model", models[0]])
    assert main(["index", "add", "library", "long.txt", "--split", "sentences", "--language", "en"]) == 0
    capsys.readouterr()
    main(["index", "search", "library", "It is old!", "--json", "-k", "3"])
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (hits[0]["text"], hits[0]["id"]) == ("It is old!", "long.txt:1#2")
    for hit in hits:
        assert text[hit["start"] : hit["end"]] == hit["text"]


def test_tables_bring_ids_languages_and_metadata(
    place: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.tsv").write_text("id\tlang\ttext\tyear\nx\tdeu\tder Markt\t2020\n", encoding="utf-8")
    Path("b.jsonl").write_text(
        json.dumps({"id": "y", "text": "the market", "metadata": {"year": 2021}, "language": "en"})
    )
    pq.write_table(pa.table({"id": ["z"], "text": ["рынок"], "language": ["rus"], "year": [2022]}), "c.parquet")
    main(["index", "create", "library", "--model", models[0]])
    assert main(["index", "add", "library", "a.tsv", "b.jsonl", "c.parquet"]) == 0
    capsys.readouterr()
    for year, id_, language in (("2020", "x", "de"), ("2021", "y", "en"), ("2022", "z", "ru")):
        assert main(["index", "search", "library", "market", "--where", f"year={year}", "--json"]) == 0
        hit = json.loads(capsys.readouterr().out)
        assert (hit["id"], hit["language"]) == (id_, language)


def test_the_whole_life_of_an_index(filled: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["stats", "library"],
        ["verify", "library"],
        ["compact", "library"],
        ["rebuild", "library"],
        ["audit", "library"],
        ["audit", "library", "--student", models[1]],
        ["reencode", "library", "--model", models[1]],
        ["verify", "library", "--json"],
        ["export", "library", "out.parquet"],
    ):
        assert main(["index", *words]) == 0, words
    assert pq.read_table("out.parquet").num_rows == 5
    capsys.readouterr()
    assert main(["index", "stats", "library", "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["rows"], stats["model"], stats["kind"]) == (5, models[1], "flat")


def test_a_faiss_file_comes_in_if_it_is_of_the_model(
    filled: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from mling_embed.encoders.loading import load

    flat = faiss.IndexFlatL2(16)
    flat.add(load(models[0]).encode(SENTENCES))
    faiss.write_index(flat, "old.faiss")
    Path("texts.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    assert main(["index", "import", "new", "old.faiss", "texts.txt", "--model", models[0]]) == 0
    assert "mean cosine 1.0000" in capsys.readouterr().err
    assert main(["index", "search", "new", SENTENCES[0], "-k", "1"]) == 0
    assert main(["index", "import", "other", "old.faiss", "texts.txt", "--model", models[1]]) == 3
    assert "are not those of this model" in capsys.readouterr().err
    Path("short.txt").write_text("one\n", encoding="utf-8")
    assert main(["index", "import", "other", "old.faiss", "short.txt", "--model", models[0]]) == 3
    assert "5 vectors and 1 texts" in capsys.readouterr().err


def test_a_student_asks_an_index_of_its_teacher(
    filled: Path, models: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from mling_embed.encoders.loading import load

    mark = Path(models[1]) / "distilled_from.json"
    mark.write_text(json.dumps({"teacher": load(models[0]).fingerprint, "corpus": "x"}))
    try:
        assert main(["index", "search", "library", "Bahnhof", "--model", models[1]]) == 0
        assert "queries go through its student" in capsys.readouterr().err
        Path("more.txt").write_text("new words\n", encoding="utf-8")
        assert main(["index", "add", "library", "more.txt", "--model", models[1]]) == 2
        assert "a student may ask" in capsys.readouterr().err
    finally:
        mark.unlink()


@pytest.mark.parametrize(("act", "words", "code", "told"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_told_plainly(
    act: Any,
    words: list[str],
    code: int,
    told: str,
    filled: Path,
    models: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if act is not None:
        act()
    real = [{"MODEL": models[0], "OTHER": models[1]}.get(word, word) for word in words]
    assert main(["index", *real]) == code
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_lines_that_cannot_be_used_are_counted_and_named(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.txt").write_bytes(b"good\n\ncaf\xe9\n \n")
    Path("bad.jsonl").write_text('{"text": "fine"}\nnot json\n{"text": 5}\n{"text": "x", "language": "qqqq"}\n')
    assert main(["index", "add", "library", "bad.txt", "bad.jsonl", "--json"]) == 0
    told = capsys.readouterr()
    assert [json.loads(line)["rejected"] for line in told.out.splitlines()] == [3, 3]
    assert "2 empty, 1 undecodable (bad.txt:2, bad.txt:3, bad.txt:4)" in told.err
    assert "2 malformed, 1 wrong-language" in told.err
