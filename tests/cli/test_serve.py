"""The verb `serve`: a process that is started, asked and stopped as its users do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mling_embed.cli import main
from mling_embed.encoders.loading import load
from mling_embed.indexing.index import Index


@pytest.fixture(scope="module")
def served_index(tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "index"
    with Index.create(folder, model=tiny_teacher) as index:
        index.add(["Where is the station?", "The house is red."], ["a", "b"], "en")
    return folder


@contextmanager
def serving(*options: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a free port; give its process and address, once it answers."""
    command = [sys.executable, "-m", "mling_embed", "serve", *map(str, options), "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        address = ""
        while not address:
            line = process.stderr.readline()
            assert line, "it ended"
            found = re.search(r"Search page: (http://\S+)/", line)
            address = found.group(1) if found else ""
        transport = httpx.HTTPTransport(retries=100)
        with httpx.Client(transport=transport, timeout=60) as client:
            assert client.get(f"{address}/healthz").json() == {"status": "ok"}
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def search(address: str, query: str, **options: Any) -> Any:
    return httpx.post(f"{address}/v1/search", json={"query": query, **options}, timeout=60).json()["data"]


def test_a_signal_stops_it_after_what_it_accepted(tiny_teacher: Path) -> None:
    texts = [f"station {number} " * 20 for number in range(600)]
    with serving("--vectors-only", "--model", tiny_teacher) as (process, address), ThreadPoolExecutor() as pool:
        ask = lambda part: httpx.post(f"{address}/v1/embeddings", json={"input": part}, timeout=60)  # noqa: E731
        waiting = [pool.submit(ask, texts[start : start + 200]) for start in range(0, 600, 200)]
        while "te_queue_size 3.0" not in httpx.get(f"{address}/metrics").text:
            assert not all(each.done() for each in waiting), "it was too fast to be stopped in the middle"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        found = np.concatenate([[one["embedding"] for one in each.result().json()["data"]] for each in waiting])
    np.testing.assert_allclose(found, load(tiny_teacher).encode(texts), atol=1e-6)


@pytest.mark.slow
def test_workers_share_one_index(served_index: Path) -> None:
    with serving(served_index, "--workers", "2") as (process, address):
        body = {"documents": [{"id": "c", "text": "The bridge is old."}]}
        assert httpx.post(f"{address}/v1/documents", json=body, timeout=60).json()["added"] == 1
        for _ in range(20):  # connections of their own: both workers get some
            assert search(address, "The bridge is old.", k=1)[0]["id"] == "c"
        assert 'te_request_count{method="search"} 20.0' in httpx.get(f"{address}/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with Index.open(served_index) as index:
        index.delete(["c"])


@pytest.mark.slow
def test_workers_that_are_stopped_let_nobody_wait_for_them(tiny_teacher: Path) -> None:
    with serving("--vectors-only", "--model", tiny_teacher, "--workers", "2") as (process, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as at_work:
            head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            at_work.sendall(f"{head}Content-Length: 14\r\n\r\n".encode())
            time.sleep(0.5)  # until a worker has read it
            process.send_signal(signal.SIGTERM)
            waited = 0.0
            with suppress(ConnectionRefusedError):
                while waited < 20:
                    socket.create_connection((host, int(port)), timeout=5).close()
                    time.sleep(0.1)
                    waited += 0.1
            assert waited < 20, "they still let others connect"
            at_work.sendall(b'{"input": "a"}')
            assert at_work.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        assert process.wait(60) == 0


def test_assistants_speak_to_it_on_standard_input(served_index: Path) -> None:
    questions = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "fetch", "arguments": {"id": "b"}}},
    ]
    command = [sys.executable, "-m", "mling_embed", "serve", str(served_index), "--mcp", "--stdio"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    for question in questions:
        process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.communicate()
    assert answers[1]["result"]["structuredContent"]["text"] == "The house is red."
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--vectors-only"], "--vectors-only takes --model"),
        (["--model", "x"], "a model, and no index"),
        (["x", "--stdio"], "--stdio is a way of --mcp"),
        (["x", "--host", "0.0.0.0"], "others can reach 0.0.0.0, and there is no API key"),
        (["x", "--workers", "0"], "0 workers"),
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    assert says in capsys.readouterr().err


def test_what_is_not_there_or_taken_is_told(
    tmp_path: Path, served_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(tmp_path / "none"), "--port", "0"]) == 3
    assert "is not an index" in capsys.readouterr().err
    from mling_embed.serving.server import listen

    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", str(served_index), "--port", port]) == 2
    assert "cannot listen there" in capsys.readouterr().err
