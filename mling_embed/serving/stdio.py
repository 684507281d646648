"""Tools of assistants on standard input and output, for programs that start a server of their own."""

from __future__ import annotations

import anyio

from mling_embed.serving.service import Service
from mling_embed.serving.settings import Settings
from mling_embed.serving.tools import tools_server


def serve_stdio(settings: Settings) -> None:
    """Offer the tools until standard input ends.

    Args:
        settings: Of the server; address and key have no meaning here.
    """
    service = Service(settings)
    try:
        anyio.run(tools_server(service).run_stdio_async)
    finally:
        service.close()
