"""Turn an English sentence encoder into a multilingual one, then search, mine and measure with it."""

from __future__ import annotations

__version__ = "0.1.0"
