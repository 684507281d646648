"""Files of manifests, found or fetched, and checked before use: cache, then mirrors, then the network."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import filelock

from mling_embed.corpora.manifests import SplitFile
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError
from mling_embed.files import MIRROR_VARIABLE, cache_root, mirror_folders, room_on_disk, sha256_of, sync_folder
from mling_embed.progress import Progress, silent

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)


class FileState(StrEnum):
    """Name what became of a file."""

    OK = "ok"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what a look at the disk found of a file.

    Attributes:
        state: Whether a whole copy is there, no copy, or damaged copies alone.
        path: The whole copy, or the first damaged one.
        reason: What is wrong with it, empty if nothing.
    """

    state: FileState
    path: Path | None = None
    reason: str = ""


def place_of(url: str, root: Path) -> Path:
    """Return where a URL's file stands below a cache or mirror folder: ``<host>/<path>``."""
    parts = urlsplit(url)
    return root.joinpath(parts.hostname or "", *parts.path.split("/")[1:])


def download_folder() -> Path:
    """Return the folder that downloads are kept in."""
    return cache_root() / "downloads"


def fault_of(path: Path, *, size: int | None, sha256: str | None) -> str:
    """Return what is wrong with a file's size or hash, or an empty string."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} bytes, expected {size:,}."
    if sha256 is not None and (digest := sha256_of(path)) != sha256:
        return f"SHA-256 {digest}, expected {sha256}."
    return ""


def examine(file: SplitFile) -> Finding:
    """Look for a file in the cache and the mirrors, or at its path, and check what is there. Fetches nothing."""
    if file.path is not None:
        places = [file.path]
    else:
        places = [place_of(file.url or "", root) for root in (download_folder(), *mirror_folders())]
    damaged = Finding(FileState.MISSING)
    for path in places:
        if not path.is_file():
            continue
        reason = fault_of(path, size=file.bytes, sha256=file.sha256)
        if not reason:
            return Finding(FileState.OK, path)
        logger.warning("%s is damaged: %s", path, reason)
        if damaged.state is FileState.MISSING:
            damaged = Finding(FileState.DAMAGED, path, reason)
    return damaged


def resolve(file: SplitFile, *, download: bool = True, progress: Progress = silent) -> Path:
    """Return the path of a whole copy of a file: from the cache, a mirror folder, or the network.

    Args:
        file: The file, as a manifest describes it.
        download: Whether the network may be used.
        progress: Told the bytes as they arrive.

    Raises:
        DataError: There is no copy, and none may be fetched.
        DamagedFileError: The copies that there are, or what the server sends, are not the file.
        MlingEmbedError: The server cannot be reached or does not have the file.
    """
    finding = examine(file)
    if finding.state is FileState.OK and finding.path is not None:
        return finding.path
    if file.url is not None and download:
        target = place_of(file.url, download_folder())
        Downloader().fetch(file.url, target, size=file.bytes or 0, sha256=file.sha256 or "", progress=progress)
        return target
    if finding.state is FileState.DAMAGED:
        raise DamagedFileError(finding.reason, where=finding.path, next_step="Delete it and fetch it again.")
    if file.path is not None:
        raise DataError("no such file.", where=file.path)
    raise DataError(
        "neither in the cache nor in a mirror folder.",
        where=file.url,
        next_step=f"Run 'mling-embed data fetch', or name a folder that holds it in ${MIRROR_VARIABLE}.",
    )


class _BrokenOffError(Exception):
    """Say that a connection ended early; what came is kept."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Fetch files whole: resumed, capped at their declared size, checked, then renamed into place.

    Attributes:
        schemes: What URLs may begin with, redirects included. Only tests against a local server change it.
        attempts: How often a connection that breaks off is taken up again.
        timeout: Seconds without an answer after which a connection counts as broken.
    """

    schemes: tuple[str, ...] = ("https",)
    attempts: int = 3
    timeout: float = 30.0

    def fetch(self, url: str, target: Path, *, size: int, sha256: str, progress: Progress = silent) -> None:
        """Fetch a URL's `size` bytes into `target`, through ``<target>.part`` which a later call resumes.

        Raises:
            DamagedFileError: The server sent other bytes, or more of them, than declared.
            MlingEmbedError: The server cannot be reached, does not have the file, or breaks off again and again.
        """
        import httpx

        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with _locked(part) as file, self._client() as client:
            if os.fstat(file.fileno()).st_size > size:
                file.truncate(0)
            for attempt in range(1, self.attempts + 1):
                try:
                    self._receive(client, url, file, size=size, progress=progress)
                    break
                except (httpx.TransportError, _BrokenOffError) as error:
                    logger.info("%s: attempt %d: %s", url, attempt, error)
                    if attempt == self.attempts:
                        raise MlingEmbedError(
                            f"the connection failed ({str(error) or type(error).__name__}).",
                            where=url,
                            next_step="Run the same again to go on where it stopped, or name a folder that holds "
                            f"the file in ${MIRROR_VARIABLE}.",
                        ) from error
            os.fsync(file.fileno())
            if reason := fault_of(part, size=size, sha256=sha256):
                part.unlink()
                raise DamagedFileError(
                    f"the server sent {reason}", where=url, next_step="The file changed: its manifest needs an update."
                )
            part.replace(target)
            sync_folder(target.parent)

    def _client(self) -> httpx.Client:
        import httpx

        def check(request: httpx.Request) -> None:
            if request.url.scheme not in self.schemes:
                raise MlingEmbedError(f"only {' or '.join(self.schemes)} is fetched.", where=str(request.url))

        return httpx.Client(
            follow_redirects=True,
            timeout=self.timeout,
            event_hooks={"request": [check]},
            headers={"Accept-Encoding": "identity"},
        )

    def _receive(self, client: httpx.Client, url: str, file: IO[bytes], *, size: int, progress: Progress) -> None:
        done = os.fstat(file.fileno()).st_size
        if done == size and size:
            return
        with client.stream("GET", url, headers={"Range": f"bytes={done}-"} if done else {}) as answer:
            whole = answer.status_code == 200
            resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            if not (whole or resumed):
                if done:  # the server cannot resume this: begin anew
                    file.truncate(0)
                    raise _BrokenOffError(f"HTTP {answer.status_code} for the rest of the file")
                if answer.status_code in (429, 500, 502, 503, 504):
                    raise _BrokenOffError(f"HTTP {answer.status_code}")
                raise MlingEmbedError(f"the server answered HTTP {answer.status_code}.", where=url)
            if whole:
                file.truncate(0)
                done = 0
            for chunk in answer.iter_raw():
                done += len(chunk)
                if done > size:
                    file.truncate(0)
                    raise DamagedFileError(f"the server sends more than the {size:,} bytes declared.", where=url)
                file.write(chunk)
                progress(f"fetching {urlsplit(url).path.rpartition('/')[2]}", done, size)
            file.flush()
        if done < size:
            raise _BrokenOffError(f"{done:,} of {size:,} bytes")


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    # Beside the file it would stay there for ever: a lock that is removed may be held twice.
    name = hashlib.sha256(str(part.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    place = cache_root() / "locks" / f"{name}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(place)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise MlingEmbedError(
            "another process is fetching this file.", where=part, next_step="Try again later."
        ) from None
    try:
        with room_on_disk(part), part.open("ab", buffering=0) as file:
            yield file
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        lock.release()
