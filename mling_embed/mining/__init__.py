"""Bitext mining: pairs found in two sets of sentences, paraphrases in one, and scores for pairs that exist."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
