"""What can be judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.errors import DataError, UsageError
from mling_embed.evaluation.judged_encoder import INPUTS_AT_ONCE, EmbeddingServer, is_stored, judged_encoder


class _Server(BaseHTTPRequestHandler):
    """Answer as OpenAI's embeddings do, in another order than asked."""

    asked: list[tuple[str, str | None, int]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = body["input"]
        self.asked.append((body["model"], self.headers["Authorization"], len(texts)))
        data = [{"index": place, "embedding": [float(len(text)), 1.0]} for place, text in enumerate(texts)]
        if "refuse" in texts:
            self.send_error(429)
            return
        answer = json.dumps({"data": data[::-1] if "short" not in texts else []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    _Server.asked = []
    with HTTPServer(("127.0.0.1", 0), _Server) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_server(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    address = f"http://127.0.0.1:{server.server_port}/v1"
    encoder = judged_encoder(f"{address}#small")
    rows = encoder.encode(["a" * n for n in range(1, INPUTS_AT_ONCE + 11)])
    assert rows[:, 0].tolist() == list(range(1, INPUTS_AT_ONCE + 11))
    assert _Server.asked[-2:] == [("small", "Bearer secret", INPUTS_AT_ONCE), ("small", "Bearer secret", 10)]
    with pytest.raises(DataError, match="the server answered 429"):
        encoder.encode(["refuse"])
    with pytest.raises(DataError, match="0 vectors for 1 texts"):
        encoder.encode(["short"])
    with pytest.raises(UsageError, match="names no model"):
        judged_encoder(address)
    with pytest.raises(DataError, match="cannot be reached"):
        EmbeddingServer("http://127.0.0.1:9/v1#m").encode(["a"])


def test_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_encoder.py").write_text(
        "def lengths(texts):\n    return [[len(text), 1.0] for text in texts]\nx = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    np.testing.assert_array_equal(judged_encoder("my_encoder:lengths").encode(["abc"]), [[3.0, 1.0]])
    for name in ("my_encoder:missing", "no_such_module:f"):
        with pytest.raises(UsageError, match="cannot be imported"):
            judged_encoder(name)
    with pytest.raises(UsageError, match="'my_encoder:x' is no function"):
        judged_encoder("my_encoder:x")


def test_what_is_stored(tmp_path: Path) -> None:
    assert [is_stored(model) for model in (tmp_path, str(tmp_path), "org/name", "a:b", "http://x/v1#m", object())] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
