"""Files that are whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors import SafetensorError

from mling_embed import files
from mling_embed.errors import DamagedFileError, DataError, DiskFullError


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


def _full(kind: str) -> None:
    """Write to a device that is always full; raise what a library that would replace it was seen to raise."""
    if kind == "safetensors":
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    if kind == "tokenizers":
        raise Exception("No space left on device (os error 28)")
    if kind == "sqlite":
        connection = sqlite3.connect(":memory:")
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    else:
        with Path("/dev/full").open("wb", buffering=0) as file:
            if kind == "numpy":
                np.save(file, np.zeros(9))
            elif kind == "arrow":
                with pa.ipc.new_file(file, pa.schema({"a": pa.int64()})):
                    pass
            else:
                file.write(b"x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("kind", ["safetensors", "tokenizers", "sqlite", "numpy", "arrow", "python"])
def test_a_full_disk_is_one_error_whichever_library_meets_it(kind: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").write_text("old")
    with pytest.raises(DiskFullError) as told, files.replacing_folder(tmp_path / "model", needed=5 << 20):
        _full(kind)
    assert str(told.value) == (
        f"{tmp_path / 'model'}: no space left (needs about 5 MB). Free some and give the same command again."
    )
    assert (told.value.errno, told.value.exit_code) == (errno.ENOSPC, 1)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["old"]


def test_what_a_file_needs_is_told_by_the_name_of_the_folder_around_it(tmp_path: Path) -> None:
    def full() -> None:
        with files.replacing_folder(tmp_path / "corpus"), files.atomic_writer(tmp_path / "x.part-1", needed=3 << 20):
            raise OSError(errno.EDQUOT, "quota", "x.part-1")

    with pytest.raises(DiskFullError, match=r"corpus: no space left \(needs about 3 MB\)"):
        full()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "no"), DataError("No space left on device"), ValueError("full")])
def test_another_error_is_no_full_disk(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as told, files.room_on_disk(tmp_path):
        raise error
    assert told.value is error


def test_lines_are_added(tmp_path: Path) -> None:
    for text in ("ä\n", "b\n"):
        files.append_text(tmp_path / "log", text)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "ä\nb\n"
