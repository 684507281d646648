"""``/v1/embeddings`` and ``/v1/models``, as OpenAI defines them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from jaxtyping import Float32
from numpy import ndarray
from pydantic_core import to_json

from mling_embed.serving.refusals import Refusal
from mling_embed.serving.request_bodies import EmbeddingsRequest, EncodingFormat
from mling_embed.serving.service import Service

_DECIMALS = 8  # a float32 of a unit vector has no more


def embeddings_router(service: Service) -> APIRouter:
    """Return the routes that give vectors."""
    router = APIRouter()

    @router.post("/v1/embeddings", tags=["embeddings"], response_class=Response)
    async def embeddings(request: EmbeddingsRequest) -> Response:
        """Turn texts into vectors. Each says of itself how many tokens it has, and whether its end was cut off."""
        require_model(service, request.model)
        texts = request.texts(service.settings.limits)
        limit = tokens_wanted(service, request.truncate_prompt_tokens)
        if request.dimensions is not None:
            require_prefix(service, request.dimensions)
        role = None if request.input_type is None else request.input_type.role
        encoded = await service.encode(texts, role=role, max_tokens=limit)
        written = write_vectors(encoded.vectors, request.encoding_format, dimensions=request.dimensions)
        rows = zip(written, encoded.tokens.tolist(), encoded.cut_off, strict=True)
        used = int(encoded.tokens.sum())
        answer = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": place, "embedding": vector, "tokens": tokens, "truncated": cut_off}
                for place, (vector, tokens, cut_off) in enumerate(rows)
            ],
            "model": service.model_name,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
        return Response(to_json(answer), media_type="application/json")

    @router.get("/v1/models", tags=["embeddings"])
    def models() -> dict[str, Any]:
        """List the model that is served."""
        return {"object": "list", "data": [_model(service)]}

    @router.get("/v1/models/{name:path}", tags=["embeddings"])
    def model(name: str) -> dict[str, Any]:
        """Describe the model that is served."""
        require_model(service, name)
        return _model(service)

    return router


def write_vectors(
    vectors: Float32[ndarray, "n dim"], encoding: EncodingFormat, *, dimensions: int | None = None
) -> list[Any]:
    """Return vectors as JSON values: lists of numbers, or base64 of their bytes.

    Args:
        vectors: Of any norm. Shape: (n, dim).
        encoding: How they are written.
        dimensions: Numbers of each to keep, brought to length one again.
    """
    if dimensions is not None and dimensions < vectors.shape[1]:
        vectors = vectors[:, :dimensions]
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=np.finfo(np.float32).tiny)
    if encoding is EncodingFormat.BASE64:
        little = np.ascontiguousarray(vectors, dtype="<f4")
        return [base64.b64encode(vector).decode("ascii") for vector in little]
    numbers: list[Any] = np.round(vectors.astype(np.float64), _DECIMALS).tolist()
    return numbers


def require_model(service: Service, name: str | None) -> None:
    """Refuse a request for another model.

    Raises:
        Refusal: It is another one.
    """
    if name not in (None, "", service.model_name, service.source):
        raise Refusal(
            404,
            f"the model {service.model_name!r} is served here, not {name!r}.",
            code="model_not_found",
            param="model",
            next_step="Ask for it, or start the server with --model-name.",
        )


def require_prefix(service: Service, dimensions: int) -> None:
    """Refuse prefixes of vectors that are not made for it.

    Raises:
        Refusal: They are not, or are shorter.
    """
    dim = service.encoder.dim
    if dimensions == dim:
        return
    if dimensions > dim:
        what, step = f"vectors have {dim} dimensions, {dimensions} were asked for.", None
    elif not service.truncatable:
        what = f"the first {dimensions} numbers of this model's vectors are no good vectors: only all {dim} are."
        step = "Leave dimensions out, or serve a model that is truncatable (--truncatable if you know that it is)."
    else:
        return
    raise Refusal(400, what, code="invalid_dimensions", param="dimensions", next_step=step)


def tokens_wanted(service: Service, asked: int | None) -> int | None:
    """Return after how many tokens texts are cut off.

    Raises:
        Refusal: It is none, or more than the model reads.
    """
    own = service.encoder.max_seq_length
    if asked is None or asked == -1:
        return None
    least = int(service.batcher.least_tokens)
    if asked < least or (own is not None and asked > own):
        most = "" if own is None else f" to {own}"
        raise Refusal(
            400,
            f"truncate_prompt_tokens is {asked}; expected {least}{most}, or -1.",
            code="invalid_value",
            param="truncate_prompt_tokens",
        )
    return asked


def _model(service: Service) -> dict[str, Any]:
    return {
        "id": service.model_name,
        "object": "model",
        "created": service.started,
        "owned_by": "mling-embed",
        "dimensions": service.encoder.dim,
        "max_model_len": service.encoder.max_seq_length,
    }
