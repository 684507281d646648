"""The application: every route, behind one gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import FastAPI
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from mling_embed import __version__
from mling_embed.serving.embeddings import embeddings_router
from mling_embed.serving.gate import Gate
from mling_embed.serving.operations import operations_router
from mling_embed.serving.page import page_router
from mling_embed.serving.refusals import tell_errors_alike
from mling_embed.serving.search import changes_router, search_router
from mling_embed.serving.service import Service
from mling_embed.serving.tools import tools_server


def create_app(service: Service) -> ASGIApp:
    """Return the ASGI application of a service, which it closes when it ends.

    Args:
        service: Model and index.
    """
    tools = None
    if service.settings.mcp:
        tools = tools_server(service)
        # The gate looks at host, origin and key; and no question needs to know what was asked before it.
        trusting = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        mounted = tools.streamable_http_app(stateless_http=True, json_response=True, transport_security=trusting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if tools is not None:
                await stack.enter_async_context(tools.session_manager.run())
            yield
        await run_sync(service.close)

    app = FastAPI(
        title="mling-embed",
        version=__version__,
        docs_url=None,  # its page would load its script from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    tell_errors_alike(app)
    for router in (embeddings_router(service), operations_router(service), page_router()):
        app.include_router(router)
    if service.index is not None:
        app.include_router(search_router(service))
        app.include_router(changes_router(service))
    if tools is not None:
        app.router.routes.extend(mounted.routes)
    return Gate(app, settings=service.settings, metrics=service.metrics)
