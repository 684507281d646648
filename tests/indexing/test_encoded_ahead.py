"""What is encoded ahead of an add by others: the same index, byte by byte, and nothing left beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_index_input import save_models

from mling_embed.cli import main
from mling_embed.encoders.loading import load
from mling_embed.engines.engine import InProcess
from mling_embed.engines.share import Share, ShareDone
from mling_embed.errors import UsageError
from mling_embed.indexing.changes import adding
from mling_embed.indexing.changes.ahead import ahead_folder
from mling_embed.indexing.index import Index
from mling_embed.indexing.storage.rows import Entry

TEXTS = [f"der Bahnhof Nummer {number}" for number in range(50)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "BATCH", 8)


def stored(index: Path) -> dict[str, list[float]]:
    with Index.open(index) as opened:
        rows = opened._store.rows(list(range(1, 100)))
    return {row.entry.id: row.vector.tolist() for row in rows.values()}


def test_shares_of_an_add_make_the_index_of_one_process(
    tmp_path: Path, models: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, texts in (("a", TEXTS[:30]), ("b", [*TEXTS[30:], "  ", TEXTS[0]])):
        Path(f"{name}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    for index in ("alone", "shared"):
        assert main(["index", "create", index, "--model", models[0]]) == 0
        assert main(["index", "add", index, "b.txt", "--no-guess"]) == 0  # so that a part is there already
    Path("b.txt").write_text("\n".join([*TEXTS[30:], "new", TEXTS[0]]) + "\n", encoding="utf-8")
    words = ["a.txt", "b.txt", "--upsert", "--no-guess"]
    assert main(["index", "add", "alone", *words]) == 0
    expected = stored(Path("alone"))
    for number, done in ((1, 3), (2, 2)):
        capsys.readouterr()
        assert main(["index", "add", "shared", *words, "--shard", f"{number}/2"]) == 0
        assert f"share {number}/2 of encoding texts is done ({done} of 5)" in capsys.readouterr().err
    assert len(list(ahead_folder(Path("shared")).rglob("*.safetensors"))) == 5

    def again(*_: object, **__: object) -> None:
        raise RuntimeError("encoded again")

    monkeypatch.setattr(type(load(models[0])), "encode", again)
    assert main(["index", "add", "shared", *words]) == 0
    assert stored(Path("shared")) == expected
    assert len(expected) == 52
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "alone", "b.txt", "shared"]


def test_conflicts_and_models_that_cannot_be_sent_are_told_before_anything_is_encoded(
    tmp_path: Path, models: tuple[str, str]
) -> None:
    entries = [Entry("a", "one", "en"), Entry("a", "two", "en")]
    with Index.create(tmp_path / "index", model=models[0]) as index:
        with pytest.raises(UsageError, match=r"id 'a' is there already, with another text or other data: 'one'"):
            index.encode_ahead([entries], Share(1, 2))
        with pytest.raises(ShareDone, match=r"\(0 of 1\)"):
            index.encode_ahead([entries[:1]], Share(2, 2))
    with (
        Index.create(tmp_path / "other", model=load(models[0])) as index,
        pytest.raises(UsageError, match=r"a StaticEncoder cannot be sent to workers"),
    ):
        index.encode_ahead([entries[:1]], InProcess())
    assert not ahead_folder(tmp_path / "other").exists()


def test_the_same_entry_in_two_batches_is_encoded_once(tmp_path: Path, models: tuple[str, str]) -> None:
    entries = [Entry(str(number), text, "de") for number, text in enumerate(TEXTS[:10])]
    with Index.create(tmp_path / "index", model=models[0]) as index:
        index.encode_ahead([[*entries, *entries]], InProcess())
        assert len(list(ahead_folder(index.path).rglob("*.safetensors"))) == 2
        added = index.add_entries([*entries, *entries])
        assert (added.added, added.unchanged) == (10, 10)
