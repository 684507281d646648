"""The gate before every route: who may enter, how much they may bring, and how long that may take."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mling_embed.serving.metrics import Metrics
from mling_embed.serving.refusals import Refusal, answer_to
from mling_embed.serving.settings import Limits, Settings, is_loopback

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/healthz"})  # without a key: the page, which holds nothing, and the sign of life
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_REQUEST_TIMEOUT = 408
_FAILED = 500


class Gate:
    """Let those in who have the key and come from here, with as much as they may bring.

    A browser sends the requests of any page that it shows; those of other pages than ours are refused by their
    ``Origin``, and those that reach us under a name that is not of this machine by their ``Host``.

    Args:
        app: What is behind it.
        settings: Of the server.
        metrics: Told of every request.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics) -> None:
        self.app, self.metrics, self.limits = app, metrics, settings.limits
        self._key = None if settings.api_key is None else settings.api_key.encode("ascii")
        self._host = settings.host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        answer = _Answer(send, self.limits.send_seconds)
        method = _method_of(scope["path"])
        self.metrics.requests.labels(method).inc()
        try:
            self._require_entry(scope)
            await self.app(scope, _bounded(scope, receive, self.limits), answer)
        except _ClientTooSlowError:  # the server closes the connection of an answer that has no end
            answer.status = _REQUEST_TIMEOUT
        except Exception as error:  # told here, and not by the server's log, which would hold its words
            if not answer.begun:
                await answer_to(error)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            self._note(method, scope["method"], answer.status, seconds)

    def _require_entry(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._key is None and not self._is_here(host):
            raise Refusal(403, "that name is not of this machine.", code="wrong_host", next_step="Ask 127.0.0.1.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refusal(403, "pages of other origins may not ask here.", code="wrong_origin")
        if self._key is not None and scope["path"] not in OPEN_PATHS:
            _require_key(headers, self._key)

    def _is_here(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name == self._host

    def _note(self, method: str, verb: str, status: int, seconds: float) -> None:
        """Count a request, and log it without any of its words."""
        if status < 400:
            self.metrics.successes.labels(method).inc()
            if method != "other":
                self.metrics.duration.observe(seconds)
        else:
            self.metrics.failures.labels(str(status)).inc()
        level = logging.ERROR if status >= _FAILED else logging.INFO
        logger.log(level, "%s %s %d %.1f ms", verb, method, status, seconds * 1e3)


class _ClientTooSlowError(Exception):
    """Say that a client does not take its answer."""


class _Answer:
    """Send an answer with our headers, and give up where the client does not take it."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send, self._seconds = send, seconds
        self.begun = False
        self.status = _FAILED

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            raise _ClientTooSlowError from None


def _require_key(headers: Headers, key: bytes) -> None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Refusal(401, "no API key.", code="invalid_api_key", next_step="Send Authorization: Bearer KEY.")
    if not hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key):
        raise Refusal(401, "that is not the API key.", code="invalid_api_key")


def _bounded(scope: Scope, receive: Receive, limits: Limits) -> Receive:
    """Return a `receive` that takes a body of a certain size in a certain time.

    Raises:
        Refusal: The head says that it is larger.
    """
    too_large = Refusal(
        413,
        f"the body is larger than {limits.body_bytes:,} bytes.",
        code="body_too_large",
        next_step="Send fewer texts at a time.",
    )
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > limits.body_bytes:
        raise too_large
    state: dict[str, Any] = {"bytes": 0, "deadline": None, "whole": False}

    async def bounded() -> Message:
        if state["whole"]:  # what comes now is the end of the connection
            return await receive()
        loop = asyncio.get_running_loop()
        if state["deadline"] is None:
            state["deadline"] = loop.time() + limits.body_seconds
        try:
            async with asyncio.timeout_at(state["deadline"]):
                message = await receive()
        except TimeoutError:
            what = f"the body did not come within {limits.body_seconds:g} seconds."
            raise Refusal(_REQUEST_TIMEOUT, what, code="body_too_slow") from None
        if message["type"] == "http.request":
            state["bytes"] += len(message.get("body", b""))
            state["whole"] = not message.get("more_body", False)
            if state["bytes"] > limits.body_bytes:
                raise too_large
        return message

    return bounded


def _method_of(path: str) -> str:
    """Return the name under which requests for a path are counted: few, whatever clients ask for."""
    if path.startswith("/v1/documents"):
        return "documents"
    return {"/v1/embeddings": "embed", "/v1/search": "search", "/mcp": "mcp"}.get(path, "other")
