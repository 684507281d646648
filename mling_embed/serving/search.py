"""``/v1/search`` and ``/v1/documents``: ask the index, and change it."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import PromptRole
from mling_embed.errors import DataError
from mling_embed.indexing.index import Index
from mling_embed.indexing.results import Added, Hit
from mling_embed.indexing.searching.search import Balance
from mling_embed.indexing.storage.rows import Entry
from mling_embed.languages import UNKNOWN_LANGUAGE, language_code, script_of
from mling_embed.serving.grouping import grouped
from mling_embed.serving.refusals import Refusal
from mling_embed.serving.request_bodies import (
    MOST_DOCUMENTS,
    Document,
    DocumentsRequest,
    Name,
    SearchRequest,
    require_text,
    require_unicode,
)
from mling_embed.serving.service import Service

RIGHT_TO_LEFT_SCRIPTS = frozenset({"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"})
Names = Annotated[list[Name], Query(max_length=MOST_DOCUMENTS)]


def search_router(service: Service) -> APIRouter:
    """Return the routes that ask the index."""
    router = APIRouter(tags=["search"])

    @router.post("/v1/search")
    async def search(request: SearchRequest) -> dict[str, Any]:
        """Find the texts that mean what a query means, in any language."""
        return await answer(service, request)

    @router.get("/v1/documents/{id:path}")
    async def fetch(id: Name) -> dict[str, Any]:
        """Return a text by its id."""
        return entry_as_json(await run_sync(entry_of, service, id))

    return router


def changes_router(service: Service) -> APIRouter:
    """Return the routes that change the index."""
    router = APIRouter(tags=["documents"])

    @router.post("/v1/documents")
    async def add(request: DocumentsRequest) -> dict[str, Any]:
        """Put texts in; when this is answered they are on disk, and found."""
        require_changes(service)
        report = await add_documents(service, request.documents, replace=request.upsert)
        return {
            "object": "added",
            "added": report.added,
            "replaced": report.replaced,
            "unchanged": report.unchanged,
            "truncated": list(report.cut_off),
        }

    @router.delete("/v1/documents/{id:path}")
    async def delete(id: Name) -> dict[str, Any]:
        """Take a text out."""
        return await _deleted(service, [id], [])

    @router.delete("/v1/documents")
    async def delete_several(id: Names = [], document: Names = []) -> dict[str, Any]:  # noqa: B006
        """Take out several texts by their ids, or all those of documents; all must be there."""
        if not id and not document:
            raise Refusal(400, "neither an id nor a document is named.", code="invalid_value", param="id")
        return await _deleted(service, id, document)

    return router


async def answer(service: Service, request: SearchRequest) -> dict[str, Any]:
    """Return the answer to a query, as JSON values."""
    index = service.searched()
    require_text(request.query, service.settings.limits, param="query")
    filters = [*(request.languages or []), *(request.where or {}), request.query_language or ""]
    require_unicode([*filters, repr(request.where)], param="languages or where")
    encoded = await service.encode([request.query], role=PromptRole.QUERY, param="query")
    found = await run_sync(_hits, service, index, request, encoded.vectors)
    return {
        "object": "list",
        "query": request.query,
        "tokens": int(encoded.tokens[0]),
        "truncated": encoded.cut_off[0],
        "grouped": request.group,
        "data": [[hit_as_json(hit) for hit in group] if request.group else hit_as_json(group[0]) for group in found],
    }


def _hits(
    service: Service, index: Index, request: SearchRequest, vectors: Float32[ndarray, "1 dim"]
) -> list[list[Hit]]:
    def search(k: int) -> list[Hit]:
        return index.search_vectors(
            vectors,
            k,
            request.languages,
            request.where,
            balance=Balance.LANGUAGE if request.balance else None,
            hybrid=request.hybrid,
            query_language=request.query_language,
            texts=[request.query],
        )[0]

    if request.group:
        return grouped(search, request.k, field=service.settings.group)
    return [[hit] for hit in search(request.k)]


async def add_documents(service: Service, documents: list[Document], *, replace: bool) -> Added:
    """Put documents in, encoded in turn with what others ask for."""
    index = service.searched()
    limits = service.settings.limits
    for place, document in enumerate(documents):
        require_text(document.text, limits, param=f"documents[{place}].text")
        require_unicode([document.id, repr(document.metadata)], param=f"documents[{place}]")
    entries = [
        Entry(
            document.id,
            document.text,
            UNKNOWN_LANGUAGE if document.language is None else language_code(document.language),
            metadata=document.metadata,
        )
        for document in documents
    ]
    encoded = await service.encode([entry.text for entry in entries], role=PromptRole.PASSAGE, param="documents")
    report = await run_sync(lambda: index.add_entries(entries, replace=replace, vectors=encoded.vectors))
    cut_off = tuple(entry.id for entry, cut in zip(entries, encoded.cut_off, strict=True) if cut)
    return report + Added(cut_off=cut_off)


def require_changes(service: Service) -> None:
    """Refuse to change an index that may not be changed here.

    Raises:
        Refusal: So it is.
    """
    service.searched()
    if service.settings.read_only:
        raise Refusal(403, "this server only reads its index.", code="read_only")
    if service.is_student:
        raise Refusal(
            403,
            "this server asks with a student of the index's model, whose vectors of texts are not quite the same.",
            code="student",
            next_step="Add with the index's own model: start a server without --model.",
        )


async def _deleted(service: Service, ids: list[str], documents: list[str]) -> dict[str, Any]:
    require_changes(service)
    require_unicode([*ids, *documents], param="id")
    try:
        n = await run_sync(lambda: service.searched().delete(ids, documents=documents))
    except DataError as error:
        raise Refusal(404, error.what, code="not_found", param="id") from None
    return {"object": "deleted", "deleted": n}


def entry_of(service: Service, id: str) -> Entry:
    """Return the entry of an id.

    Raises:
        Refusal: It is not in the index.
    """
    require_unicode([id], param="id")
    try:
        return service.searched().get([id])[0]
    except DataError as error:
        raise Refusal(404, error.what, code="not_found", param="id") from None


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON values."""
    return {
        "id": entry.id,
        "text": entry.text,
        "language": entry.language,
        "direction": direction_of(entry.language),
        "document": entry.document,
        "start": entry.start,
        "end": entry.end,
        "metadata": dict(entry.metadata),
    }


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """Return a hit as JSON values."""
    values = {"direction": direction_of(hit.language), **hit.as_json()}
    del values["query"]
    values["score"] = float(np.round(hit.score, 6))
    return values


def direction_of(language: str) -> str:
    """Return in which direction a language is written, as HTML has it: ``ltr``, ``rtl``, or ``auto`` if unknown."""
    if language == UNKNOWN_LANGUAGE:
        return "auto"
    return "rtl" if script_of(language) in RIGHT_TO_LEFT_SCRIPTS else "ltr"
