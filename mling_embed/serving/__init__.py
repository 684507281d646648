"""A server: vectors as OpenAI's interface gives them, search, a page to search with, and tools for assistants."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
