"""Loading encoders: folders, safetensors only, and what is said about everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.errors import DamagedFileError, DataError, UsageError


@pytest.fixture
def copy(tiny_teacher: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_teacher, tmp_path / "model"))


def test_a_plain_transformers_folder_gets_mean_pooling(tiny_teacher: Path) -> None:
    plain = load_sentence_transformer(tiny_teacher.with_name("bert")).encode(
        ["where is the station?"], normalize_embeddings=True
    )
    whole = load_sentence_transformer(str(tiny_teacher)).encode(["where is the station?"])
    np.testing.assert_allclose(plain, whole, atol=1e-6)


@pytest.mark.parametrize("name", ["./no/such", "/no/such", "~/no/such", "a/b/c"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: no such model folder"):
        load_sentence_transformer(name)


def test_a_file_is_no_model(copy: Path) -> None:
    with pytest.raises(DataError, match="is a file; expected a model folder"):
        load_sentence_transformer(copy / "model.safetensors")


def test_weights_that_can_run_code_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"holds only pytorch_model\.bin, a format that can run code"):
        load_sentence_transformer(copy)


def test_a_folder_without_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(DataError, match="is not a model folder"):
        load_sentence_transformer(copy)


def test_weights_cut_short(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match="its weights are not whole"):
        load_sentence_transformer(copy)


def test_a_configuration_that_is_not_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be loaded as an encoder"):
        load_sentence_transformer(copy)
