"""Run a server: one process or several, until it is stopped; what was accepted is finished."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from mling_embed.errors import UsageError
from mling_embed.indexing.index import Index
from mling_embed.serving.connections import PunctualProtocol
from mling_embed.serving.metrics import FOLDER_VARIABLE
from mling_embed.serving.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 60  # a worker that is silent for so long is replaced


class TellingServer(uvicorn.Server):
    """Serve, and say so.

    Args:
        config: Of the server.
        tell: Called once requests are answered.
    """

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._tell()


class ClosingSupervisor(Multiprocess):
    """Keep several workers; once they are told to stop, let nobody connect who would wait for none of them."""

    def join_all(self) -> None:
        """Stop listening, and wait for the workers to finish."""
        for listener in self.sockets:
            listener.close()
        super().join_all()


def _no_one(address: str) -> None:
    """Tell nobody of an address."""


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until a signal says stop; then finish what was accepted, and return.

    Args:
        settings: Of the server.
        ready: Told the address, once it is answered there; with several workers, once the port is taken.

    Raises:
        UsageError: The address cannot be taken.
        DataError: There is no such model or index.
    """
    if settings.workers > 1 and settings.index is not None:
        Index.open(settings.index).close()  # what is wrong with it is said once, and not by every worker again
    listener = listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    tell = partial(ready or _no_one, address)
    limits = settings.limits
    config = uvicorn.Config(
        partial(application, settings),
        factory=True,
        http=PunctualProtocol,
        ws="none",
        lifespan="on",
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.stop_seconds,
        timeout_worker_healthcheck=_ANSWER_SECONDS,
    )
    with suppress(KeyboardInterrupt), listener:
        if settings.workers > 1:
            tell()  # nobody knows when the first of them is ready
            with _shared_counts():
                ClosingSupervisor(config, sockets=[listener]).run()
        else:
            TellingServer(config, tell).run(sockets=[listener])


def application(settings: Settings) -> ASGIApp:
    """Return the application of one process, with its share of the machine."""
    import torch

    from mling_embed.serving.application import create_app
    from mling_embed.serving.service import Service

    PunctualProtocol.seconds = settings.limits.header_seconds
    PunctualProtocol.last_seconds = settings.limits.last_seconds
    if settings.workers > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // settings.workers))
    return create_app(Service(settings))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        UsageError: It is taken, or not of this machine.
    """
    name = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((name, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen there: {error.strerror or error}.",
            where=f"{host}:{port}",
            next_step="Give another --port; 0 takes a free one.",
        ) from None
    listener.set_inheritable(True)
    return listener


@contextmanager
def _shared_counts() -> Iterator[None]:
    """Let the workers of one server count into one folder, which is gone when it ends."""
    with TemporaryDirectory(prefix="mling-embed-metrics-") as folder:
        before = os.environ.get(FOLDER_VARIABLE)
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before
