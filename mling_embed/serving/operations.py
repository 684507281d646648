"""What those who run a server ask: whether it lives, what it serves, what it has done."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Response

from mling_embed import __version__
from mling_embed.languages import language_name
from mling_embed.serving.metrics import CONTENT_TYPE
from mling_embed.serving.search import direction_of
from mling_embed.serving.service import Service


def operations_router(service: Service) -> APIRouter:
    """Return the routes that tell about the server."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the server lives, once model and index are open."""
        return {"status": "ok"}

    @router.get("/info")
    async def info() -> dict[str, Any]:
        """Say what is served, and within which limits; names that Text Embeddings Inference has too are its own."""
        return await run_sync(facts, service)

    @router.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Give Prometheus its figures."""
        return Response(service.metrics.page(), media_type=CONTENT_TYPE)

    return router


def facts(service: Service) -> dict[str, Any]:
    """Return what is served, as JSON values."""
    limits, encoder = service.settings.limits, service.encoder
    return {
        "model_id": service.model_name,
        "model_sha": encoder.fingerprint,
        "model_dtype": str(encoder.precision),
        "model_type": {"embedding": {"dimensions": encoder.dim, "truncatable": service.truncatable}},
        "prompts": {str(role): prompt for role, prompt in encoder.prompts.items()},
        "device": encoder.device,
        "max_concurrent_requests": limits.waiting_requests,
        "max_input_length": encoder.max_seq_length,
        "max_input_characters": limits.text_characters,
        "max_batch_tokens": limits.batch_tokens,
        "max_client_batch_size": limits.inputs,
        "auto_truncate": True,
        "version": __version__,
        "index": None if service.index is None else _index_facts(service),
    }


def _index_facts(service: Service) -> dict[str, Any]:
    stats = service.stats()
    return {
        "rows": stats.rows,
        "metric": stats.metric,
        "kind": stats.kind,
        "read_only": service.settings.read_only or service.is_student,
        "group": service.settings.group,
        "languages": [
            {"code": code, "name": language_name(code), "direction": direction_of(code), "rows": rows}
            for code, rows in stats.languages.items()
        ],
    }
