"""What was loaded is examined: weights, tokenizer, positions, padding, vectors; each fault has its own words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from tiny_encoders import tokenizer_of

from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.errors import DataError

LONG = "the station " * 60


@pytest.fixture
def folder(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of copies of a family's plain checkpoint."""
    return lambda family: Path(shutil.copytree(tiny_checkpoint(family, 2), tmp_path / family))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def change_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_weights_under_other_names(family: str, folder: Callable[[str], Path]) -> None:
    path = folder(family)
    change_weights(path, lambda weights: {f"encoder_q.{name}": value for name, value in weights.items()})
    with pytest.raises(
        DataError, match=r"(\d\d) of the \d\d weights of a \w+Model are not in its files \(embeddings"
    ) as told:
        load(path, device="cpu")
    assert str(path) in str(told.value)
    assert "would be random numbers" in str(told.value)


def test_one_layer_that_is_missing(folder: Callable[[str], Path]) -> None:
    path = folder("bert")
    change_weights(path, lambda weights: {name: value for name, value in weights.items() if ".layer.1." not in name})
    with pytest.raises(
        DataError, match=r"16 of the 39 weights of a BertModel are not in its files \(encoder\.layer\.1\."
    ):
        load(path, device="cpu")


def test_a_pooler_that_nothing_reads_may_be_missing(folder: Callable[[str], Path]) -> None:
    path = folder("bert")
    whole = load(path, device="cpu").encode(["the station", "bread"])
    change_weights(path, lambda weights: {name: value for name, value in weights.items() if "pooler" not in name})
    np.testing.assert_array_equal(load(path, device="cpu").encode(["the station", "bread"]), whole)


def test_a_folder_without_its_tokenizer(folder: Callable[[str], Path]) -> None:
    path = folder("bert")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (path / name).unlink()
    with pytest.raises(DataError, match=r"its tokenizer has 5 tokens, its token table 420 rows: .* missing"):
        load(path, device="cpu")


def test_ids_beyond_the_table(folder: Callable[[str], Path]) -> None:
    path = folder("bert")
    change_json(path / "tokenizer.json", lambda state: state["model"]["vocab"].update(zzz=425))
    with pytest.raises(DataError, match=r"ids beyond its token table, which has 420 rows: 'zzz' is 425"):
        load(path, device="cpu")


def test_a_tokenizer_of_another_family(folder: Callable[[str], Path]) -> None:
    path = folder("mpnet")
    tokenizer_of("bert").save_pretrained(path)
    with pytest.raises(DataError, match=r"padding has the id 0; a MPNetModel counts positions from .* which is 1"):
        load(path, device="cpu")


def test_no_padding_token(folder: Callable[[str], Path]) -> None:
    path = folder("modernbert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(path)
    with pytest.raises(DataError, match=r"no padding token.*tokenizer\.pad_token = tokenizer\.eos_token"):
        load(path, device="cpu")


def test_a_tokenizer_that_knows_no_word(folder: Callable[[str], Path]) -> None:
    path = folder("bert")

    def forget(state: dict[str, Any]) -> None:
        names = {name: f"@@{row}" for name, row in state["model"]["vocab"].items() if not name.startswith("[")}
        state["model"]["vocab"] = {names.get(name, name): row for name, row in state["model"]["vocab"].items()}

    change_json(path / "tokenizer.json", forget)
    with pytest.raises(DataError, match="gives the same tokens for different sentences"):
        load(path, device="cpu")


@pytest.mark.parametrize(("family", "limit"), [("bert", 64), ("xlm-roberta", 62), ("mpnet", 62)])
def test_texts_are_cut_at_the_positions_that_there_are(
    family: str, limit: int, folder: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = folder(family)
    change_json(path / "tokenizer_config.json", lambda values: values.update(model_max_length=512))
    encoder = load(path, device="cpu")
    assert encoder.max_seq_length == limit
    assert ("it has positions for 62 tokens, not 64" in caplog.text) == (limit == 62)
    cut = SentenceTransformer(str(path), device="cpu")
    cut.max_seq_length = limit
    np.testing.assert_allclose(encoder.encode([LONG, "bread"]), cut.encode([LONG, "bread"]), atol=1e-5)


def test_a_look_leaves_the_tokenizer_as_it_was(tiny_teacher: Path) -> None:
    backend = load_sentence_transformer(tiny_teacher, device="cpu").tokenizer.backend_tokenizer
    assert (backend.padding, backend.truncation) == (None, None)


def test_a_longest_text_beyond_the_positions(tiny_teacher: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(tiny_teacher, tmp_path / "model"))
    change_json(path / "tokenizer_config.json", lambda values: values.update(model_max_length=48))
    (path / "sentence_bert_config.json").write_text('{"max_seq_length": 512, "do_lower_case": false}')
    encoder = load(path, device="cpu")
    assert (encoder.max_seq_length, encoder.encode([LONG]).shape) == (64, (1, 32))


def test_a_pooling_of_another_width(tiny_teacher: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(tiny_teacher, tmp_path / "model"))
    change_json(path / "1_Pooling" / "config.json", lambda values: values.update(embedding_dimension=16))
    with pytest.raises(DataError, match="vectors have 32 dimensions, where its modules promise 16"):
        load(path, device="cpu")


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_vectors_of_nothing(value: float, folder: Callable[[str], Path]) -> None:
    path = folder("bert")
    change_weights(path, lambda weights: {name: torch.full_like(tensor, value) for name, tensor in weights.items()})
    with pytest.raises(DataError, match="not finite, or all the same"):
        load(path, device="cpu")


def test_a_static_table_of_other_rows_than_its_tokenizer(tmp_path: Path) -> None:
    backend = tokenizer_of("bert").backend_tokenizer
    table = np.random.default_rng(0).normal(size=(backend.get_vocab_size(), 8)).astype(np.float32)
    for end in ([], [Normalize()]):
        model = SentenceTransformer(
            modules=[StaticEmbedding(backend, embedding_weights=table[:-3]), *end], device="cpu"
        )
        write_model(model, tmp_path / "static")
        with pytest.raises(DataError, match="ids beyond its token table, which has 417 rows"):
            load(tmp_path / "static")


def test_a_router_is_examined_on_both_ways(tiny_teacher: Path, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Router

    teacher = load_sentence_transformer(tiny_teacher, device="cpu")
    router = Router.for_query_document(query_modules=list(teacher), document_modules=list(teacher))
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "router"), create_model_card=False)
    loaded = load_sentence_transformer(tmp_path / "router", device="cpu")
    np.testing.assert_allclose(loaded.encode_query("where"), teacher.encode("where"), atol=1e-6)
    place = max((tmp_path / "router").rglob("model.safetensors"))
    weights = load_file(place)
    save_file({name: value * float("nan") for name, value in weights.items()}, place, metadata={"format": "pt"})
    with pytest.raises(DataError, match="not finite, or all the same"):
        load_sentence_transformer(tmp_path / "router", device="cpu")
