"""Compressed files and archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mling_embed.corpora.archives import open_members, open_plain
from mling_embed.errors import DamagedFileError, DataError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
DATA = "".join(f"line {i} ü\n" for i in range(5000)).encode()


@pytest.mark.parametrize("suffix", PACKERS)
def test_compression_goes_by_the_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.tsv{suffix}"
    path.write_bytes(PACKERS[suffix](DATA))
    with open_plain(path) as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_a_file_cut_short_is_damaged(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKERS[suffix](DATA)[:-20])
    with pytest.raises(DamagedFileError, match="damaged or cut short"), open_plain(path) as stream:
        stream.read()


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_what_is_not_compressed_is_damaged(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"plain text")
    with pytest.raises(DamagedFileError), open_plain(path) as stream:
        stream.read()


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(bytes(40 << 20)))
    with pytest.raises(DataError, match="more than 500 times"), open_plain(path) as stream:
        stream.read()


def test_a_size_cap_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(DATA))
    with pytest.raises(DataError, match="more than 1,000 bytes"), open_plain(path, size_limit=1000) as stream:
        stream.read()


def test_zip_members_come_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deu.txt", "Hi\tHallo\n")
        archive.writestr("_about.txt", "about")
        archive.writestr("sub/fra.txt", "Hi\tSalut\n")
    assert [(name, stream.read()) for name, stream in open_members(path, "[a-z]*.txt")] == [
        ("deu.txt", b"Hi\tHallo\n"),
        ("sub/fra.txt", b"Hi\tSalut\n"),
    ]
    with pytest.raises(DataError, match=r"no member matches '\*\.tsv'"):
        list(open_members(path, "*.tsv"))


def test_zip_bomb_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(40 << 20))
    with pytest.raises(DataError, match=r"bomb\.zip!a\.txt: unfolds to more than 500 times"):
        [stream.read() for _, stream in open_members(path)]


def test_tar_links_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("link.tsv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        member = tarfile.TarInfo("../up.tsv")
        member.size = len(DATA)
        archive.addfile(member, io.BytesIO(DATA))
    assert [(name, stream.read()) for name, stream in open_members(path)] == [("../up.tsv", DATA)]


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar.gz"):
        path = tmp_path / name
        path.write_bytes(b"not an archive")
        with pytest.raises(DamagedFileError, match="damaged or cut short"):
            list(open_members(path))
    with pytest.raises(DataError, match="no such file"):
        list(open_members(tmp_path / "none.zip"))
