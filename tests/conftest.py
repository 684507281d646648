"""Shapes and types in annotations are checked while the tests run."""

from __future__ import annotations

from typing import runtime_checkable

from jaxtyping import install_import_hook

from mling_embed.progress import Progress

# A protocol can be checked at run time only if it says so.
runtime_checkable(Progress)
install_import_hook("mling_embed", "beartype.beartype")
