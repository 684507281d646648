"""Files that are whole or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mling_embed import files
from mling_embed.errors import DamagedFileError, DataError


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(files.HOME_VARIABLE, str(tmp_path))
    assert files.cache_root() == tmp_path
    monkeypatch.setenv(files.HOME_VARIABLE, "")
    assert files.cache_root().name == "mling_embed"


def test_mirrors_are_separated_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.MIRROR_VARIABLE, os.pathsep.join(["/a", "", "/b c"]))
    assert files.mirror_folders() == [Path("/a"), Path("/b c")]
    monkeypatch.delenv(files.MIRROR_VARIABLE)
    assert files.mirror_folders() == []


def test_a_file_is_written_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.bin"
    files.write_bytes(path, b"\x00\r\n")
    files.write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert files.sha256_of(path) == hashlib.sha256(b"second").hexdigest()
    assert [each.name for each in path.parent.iterdir()] == ["c.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "c.txt"
    files.write_text(path, "old")
    with pytest.raises(error), files.atomic_writer(path) as file:  # noqa: PT012 -- the write is what fails
        file.write(b"half of the n")
        raise error
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["c.txt"]


def test_text_keeps_its_line_ends_and_json_its_letters(tmp_path: Path) -> None:
    files.write_text(tmp_path / "t.txt", "ü\r\n\u2028\n")
    assert (tmp_path / "t.txt").read_bytes() == "ü\r\n\u2028\n".encode()
    files.write_json(tmp_path / "j.json", {"é": [1, None]})
    assert "é" in (tmp_path / "j.json").read_text(encoding="utf-8")
    assert files.read_json(tmp_path / "j.json") == {"é": [1, None]}


@pytest.mark.parametrize("data", [b"{", b"", b"\xff"])
def test_what_is_not_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "j.json").write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"j\.json: not JSON .* Delete it"):
        files.read_json(tmp_path / "j.json")
    with pytest.raises(DataError, match="no such file"):
        files.read_json(tmp_path / "none.json")


def fill(folder: Path, text: str) -> None:
    with files.replacing_folder(folder) as part:
        (part / "deep").mkdir()
        (part / "deep/file").write_text(text)


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / "model", "first")
    (tmp_path / "model/left over").touch()
    fill(tmp_path / "model", "second")
    assert (tmp_path / "model/deep/file").read_text() == "second"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "file", "model"]


def test_a_failed_replacement_leaves_the_old_folder(tmp_path: Path) -> None:
    fill(tmp_path / "model", "first")
    with pytest.raises(KeyboardInterrupt), files.replacing_folder(tmp_path / "model") as part:  # noqa: PT012
        (part / "half").touch()
        raise KeyboardInterrupt
    assert (tmp_path / "model/deep/file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_stop_between_the_two_renames_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "model", "first")
    replace = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if ".part-" in self.name:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "model", "second")
    assert (tmp_path / "model/deep/file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
