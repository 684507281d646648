"""A server of the tiny teacher and an index in five languages, asked in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from starlette.testclient import TestClient

from mling_embed.indexing.index import Index
from mling_embed.serving.application import create_app
from mling_embed.serving.service import Service
from mling_embed.serving.settings import Settings

TEXTS = {
    "de": ["Wo ist der Bahnhof?", "Das Haus ist rot."],
    "en": ["Where is the station?", "The house is red."],
    "ar": ["أين المحطة؟", "البيت أحمر."],
    "zh": ["车站在哪里？", "房子是红色的。"],
    "hi": ["स्टेशन कहाँ है?", "घर लाल है।"],
}


@pytest.fixture(scope="session")
def filled_index(tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an index that no test changes."""
    return fill(tmp_path_factory.mktemp("serving") / "index", tiny_teacher)


@pytest.fixture
def own_index(tiny_teacher: Path, tmp_path: Path) -> Path:
    """Make an index that one test may change."""
    return fill(tmp_path / "index", tiny_teacher)


def fill(folder: Path, model: Path) -> Path:
    with Index.create(folder, model=model) as index:
        for language, texts in TEXTS.items():
            ids = [f"{language}-{place}" for place in range(len(texts))]
            index.add(texts, ids, language, [{"group": f"g{place}"} for place in range(len(texts))])
    return folder


@pytest.fixture
def client_of() -> Iterator[Callable[..., TestClient]]:
    """Return a maker of clients of a server with certain settings, all closed at the end."""
    opened: list[TestClient] = []

    def make(*, encoder: Any = None, **settings: Any) -> TestClient:
        service = Service(Settings(**settings), encoder=encoder)
        client = TestClient(create_app(service), base_url="http://127.0.0.1", raise_server_exceptions=False)
        client.service = service  # type: ignore[attr-defined]
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_of: Callable[..., TestClient], filled_index: Path) -> TestClient:
    return client_of(index=filled_index, model_name="tiny", read_only=True)
