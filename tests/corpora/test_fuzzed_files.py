"""A small part of benchmarks/fuzz_readers.py: mutated files are errors of ours, or corpora that reconcile."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
from fuzz_readers import SEEDS, fuzz, outcome_of  # noqa: E402

from mling_embed.corpora.formats import formats  # noqa: E402


def test_every_format_has_seeds() -> None:
    assert set(formats()) <= set(SEEDS)


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if kind != "huggingface"])
def test_mutated_files(kind: str, tmp_path: Path) -> None:
    found = fuzz(kind, 12, tmp_path / "f", seed=1, seconds=60.0)
    assert found["failures"] == []
    assert sum(found["outcomes"].values()) == 12


@pytest.mark.parametrize("kind", [kind for kind in SEEDS if kind != "huggingface"])
def test_seeds_are_valid(kind: str, tmp_path: Path) -> None:
    class Die:
        def choice(self, options: tuple[str, ...]) -> str:
            return "" if kind == "lines" else options[1]

    for seed in SEEDS[kind]:
        files = {name: data.encode() if isinstance(data, str) else data for name, data in seed.items()}
        assert outcome_of(kind, files, tmp_path / "f", Die()) == "kept"  # type: ignore[arg-type]
