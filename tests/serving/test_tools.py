"""The tools of assistants, asked by the official SDK's client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from starlette.testclient import TestClient

from mling_embed.errors import UsageError
from mling_embed.serving.service import Service
from mling_embed.serving.settings import Settings
from mling_embed.serving.tools import tools_server


def ask(index: Path, *calls: tuple[str, dict[str, Any]]) -> tuple[Any, list[Any]]:
    """Return the tools of an index, and the answers to calls of them."""

    async def session(service: Service) -> tuple[Any, list[Any]]:
        async with Client(tools_server(service)) as client:
            return await client.list_tools(), [await client.call_tool(name, values) for name, values in calls]

    service = Service(Settings(index=index))
    try:
        return asyncio.run(session(service))
    finally:
        service.close()


def test_an_assistant_finds_and_fetches(filled_index: Path) -> None:
    tools, (found, fetched) = ask(
        filled_index,
        ("search", {"query": "Where is the station?", "k": 2, "languages": ["en"]}),
        ("fetch", {"id": "ar-0"}),
    )
    assert [tool.name for tool in tools.tools] == ["search", "fetch"]
    assert all(tool.annotations.read_only_hint for tool in tools.tools)
    results = found.structured_content["results"]
    assert [(hit["id"], hit["text"], hit["language"]) for hit in results] == [
        ("en-0", "Where is the station?", "en"),
        ("en-1", "The house is red.", "en"),
    ]
    assert found.structured_content["query_cut_off"] is False
    assert fetched.structured_content == {
        "id": "ar-0",
        "title": "أين المحطة؟",
        "text": "أين المحطة؟",
        "language": "ar",
        "url": "mling-embed:ar-0",
        "metadata": {"group": "g0"},
    }


def test_what_cannot_be_found_is_an_error_of_the_tool(filled_index: Path) -> None:
    _, answers = ask(filled_index, ("fetch", {"id": "none"}), ("search", {"query": " "}))
    assert [answer.is_error for answer in answers] == [True, True]
    assert "no id 'none' in the index" in answers[0].content[0].text


def test_tools_are_reached_over_http_behind_the_key(client_of: Callable[..., TestClient], filled_index: Path) -> None:
    client = client_of(index=filled_index, mcp=True, api_key="key")
    headers = {"Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": "fetch", "arguments": {"id": "en-1"}}
    assert client.post("/mcp", json=body, headers=headers).status_code == 401
    answer = client.post("/mcp", json=body, headers={**headers, "Authorization": "Bearer key"})
    assert answer.json()["result"]["structuredContent"]["text"] == "The house is red."


def test_tools_need_an_index(tiny_teacher: Path) -> None:
    service = Service(Settings(model=str(tiny_teacher)))
    with pytest.raises(UsageError, match="there is none"):
        tools_server(service)
    service.close()
