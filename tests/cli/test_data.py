from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mling_embed.cli import main

ENGLISH = ["the dog sleeps", "a cat runs", "we drink cold water", "she reads a book", "he opens the door"]
GERMAN = ["der Hund schläft", "eine Katze rennt", "wir trinken kaltes Wasser", "sie liest ein Buch", ""]
TSV = "".join(f"{one}\t{other}\n" for one, other in zip(ENGLISH, GERMAN, strict=True)).encode()


@pytest.fixture(autouse=True)
def no_data_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLING_EMBED_MIRROR", raising=False)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "de.tsv").write_bytes(TSV)
    path = tmp_path / "own.toml"
    path.write_text(
        f"""
        name = "own"
        title = "Our pairs"
        kind = "local"
        homepage = "https://example.org"
        license = "CC0-1.0"
        commercial_use = "unknown"
        citation = "none"
        languages = ["de"]
        [[splits]]
        name = "train"
        role = "train"
        files = [{{ path = "de.tsv", bytes = {len(TSV)}, sha256 = "{hashlib.sha256(TSV).hexdigest()}", \
format = "tsv", language = "de", columns = {{ english = 0, other = 1 }} }}]
        """,
        encoding="utf-8",
    )
    return path


def rows_of(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_list_prints_a_row_for_each_manifest_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--role", "test", "--language", "fin_Latn"]) == 0
    header, *rows = rows_of(capsys.readouterr().out)
    assert header[:3] == ["name", "kind", "roles"]
    assert [row[0] for row in rows] == ["tatoeba-v1", "xling-bli"]
    assert rows[0][1:6] == ["http", "test", "112", "224", "6704654"]


def test_a_file_that_holds_several_languages_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    listed = {one["name"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert listed["phrasebook"]["files"] == 5
    assert main(["data", "verify", "phrasebook"]) == 0
    assert rows_of(capsys.readouterr().out)[1] == ["phrasebook", "5", "0", "0"]
    assert main(["data", "fetch", "phrasebook"]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 5


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--language", "ha", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in found] == ["parallel-sentences-ccmatrix"]
    assert found[0]["roles"] == ["train"]
    assert found[0]["files"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["list", "--role", "tset"], 2, "--role is 'tset', expected one of train, dev, test."),
        (["list", "--language", "xx-yy-zz"], 2, "is not a language code"),
        (["show", "tatoba-v1"], 2, "Did you mean tatoeba-v1"),
        (["show", "nowhere.toml"], 3, "nowhere.toml: no such file."),
        (["build", "out"], 2, "nothing to build from."),
        (["build", "out", "--pairs", "nowhere.tsv:de"], 3, "nowhere.tsv: no such file."),
        (["build", "out", "--manifest", "korsts"], 2, "'korsts' has no parallel text with English of role train."),
    ],
)
def test_wrong_use_is_told(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == code
    told = capsys.readouterr()
    assert expected in told.err
    assert told.out == ""


def test_show_prints_terms_files_and_configurations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "parallel-sentences-talks"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert ["repo", "sentence-transformers/parallel-sentences-talks"] in rows
    assert ["config", "en-zh-tw", "zh-TW"] in rows
    assert main(["data", "show", "korsts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"][0]["files"][0]["columns"]["score"] == 4


def test_verify_counts_ok_missing_and_damaged(
    capsys: pytest.CaptureFixture[str], manifest: Path, tmp_path: Path
) -> None:
    assert main(["data", "verify", str(manifest)]) == 0
    assert rows_of(capsys.readouterr().out) == [["name", "ok", "missing", "damaged"], ["own", "1", "0", "0"]]
    (tmp_path / "de.tsv").write_bytes(TSV[:-1])
    assert main(["data", "verify", str(manifest)]) == 1
    told = capsys.readouterr()
    assert rows_of(told.out)[1] == ["own", "0", "0", "1"]
    assert f"de.tsv: {len(TSV) - 1} bytes, expected {len(TSV)}." in told.err
    (tmp_path / "de.tsv").unlink()
    assert main(["data", "verify", str(manifest), "parallel-sentences-muse", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"name": "own", "ok": 0, "missing": 1, "damaged": 0}
    assert "1 manifest(s) of the Hugging Face hub have no files to verify" in told.err


def test_fetch_prints_paths_and_fails_for_what_is_not_there(
    capsys: pytest.CaptureFixture[str], manifest: Path, tmp_path: Path
) -> None:
    assert main(["data", "fetch", str(manifest), "parallel-sentences-muse"]) == 0
    told = capsys.readouterr()
    assert told.out == f"own\t{tmp_path / 'de.tsv'}\n"
    assert "nothing to fetch" in told.err
    (tmp_path / "de.tsv").unlink()
    assert main(["data", "fetch", str(manifest)]) == 1
    assert "1 file(s) could not be fetched." in capsys.readouterr().err


def test_build_prints_what_was_kept_and_why_not(
    capsys: pytest.CaptureFixture[str], manifest: Path, tmp_path: Path
) -> None:
    again = tmp_path / "more.tsv"
    again.write_bytes(TSV)
    words = ["data", "build", str(tmp_path / "corpus"), "--manifest", str(manifest), "--pairs", f"{again}:de"]
    assert main([*words, "--languages", "de", "--no-decontaminate"]) == 0
    told = capsys.readouterr()
    rows = {(row[0], row[2]): row[3] for row in rows_of(told.out)[1:]}
    assert (rows[("more", "read")], rows[("more", "kept")], rows[("more", "empty")]) == ("5", "4", "1")
    assert (rows[("own", "read")], rows[("own", "kept")], rows[("own", "duplicate-pair")]) == ("5", "0", "4")
    assert "read 10, kept 4; rejected: 4 duplicate-pair, 2 empty" in told.err
    assert main([*words, "--languages", "de", "--no-decontaminate", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["read"], line["kept"], line["pairs"]) == (10, 4, {"de": 4})
    assert line["path"] == str(tmp_path / "corpus")


def test_build_names_columns_and_tells_what_was_lost(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "ids.tsv"
    path.write_text("".join(f"{i}\tdas ist {i}\tx\tthis is {i}\n" for i in range(18)) + "1\n2\n", encoding="utf-8")
    words = ["data", "build", str(tmp_path / "corpus"), "--no-decontaminate", "--pairs"]
    assert main([*words, f"{path}:de,english=3,other=1", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["kept"] == 18
    assert f"ids: read 20, kept 18 (90.0%); rejected: 2 malformed, first at {path}:19" in told.err
    assert "warning" not in told.err
    path.write_text("this is it\tdas ist es\n" + "1\n", encoding="utf-8")
    assert main([*words, f"{path}:de"]) == 0
    assert "warning: ids: 50% of its rows were rejected, most of them as malformed" in capsys.readouterr().err
    assert main([*words, f"{path}:de,english=7,other=1"]) == 3
    assert "2 column(s), expected at least 8" in capsys.readouterr().err
