"""Files opened as plain bytes: compressed ones, and the members of archives, within caps on what they unfold to."""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import zstandard

from mling_embed.errors import DamagedFileError, DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
else:
    WriteableBuffer = object

COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
SIZE_LIMIT = 64 << 30
RATIO_LIMIT = 500  # text reaches 20; a bomb of zeros starts at 1,000
MEMBER_LIMIT = 10_000
_RATIO_FROM = 16 << 20  # bytes below which the ratio does not matter
_ZSTD_STEP = 2 << 10  # bytes unpacked at once: a bomb makes 64 MiB of them at most


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


def is_archive(path: Path) -> bool:
    """Tell whether a file's name is that of an archive with members."""
    return path.name.lower().endswith(ARCHIVES)


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
        compression = path.suffix.lower()
        if compression not in COMPRESSIONS:
            yield raw
            return
        packed = path.stat().st_size
        with io.BufferedReader(_Capped(_decompressed(raw, compression), path, packed, size_limit), 1 << 16) as stream:
            yield stream


def _decompressed(raw: io.BufferedReader, compression: str) -> _Readable:
    match compression:
        case ".gz":
            return gzip.GzipFile(fileobj=raw)
        case ".xz":
            return lzma.LZMAFile(raw)
        case ".bz2":
            return bz2.BZ2File(raw)
        case _:
            return _Zstd(raw)


class _Zstd:
    """Read the frames of a .zst file; unlike zstandard's own reader, tell when the last one is cut short."""

    def __init__(self, raw: io.BufferedReader) -> None:
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
) -> Iterator[tuple[str, io.BufferedIOBase]]:
    """Yield the name and the bytes of each regular file of an archive whose name matches, one by one.

    Nothing is written to disk. Links, devices and folders are passed over. Each stream must be read before
    the next is asked for.

    Args:
        path: A .zip, .tar, .tar.gz, .tgz, .tar.xz or .tar.bz2 file.
        pattern: A shell pattern that is matched against the whole name and against its last part.
        size_limit: The most bytes that one member may unfold to.

    Raises:
        DataError: No such file, no member that matches, too many members, or one unfolds beyond the caps.
        DamagedFileError: The archive is damaged or cut short.
    """
    require_file(path)
    found = 0
    with _damage_named(path):
        for name, packed, stream in _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path):
            if not (fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(name.rpartition("/")[2], pattern)):
                continue
            found += 1
            if found > MEMBER_LIMIT:
                raise DataError(f"more than {MEMBER_LIMIT:,} members.", where=path)
            capped = _Capped(stream(), f"{path}!{name}", packed, size_limit)
            with io.BufferedReader(capped, 1 << 16) as member:
                yield name, member
    if not found:
        raise DataError(
            f"no member matches '{pattern}'.", where=path, next_step="Name members after '!', as in a.zip!*.tsv."
        )


class _Open:
    """Open a member when asked, not when listed."""

    def __init__(self, archive: zipfile.ZipFile | tarfile.TarFile, member: zipfile.ZipInfo | tarfile.TarInfo) -> None:
        self._archive, self._member = archive, member

    def __call__(self) -> _Readable:
        if isinstance(self._archive, zipfile.ZipFile):
            return self._archive.open(cast(zipfile.ZipInfo, self._member))
        stream = self._archive.extractfile(cast(tarfile.TarInfo, self._member))
        return stream if stream is not None else io.BytesIO()


def _zip_members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = member.external_attr >> 28  # the file type of Unix; 0 where another system made it
            if not member.is_dir() and kind in (0, 0o10):
                yield member.filename, member.compress_size, _Open(archive, member)


def _tar_members(path: Path) -> Iterator[tuple[str, int, _Open]]:
    packed = path.stat().st_size
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isreg():
                yield member.name, packed, _Open(archive, member)


@contextmanager
def _damage_named(where: object) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        lzma.LZMAError,
        zlib.error,
        zstandard.ZstdError,
        EOFError,
        gzip.BadGzipFile,
    ) as error:
        raise DamagedFileError(
            f"damaged or cut short ({error}).", where=str(where), next_step="Fetch it again."
        ) from error


class _Capped(io.RawIOBase):
    """Count what a stream unfolds to, and stop it at the caps."""

    def __init__(self, stream: _Readable, where: object, packed: int, size_limit: int) -> None:
        self._stream, self._where, self._packed, self._limit = stream, where, max(packed, 1), size_limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        with _damage_named(self._where):
            try:
                data = self._stream.read(len(view))
            except OSError as error:  # bz2 says so of damaged data
                what = f"cannot be read ({error})."
                raise DamagedFileError(what, where=str(self._where), next_step="Fetch it again.") from error
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
