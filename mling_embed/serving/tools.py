"""Tools of assistants, by the Model Context Protocol: ``search`` and ``fetch``, which read and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from anyio.to_thread import run_sync
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field, ValidationError

from mling_embed import __version__
from mling_embed.errors import MlingEmbedError, UsageError
from mling_embed.serving.request_bodies import MOST_HITS, SearchRequest
from mling_embed.serving.search import answer, entry_of
from mling_embed.serving.service import Service

_TITLE_CHARACTERS = 80


class FoundText(BaseModel):
    """One text that was found."""

    id: str
    title: str
    text: str
    language: str
    score: float
    url: str


class Found(BaseModel):
    """What a search found, best first; and whether the end of the query was cut off."""

    results: list[FoundText]
    query_cut_off: bool


class FetchedText(BaseModel):
    """A text of the index."""

    id: str
    title: str
    text: str
    language: str
    url: str
    metadata: dict[str, Any]


def tools_server(service: Service) -> MCPServer:
    """Return a server of the tools of an index.

    Args:
        service: With an index.

    Raises:
        UsageError: It has none.
    """
    if service.index is None:
        raise UsageError("tools search an index, and there is none.", next_step="Give an index to serve.")
    server = MCPServer(
        "mling-embed",
        version=__version__,
        instructions="Search texts of many languages by their meaning. Ask in any language; fetch a text by its id.",
        log_level="WARNING",
    )
    reading = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

    @server.tool(annotations=reading)
    async def search(
        query: Annotated[str, Field(description="What is looked for, in any language.")],
        k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many texts are wanted.")] = 10,
        languages: Annotated[list[str] | None, Field(description="Codes of languages to find texts in.")] = None,
    ) -> Found:
        """Find texts that mean what the query means, whatever language they are in."""
        with _told():
            found = await answer(service, SearchRequest(query=query, k=k, languages=languages))
        results = [
            FoundText(
                id=hit["id"],
                title=_title(hit["text"]),
                text=hit["text"],
                language=hit["language"],
                score=hit["score"],
                url=_address(hit["id"]),
            )
            for hit in found["data"]
        ]
        return Found(results=results, query_cut_off=found["truncated"])

    @server.tool(annotations=reading)
    async def fetch(id: Annotated[str, Field(description="The id of a text that was found.")]) -> FetchedText:
        """Return a text of the index, whole, by its id."""
        with _told():
            entry = await run_sync(entry_of, service, id)
        return FetchedText(
            id=entry.id,
            title=_title(entry.text),
            text=entry.text,
            language=entry.language,
            url=_address(entry.id),
            metadata={**entry.metadata, "document": entry.document} if entry.document else dict(entry.metadata),
        )

    return server


@contextmanager
def _told() -> Iterator[None]:
    """Tell an assistant what was wrong with its question."""
    try:
        yield
    except MlingEmbedError as error:
        raise ToolError(str(error)) from None
    except ValidationError as error:
        raise ToolError("; ".join(problem["msg"] for problem in error.errors(include_input=False))) from None


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1]}…"


def _address(id: str) -> str:
    return f"mling-embed:{id}"
