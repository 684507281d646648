"""Refusals, and what a client is told of any error: a status, and the body that OpenAI's interface has for it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.indexing.storage.locking import LockedError

logger = logging.getLogger(__name__)

_OF_THE_SERVER = 500
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_NOT_ABOUT_THE_BODY = frozenset({"body", "query", "path", "header"})
_UNION_BRANCHES = frozenset({"str", "int", "list[str]", "list[int]", "list[list[int]]"})
_MOST_TOLD = 5
# What the framework itself answers with, before any route is asked.
_OF_HTTP = {
    400: ("the body is not JSON that can be read.", "invalid_json"),
    404: ("no such page.", "not_found"),
    405: ("not with this method.", "method_not_allowed"),
}


class Refusal(MlingEmbedError):  # noqa: N818 -- an answer, and no fault of the program
    """Refuse a request.

    Args:
        status: Of HTTP.
        what: Why, in one sentence.
        code: A word by which a program knows the reason.
        param: The part of the request that it is about.
        next_step: What to do about it.
        retry_after: Seconds after which it may be tried again.
    """

    def __init__(
        self,
        status: int,
        what: str,
        *,
        code: str | None = None,
        param: str | None = None,
        next_step: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(what, next_step=next_step)
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after

    def response(self) -> JSONResponse:
        """Return the answer that a client gets."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(error_body(self.status, str(self), self.code, self.param), self.status, headers)


def error_body(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """Return the body of an error: ``{"error": {message, type, param, code}}``."""
    kind = "server_error" if status >= _OF_THE_SERVER else _TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def overloaded(what: str) -> Refusal:
    """Return the refusal of a request for which there is no room now."""
    return Refusal(429, what, code="rate_limit_exceeded", next_step="Try again in a moment.", retry_after=1)


def answer_to(error: Exception) -> JSONResponse:
    """Return what a client is told of an error; what is the server's fault is logged, without any text of a request."""
    if isinstance(error, Refusal):
        return error.response()
    if isinstance(error, LockedError):
        return Refusal(503, error.what, code="index_busy", next_step=error.next_step, retry_after=5).response()
    if isinstance(error, UsageError):
        return Refusal(400, error.what, code="invalid_value", next_step=error.next_step).response()
    if isinstance(error, DataError):
        return Refusal(422, error.what, code="invalid_data", next_step=error.next_step).response()
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {frame[0].filename}:{frame[0].lineno}" if frame else ""
    logger.error("a request failed: %s%s", type(error).__name__, place)
    if isinstance(error, MlingEmbedError):
        return Refusal(500, error.what, code="damaged", next_step=error.next_step).response()
    return Refusal(500, "the server failed; its log says where.", code="internal_error").response()


def tell_errors_alike(app: FastAPI) -> None:
    """Let every error of an application have the form of OpenAI's."""

    async def of_http(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error.__cause__, Refusal):  # raised while the framework read the body
            return error.__cause__.response()
        status = error.status_code if isinstance(error, HTTPException) else _OF_THE_SERVER
        detail = error.detail if isinstance(error, HTTPException) else ""
        what, code = _OF_HTTP.get(status, (str(detail), None))
        response = Refusal(status, what, code=code).response()
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    async def of_validation(_: Request, error: Exception) -> JSONResponse:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        if any(problem["type"] == "json_invalid" for problem in problems):
            return Refusal(400, "the body is not JSON.", code="invalid_json").response()
        told = list(dict.fromkeys(f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems))
        more = f" (and {len(told) - _MOST_TOLD} more)" if len(told) > _MOST_TOLD else ""
        param = _place(problems[0]["loc"]) if problems else None
        if param == "input" and isinstance(error, RequestValidationError) and "messages" in (error.body or ()):
            more += (
                ". Chat messages are not texts: mteb's OpenAIAPIEncodeWrapper sends texts with use_chat_template=False"
            )
        return Refusal(422, "; ".join(told[:_MOST_TOLD]) + more, code="invalid_type", param=param).response()

    async def of_anything(_: Request, error: Exception) -> JSONResponse:
        return answer_to(error)

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    for kind in (MlingEmbedError, Exception):
        app.add_exception_handler(kind, of_anything)


def _place(location: Sequence[str | int]) -> str:
    """Return where in a request a problem is: ``input[3]``."""
    parts = [part for part in location if part not in _NOT_ABOUT_THE_BODY and part not in _UNION_BRANCHES]
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text or "body"
