"""The search page: one file, whose own script and style are all that a browser may run of it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

_FILE = Path(__file__).with_name("page.html")


@cache
def page() -> tuple[str, str]:
    """Return the page, and the content security policy that names its script and its style by their sums."""
    text = _FILE.read_text(encoding="utf-8")
    sources = []
    for element in ("script", "style"):
        contents = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        sums = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
        sources.append(f"{element}-src " + " ".join(f"'sha256-{digest}'" for digest in sums))
    rest = ("connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    return text, "; ".join(("default-src 'none'", *sources, *rest))


def page_router() -> APIRouter:
    """Return the route of the page."""
    router = APIRouter(include_in_schema=False)
    text, policy = page()
    headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "Cache-Control": "no-cache"}

    @router.get("/", response_class=Response)
    async def search_page() -> Response:
        """Show the page."""
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)

    return router
