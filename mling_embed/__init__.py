"""Turn an English sentence encoder into a multilingual one, then search, mine and measure with it."""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0"

# The names and where they come from stand in __init__.pyi; a name's module is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
