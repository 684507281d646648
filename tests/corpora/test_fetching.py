from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mling_embed.corpora.fetching import (
    Downloader,
    FileState,
    _locked,
    download_folder,
    examine,
    place_of,
    resolve,
)
from mling_embed.corpora.manifests import SplitFile
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError

BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()
URL = "https://example.org/a/b.tsv"


class Handler(BaseHTTPRequestHandler):
    """Serve BODY in the ways that servers have."""

    protocol_version = "HTTP/1.0"
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        match self.path:
            case "/redirect":
                self.answer(302, b"", Location="/plain")
            case "/elsewhere":
                self.answer(302, b"", Location="ftp://127.0.0.1/x")
            case "/gone":
                self.answer(404, b"")
            case "/long":
                self.answer(200, BODY + b"x")
            case "/wrong":
                self.answer(200, b"x" + BODY[1:])
            case "/no-range":
                self.answer(416 if wanted else 200, b"" if wanted else BODY)
            case "/ignores-range":
                self.answer(200, BODY)
            case "/busy":
                self.answer(503, b"")
            case "/breaks":  # gives a third of what is left, then closes
                self.answer(206 if wanted else 200, BODY[start:], give=(len(BODY) - start) // 3 + 1, start=start)
            case _:
                self.answer(206 if wanted else 200, BODY[start:], start=start)

    def answer(self, status: int, body: bytes, *, give: int | None = None, start: int = 0, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:give])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLING_EMBED_MIRROR", raising=False)
    return tmp_path / "home"


LOCAL = Downloader(schemes=("http",), timeout=5.0)


def take(url: str, target: Path, *, size: int = len(BODY), sha256: str = DIGEST) -> None:
    LOCAL.fetch(url, target, size=size, sha256=sha256)


def split_file(**changes: object) -> SplitFile:
    values = {"url": URL, "bytes": len(BODY), "sha256": DIGEST, "format": "tsv"} | changes
    return SplitFile.model_validate(values)


@pytest.mark.parametrize("way", ["/plain", "/redirect"])
def test_a_file_arrives_whole_and_leaves_no_part(server: str, tmp_path: Path, way: str) -> None:
    seen: list[tuple[str, int, int | None]] = []
    LOCAL.fetch(
        server + way, tmp_path / "x" / "f", size=len(BODY), sha256=DIGEST, progress=lambda *step: seen.append(step)
    )
    assert (tmp_path / "x" / "f").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["f"]
    assert seen[-1][1:] == (len(BODY), len(BODY))


def test_a_part_is_resumed_where_it_ends(server: str, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(BODY[:1000])
    take(server + "/plain", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert Handler.asked == [("/plain", "bytes=1000-")]


def test_a_part_that_is_complete_asks_nothing(server: str, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(BODY)
    take(server + "/plain", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert Handler.asked == []


@pytest.mark.parametrize(("way", "requests"), [("/no-range", 2), ("/ignores-range", 1)])
def test_a_server_that_cannot_resume_sends_all(server: str, tmp_path: Path, way: str, requests: int) -> None:
    (tmp_path / "f.part").write_bytes(b"?" * 1000)
    take(server + way, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert len(Handler.asked) == requests


def test_a_broken_connection_is_taken_up_and_what_came_is_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(MlingEmbedError, match=r"the connection failed.*go on where it stopped"):
        take(server + "/breaks", tmp_path / "f")
    assert len(Handler.asked) == 3
    part = (tmp_path / "f.part").read_bytes()
    assert len(part) > len(BODY) // 2
    assert BODY.startswith(part)
    take(server + "/plain", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_part_longer_than_the_file_is_thrown_away(server: str, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(BODY + b"x")
    take(server + "/plain", tmp_path / "f")
    assert Handler.asked == [("/plain", None)]


@pytest.mark.parametrize(
    ("way", "error", "expected"),
    [
        ("/long", DamagedFileError, r"sends more than the 1,048,576 bytes declared"),
        ("/wrong", DamagedFileError, rf"the server sent SHA-256 [0-9a-f]{{64}}, expected {DIGEST}"),
        ("/gone", MlingEmbedError, "answered HTTP 404"),
        ("/busy", MlingEmbedError, r"the connection failed \(HTTP 503\)"),
        ("/elsewhere", MlingEmbedError, "only http is fetched|unsupported protocol"),
    ],
)
def test_what_is_not_the_file_never_appears(
    server: str, tmp_path: Path, way: str, error: type[MlingEmbedError], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        take(server + way, tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_only_https_is_fetched(server: str, tmp_path: Path) -> None:
    with pytest.raises(MlingEmbedError, match="only https is fetched"):
        Downloader().fetch(server + "/plain", tmp_path / "f", size=len(BODY), sha256=DIGEST)
    assert Handler.asked == []


def test_one_process_fetches_a_file_at_a_time(server: str, tmp_path: Path) -> None:
    with _locked(tmp_path / "f.part"), pytest.raises(MlingEmbedError, match="another process is fetching"):
        take(server + "/plain", tmp_path / "f")


def test_files_stand_at_host_and_path() -> None:
    assert place_of(URL, Path("/m")) == Path("/m/example.org/a/b.tsv")


def test_cache_comes_first_then_the_mirrors_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "m1", tmp_path / "m2"
    monkeypatch.setenv("MLING_EMBED_MIRROR", f"{first}:{second}")
    file = split_file()
    assert examine(file).state is FileState.MISSING
    places = [place_of(URL, root) for root in (second, first, download_folder())]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(BODY)
        assert resolve(file, download=False) == place


def test_a_damaged_copy_is_passed_over_and_told_if_it_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLING_EMBED_MIRROR", str(tmp_path / "m"))
    cached, mirrored = place_of(URL, download_folder()), place_of(URL, tmp_path / "m")
    for place in (cached, mirrored):
        place.parent.mkdir(parents=True)
    cached.write_bytes(b"x" + BODY[1:])
    finding = examine(split_file())
    assert (finding.state, finding.path) == (FileState.DAMAGED, cached)
    with pytest.raises(DamagedFileError, match=f"b.tsv: SHA-256 .*, expected {DIGEST}"):
        resolve(split_file(), download=False)
    cached.write_bytes(BODY[:-1])
    with pytest.raises(DamagedFileError, match="1,048,575 bytes, expected 1,048,576"):
        resolve(split_file(), download=False)
    mirrored.write_bytes(BODY)
    assert resolve(split_file(), download=False) == mirrored


def test_what_is_nowhere_says_how_to_get_it() -> None:
    with pytest.raises(DataError, match=r"neither in the cache nor in a mirror folder\. Run 'mling-embed data fetch'"):
        resolve(split_file(), download=False)


def test_local_files_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv"
    file = split_file(url=None, path=path)
    with pytest.raises(DataError, match=r"f\.tsv: no such file"):
        resolve(file)
    path.write_bytes(BODY)
    assert resolve(file) == path
    path.write_bytes(b"")
    with pytest.raises(DamagedFileError, match="0 bytes, expected"):
        resolve(file)
