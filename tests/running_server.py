"""A real server on a port of this machine, in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from mling_embed.serving.application import create_app
from mling_embed.serving.connections import PunctualProtocol
from mling_embed.serving.server import listen
from mling_embed.serving.service import Service
from mling_embed.serving.settings import Settings


@contextmanager
def running(**values: Any) -> Iterator[tuple[str, int]]:
    """Serve with certain settings; give the address."""
    settings = Settings(port=0, **values)
    listener = listen(settings.host, settings.port)
    config = uvicorn.Config(create_app(Service(settings)), http=PunctualProtocol, ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join()
