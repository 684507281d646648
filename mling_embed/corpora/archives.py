"""Files opened as plain bytes: compressed ones, members of archives and folders, within caps on what they unfold to."""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import lzma
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import zstandard

from mling_embed.corpora.foreign_errors import foreign_errors
from mling_embed.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
else:
    WriteableBuffer = object

COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
MEMBER_MARK = "!"
SIZE_LIMIT = 64 << 30
RATIO_LIMIT = 500  # text reaches 20; a bomb of zeros starts at 1,000
MEMBER_LIMIT = 10_000
_RATIO_FROM = 16 << 20  # bytes below which the ratio does not matter
_ZSTD_STEP = 2 << 10  # bytes unpacked at once: a bomb makes 64 MiB of them at most
# What zipfile unpacks: stored, deflated, bzip2, lzma; and the names of what it does not.
_ZIP_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_OTHER_METHODS = {
    6: "Implode",
    9: "Deflate64, as Windows makes it above 2 GB",
    93: "Zstandard",
    95: "xz",
    98: "PPMd",
    99: "AES encryption",
}
_BALLAST = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what systems leave in folders; __MACOSX and ._* too


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


_Open = Callable[[str], _Readable]  # opens a member when asked, not when listed


def is_archive(path: Path) -> bool:
    """Tell whether a file's name is that of an archive with members."""
    return path.name.lower().endswith(ARCHIVES)


def holds_members(path: Path) -> bool:
    """Tell whether a path is of an archive or a folder, whose members are read one by one."""
    return is_archive(path) or path.is_dir()


def plain_name(path: Path) -> str:
    """Return a file's name without the suffix of its compression."""
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def require_file(path: Path) -> None:
    """Check that something can be read at a path: a file, or a pipe such as the shell's ``<(...)``.

    Raises:
        DataError: There is nothing, or a folder.
    """
    if path.is_dir():
        raise DataError("is a folder, expected a file.", where=path, next_step="Name a file that is in it.")
    if not path.exists():
        raise DataError("no such file.", where=path)


@contextmanager
def open_plain(path: Path, *, size_limit: int = SIZE_LIMIT) -> Iterator[io.BufferedIOBase]:
    """Open a file for reading its bytes, decompressed as its suffix (.gz .xz .bz2 .zst) says.

    Raises:
        DataError: There is no such file, or it unfolds to more than the caps allow.
        DamagedFileError: The compressed bytes are damaged or cut short.
    """
    require_file(path)
    with path.open("rb") as raw:
        packed = path.stat().st_size
        with _unpacked(raw, path.suffix.lower(), path, packed, size_limit) as stream:
            yield stream


@contextmanager
def _unpacked(
    raw: io.BufferedIOBase, suffix: str, where: object, packed: int, size_limit: int
) -> Iterator[io.BufferedIOBase]:
    """Give a stream decompressed as a suffix says; as it is where it names no compression."""
    if suffix not in COMPRESSIONS:
        yield raw
        return
    with io.BufferedReader(_Capped(_decompressed(raw, suffix), where, packed, size_limit), 1 << 16) as stream:
        yield stream


def _decompressed(raw: io.BufferedIOBase, compression: str) -> _Readable:
    match compression:
        case ".gz":
            return gzip.GzipFile(fileobj=raw)
        case ".xz":
            return lzma.LZMAFile(cast(io.BufferedReader, raw))
        case ".bz2":
            return bz2.BZ2File(raw)
        case _:
            return _Zstd(raw)


class _Zstd:
    """Read the frames of a .zst file; unlike zstandard's own reader, tell when the last one is cut short."""

    def __init__(self, raw: io.BufferedIOBase) -> None:
        self._raw, self._ahead, self._ready = raw, b"", io.BytesIO()
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def read(self, size: int = -1, /) -> bytes:
        while not (data := self._ready.read(size)):
            packed = self._ahead or self._raw.read(_ZSTD_STEP)
            if not packed:
                if self._frame is not None:
                    raise EOFError("the last frame does not end")
                return b""
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready, self._ahead = io.BytesIO(self._frame.decompress(packed)), b""
            if self._frame.eof:
                self._ahead, self._frame = self._frame.unused_data, None
        return data

    def close(self) -> None:
        self._ready.close()


