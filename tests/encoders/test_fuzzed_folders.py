"""A small part of benchmarks/fuzz_loaders.py: mutated folders are errors of ours, or the encoders that they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
from fuzz_loaders import KINDS, fuzz, outcome_of, seeds  # noqa: E402


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return seeds(tmp_path_factory.mktemp("seeds"), list(KINDS))


@pytest.mark.parametrize("kind", list(KINDS))
def test_mutated_folders(kind: str, places: dict[str, Path], tmp_path: Path) -> None:
    assert outcome_of(places[kind]) == "encoder"
    found = fuzz(kind, 10, tmp_path / "mutated", places, seed=1)
    assert found["failures"] == []
    assert sum(found["outcomes"].values()) == 10
