"""Loading encoders: folders, safetensors only, and what is said about everything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tiny_encoders import tokenizer_of

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


def test_loading_says_nothing_of_its_own(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = copy / "config_sentence_transformers.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**settings, "prompts": {"ask": "ask: "}, "default_prompt_name": "ask"}))
    assert load_sentence_transformer(copy).default_prompt_name == "ask"
    assert caplog.records == []


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


def test_half_precision_weights_of_any_module_are_loaded_in_fp32(tmp_path: Path) -> None:
    backend = tokenizer_of("bert").backend_tokenizer
    table = np.random.default_rng(0).normal(size=(backend.get_vocab_size(), 8)).astype(np.float16)
    model = SentenceTransformer(modules=[StaticEmbedding(backend, embedding_weights=table)], device="cpu")
    model.save(str(tmp_path / "half"), create_model_card=False)
    loaded = load_sentence_transformer(tmp_path / "half", device="cpu")
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
    ids = backend.encode("the station", add_special_tokens=False).ids
    np.testing.assert_allclose(loaded.encode("the station"), table[ids].astype(np.float32).mean(axis=0), rtol=1e-6)
