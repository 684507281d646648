"""The run that needs nothing but the package: a static student of the built-in phrasebook."""

from __future__ import annotations

from pathlib import Path

from mling_embed.distillation.config import DistillConfig, read_config


def phrasebook_config(out: Path, *, seed: int = 0) -> DistillConfig:
    """Return the configuration of the run that distils the default teacher on the phrasebook.

    Args:
        out: The run's folder.
        seed: Of the fit.
    """
    return read_config(
        None,
        {
            "out": out,
            "seed": seed,
            # The phrasebook's own splits are disjoint, and what is made of it is measured on nothing else.
            "data": {"manifests": ["phrasebook"], "dev_fraction": 0.0, "decontaminate": False},
            "student": {"vocabulary_size": 24_576, "finer": [3, 5]},
            "fit": {"least_squares_steps": 40, "penalty": 0.5, "epochs": 0},
        },
    )
