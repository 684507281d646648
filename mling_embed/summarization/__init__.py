"""Summarization: the sentences of a text that say most of it, in any language, without training."""

from __future__ import annotations

import lazy_loader

# The names and where they come from stand in __init__.pyi; a name's module is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
