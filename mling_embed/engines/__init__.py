"""Engines: the same pure tasks done in this process, by one of many that share a folder, or on a Ray cluster."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
