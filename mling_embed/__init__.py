"""Turn an English sentence encoder into a multilingual one, then search, mine and measure with it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "DistillConfig": "mling_embed.distillation.config",
    "Distilled": "mling_embed.distillation.run",
    "MlingEmbedError": "mling_embed.errors",
    "ParallelCorpus": "mling_embed.corpora.parallel",
    "StaticEncoder": "mling_embed.encoders.static",
    "TargetStore": "mling_embed.training.targets",
    "Teacher": "mling_embed.encoders.teacher",
    "build_corpus": "mling_embed.corpora.build",
    "distill": "mling_embed.distillation.run",
    "evaluate": "mling_embed.evaluation.runner",
    "load_encoder": "mling_embed.encoders.loading",
    "load_manifest": "mling_embed.corpora.manifests",
    "load_suite": "mling_embed.evaluation.suites",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mling_embed' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