def open_members(
    path: Path, pattern: str = "*", *, size_limit: int = SIZE_LIMIT
) -> Generator[tuple[str, io.BufferedIOBase]]:
    """Yield the name and the bytes of each regular file of an archive or a folder whose name matches, one by one.

    Nothing is written to disk. Links, devices, folders and what a system left (``__MACOSX``, ``._*``) are passed over.
    A compressed member (.gz .xz .bz2 .zst) comes decompressed. Each stream must be read before the next is asked for.

    Args:
        path: A .zip, .tar, .tar.gz, .tgz, .tar.xz or .tar.bz2 file, or a folder.
        pattern: A name, or a shell pattern that is matched against the whole name and against its last part.
        size_limit: The most bytes that one member may unfold to.

    Raises:
        DataError: No such file, no member that matches, too many members, one that is encrypted or packed by a method
            that is not read, or one that unfolds beyond the caps.
        DamagedFileError: The archive is damaged or cut short.
    """
    found = 0
    with foreign_errors(path):
        for name, packed, opened in _members(path):
            if not _matches(name, pattern):
                continue
            found += 1
            if found > MEMBER_LIMIT:
                raise DataError(f"more than {MEMBER_LIMIT:,} members.", where=path)
            where = label_of(path, name)
            capped = _Capped(opened(where), where, packed, size_limit)
            with (
                io.BufferedReader(capped, 1 << 16) as member,
                _unpacked(member, Path(name).suffix.lower(), where, packed, size_limit) as stream,
            ):
                yield name, stream
    if not found:
        names = [name for name, _, _ in _members(path)]
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise DataError(
            f"no member matches '{pattern}'; there are {shown or 'none'}.",
            where=path,
            next_step=f"Name members after '{MEMBER_MARK}', as in a.zip{MEMBER_MARK}*.tsv.",
        )


def member_names(path: Path) -> list[str]:
    """Return the names of the regular files of an archive or a folder, without what a system left there.

    Raises:
        DataError: No such file.
        DamagedFileError: The archive is damaged or cut short.
    """
    with foreign_errors(path):
        return [name for name, _, _ in _members(path)]


def label_of(path: Path, member: str) -> str:
    """Return how a member is named to people: ``a.zip!b.tsv``, or the path of a file in a folder."""
    return str(path / member) if path.is_dir() else f"{path}{MEMBER_MARK}{member}"


@contextmanager
def seekable(stream: io.BufferedIOBase) -> Iterator[io.BufferedIOBase]:
    """Give a stream that can be read from any place: itself, or a copy of it in a temporary file."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, 1 << 20)
        copy.seek(0)
        yield cast(io.BufferedIOBase, copy)


def _matches(name: str, pattern: str) -> bool:
    last = name.rpartition("/")[2]
    return pattern in (name, last) or fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(last, pattern)


def _members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    """Yield each regular file's name, its packed size, and how it is opened."""
    if path.is_dir():
        found = _folder_members(path)
    else:
        require_file(path)
        found = _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path)
    for member in found:
        parts = member[0].split("/")
        if "__MACOSX" not in parts and not parts[-1].startswith("._") and parts[-1] not in _BALLAST:
            yield member


def _folder_members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file.relative_to(path).as_posix(), file.stat().st_size, partial(_open_file, file)


def _open_file(file: Path, where: str) -> _Readable:
    return file.open("rb")


def _zip_members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = member.external_attr >> 28  # the file type of Unix; 0 where another system made it
            if not member.is_dir() and kind in (0, 0o10):
                yield member.filename, member.compress_size, partial(_open_zipped, archive, member)


def _open_zipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> _Readable:
    if member.flag_bits & 1:
        raise DataError("encrypted.", where=where, next_step="Unpack it with its password, and give what was in it.")
    if member.compress_type not in _ZIP_METHODS:
        method = _OTHER_METHODS.get(member.compress_type, f"number {member.compress_type}")
        raise DataError(
            f"packed by a method that is not read here ({method}).",
            where=where,
            next_step="Unpack it, and give what was in it or pack it again.",
        )
    return archive.open(member)


def _tar_members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    packed = path.stat().st_size
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isreg():
                yield member.name, packed, partial(_open_tarred, archive, member)


def _open_tarred(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> _Readable:
    stream = archive.extractfile(member)
    return stream if stream is not None else io.BytesIO()


class _Capped(io.RawIOBase):
    """Count what a stream unfolds to, and stop it at the caps."""

    def __init__(self, stream: _Readable, where: object, packed: int, size_limit: int) -> None:
        self._stream, self._where, self._packed, self._limit = stream, where, max(packed, 1), size_limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        with foreign_errors(self._where):
            data = self._stream.read(len(view))
        self._count += len(data)
        if self._count > self._limit:
            raise DataError(f"unfolds to more than {self._limit:,} bytes.", where=str(self._where))
        if self._count > _RATIO_FROM and self._count > RATIO_LIMIT * self._packed:
            raise DataError(
                f"unfolds to more than {RATIO_LIMIT} times its {self._packed:,} bytes: a decompression bomb?",
                where=str(self._where),
                next_step="Unpack it yourself if you trust it.",
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
