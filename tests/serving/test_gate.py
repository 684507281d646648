"""Who may enter, with how much, and what each who may not is told."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_server import running
from starlette.testclient import TestClient

from mling_embed.errors import UsageError
from mling_embed.serving.connections import PunctualProtocol
from mling_embed.serving.page import page
from mling_embed.serving.settings import Limits, Settings

KEY = "correct-horse"
BODY = {"input": "a"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_only_the_key_opens(client_of: Callable[..., TestClient], tiny_teacher: Path) -> None:
    client = client_of(model=str(tiny_teacher), api_key=KEY)

    def post(authorization: str | None) -> Any:
        headers = {} if authorization is None else {"Authorization": authorization.encode()}
        return client.post("/v1/embeddings", json=BODY, headers=headers)

    for wrong in (None, "", "Bearer", "Bearer ", f"Basic {KEY}", "Bearer wrong", f"Bearer {KEY}x", "Bearer schlüssel"):
        answer = post(wrong)
        assert code(answer) == (401, "invalid_api_key")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert post(f"Bearer {KEY}").status_code == 200
    assert [client.get(path).status_code for path in ("/", "/healthz")] == [200, 200]
    closed = ("/info", "/metrics", "/openapi.json", "/v1/models", "/none", "/healthz/")
    assert [client.get(path).status_code for path in closed] == [401] * len(closed)


def test_an_address_that_others_reach_needs_a_key() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(UsageError, match="there is no API key"):
            Settings(model="x", host=host)
        assert Settings(model="x", host=host, api_key=KEY).host == host
    for key in ("", " ", "ключ"):
        with pytest.raises(UsageError, match="ASCII and not empty"):
            Settings(model="x", host="0.0.0.0", api_key=key)
    assert KEY not in repr(Settings(model="x", api_key=KEY))


def test_pages_of_others_and_other_names_of_this_machine_are_refused(client: TestClient) -> None:
    def post(**headers: str) -> Any:
        return client.post("/v1/embeddings", json=BODY, headers=headers)

    assert code(post(Host="evil.example")) == (403, "wrong_host")
    assert code(post(Host="[::1")) == (403, "wrong_host")
    assert code(post(Origin="https://evil.example")) == (403, "wrong_origin")
    assert code(post(Origin="null")) == (403, "wrong_origin")
    assert post(Host="localhost:8000", Origin="http://localhost:8000").status_code == 200
    as_text = client.post("/v1/embeddings", content=b'{"input": "a"}', headers={"Content-Type": "text/plain"})
    assert as_text.status_code == 422  # what a browser sends unasked to another origin is not read


def test_a_body_that_is_too_large_is_not_read(client_of: Callable[..., TestClient], tiny_teacher: Path) -> None:
    client = client_of(model=str(tiny_teacher), limits=Limits(body_bytes=1_000))
    sent: list[int] = []

    def parts() -> Iterator[bytes]:
        for number in range(100):
            sent.append(number)
            yield b" " * 100

    headers = {"Content-Type": "application/json"}
    assert code(client.post("/v1/embeddings", content=b" " * 1_001, headers=headers)) == (413, "body_too_large")
    assert code(client.post("/v1/embeddings", content=parts(), headers=headers)) == (413, "body_too_large")
    for length in ("-1", "x", "9" * 30):
        answer = client.post("/v1/embeddings", content=b"{}", headers={**headers, "Content-Length": length})
        assert code(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/%2e%2e/page.html", "/page.html", "/v1/models/../../x", "/static/a"]
)
def test_a_path_leads_to_no_file(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert code(answer)[0] == 404


def test_every_answer_has_headers_that_bind_a_browser(client: TestClient) -> None:
    for path in ("/", "/info", "/none"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    text, policy = page()
    assert client.get("/").headers["Content-Security-Policy"] == policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_no_text_of_a_request_is_logged(
    client_of: Callable[..., TestClient], own_index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mling_embed")
    client = client_of(index=own_index)
    client.post("/v1/search", json={"query": "secret words"})
    client.post("/v1/embeddings", json={"input": ["secret words", ""]})
    client.post("/v1/documents", json={"documents": [{"id": "secret", "text": "secret words"}]})
    client.post("/v1/documents", json={"documents": [{"id": "secret", "text": "other secret words"}]})
    client.delete("/v1/documents/secret")
    client.service.encoder.encode = None  # type: ignore[attr-defined]
    assert code(client.post("/v1/search", json={"query": "secret words"})) == (500, "internal_error")
    assert "POST search 200" in caplog.text
    assert "TypeError" in caplog.text
    assert "secret" not in caplog.text


@pytest.fixture
def address(tiny_teacher: Path) -> Iterator[tuple[str, int]]:
    """Run a real server with short patience."""
    patient = PunctualProtocol.seconds
    PunctualProtocol.seconds = 0.4
    with running(model=str(tiny_teacher), limits=Limits(body_seconds=0.4)) as where:
        yield where
    PunctualProtocol.seconds = patient


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_does_not_come_ends_the_connection(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        assert until_closed(connection) == b""


def drip(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


def test_a_head_that_drips_ends_the_connection_and_a_second_one_too(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /")
        with pytest.raises(OSError, match=r"reset|Broken pipe|aborted"):
            drip(connection)


def test_a_body_that_does_not_come_is_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 20\r\n\r\n{")
        assert b"408 " in connection.recv(65_536).split(b"\r\n")[0]
    assert httpx.get(f"http://{address[0]}:{address[1]}/healthz").json() == {"status": "ok"}
