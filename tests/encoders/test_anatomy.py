"""The parts of every family, and what happens to one that is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mling_embed.encoders.anatomy import (
    encoder_layers,
    encoder_of,
    position_padding,
    replace_token_embedding,
    token_embedding,
)
from mling_embed.errors import DataError, UsageError
from mling_embed.tokenizers.tokenizer_json import model_tokens, read_state, rebuilt, token_ids, with_model_tokens

LAYER_CLASSES = {
    "bert": "BertLayer",
    "distilbert": "TransformerBlock",
    "roberta": "RobertaLayer",
    "xlm-roberta": "XLMRobertaLayer",
    "mpnet": "MPNetLayer",
    "modernbert": "ModernBertEncoderLayer",
}


def test_the_parts_of_each_family(family: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(family, 3)
    assert [type(layer).__name__ for layer in encoder_layers(model)] == [LAYER_CLASSES[family]] * 3
    assert token_embedding(model).weight.shape == (len(model.tokenizer), 32)
    assert token_embedding(encoder_of(model)) is token_embedding(model)
    assert position_padding(model) == (1 if family in ("roberta", "xlm-roberta", "mpnet") else None)


def test_a_row_of_the_token_embedding_is_what_a_token_is_read_as(family: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(family, 2)
    number = model.tokenizer("station")["input_ids"][1]
    before = model.encode(["station", "museum"])
    with torch.no_grad():
        token_embedding(model).weight[number] *= -1
    after = model.encode(["station", "museum"])
    assert np.abs(after[0] - before[0]).max() > 0.01
    if number not in model.tokenizer("museum")["input_ids"]:
        np.testing.assert_array_equal(after[1], before[1])


def shuffled(model: Any) -> tuple[Any, torch.Tensor]:
    """Return the model's tokenizer with its tokens in reverse order (but not padding where positions are counted from
    it), and the table that goes with it.
    """
    fixed = 0 if position_padding(model) is None else 2
    state = read_state(model.tokenizer)
    tokens = model_tokens(state)
    new = with_model_tokens(state, [*tokens[:fixed], *reversed(tokens[fixed:])])
    old, ids = token_ids(state), token_ids(new)
    table = token_embedding(model).weight.detach()
    return rebuilt(model.tokenizer, new), table[[old[token] for token in sorted(ids, key=ids.__getitem__)]]


def test_a_renumbered_vocabulary_gives_the_same_vectors(
    family: str, tiny_model: Callable[..., Any], reloaded: Callable[[Any], Any], sentences: dict[str, list[str]]
) -> None:
    model, texts = tiny_model(family, 2), sentences["english"]
    before, config = model.encode(texts), encoder_of(model).config
    roles = {name: getattr(config, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    meaning = {
        name: number is not None and model.tokenizer.convert_ids_to_tokens(number) for name, number in roles.items()
    }
    old_ids = model.tokenizer(texts)["input_ids"]
    tokenizer, table = shuffled(model)
    replace_token_embedding(model, table, tokenizer)
    assert tokenizer(texts)["input_ids"] != old_ids
    for name, token in meaning.items():
        number = getattr(config, name)
        assert (number is not None and model.tokenizer.convert_ids_to_tokens(number)) == token
    assert token_embedding(model).padding_idx == config.pad_token_id == model.tokenizer.pad_token_id
    np.testing.assert_allclose(model.encode(texts), before, atol=1e-6)
    np.testing.assert_allclose(reloaded(model).encode(texts), before, atol=1e-6)


def test_table_and_tokenizer_must_fit(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert", 2)
    table = token_embedding(model).weight.detach()
    with pytest.raises(DataError, match=rf"shape \({len(table) - 1}, 32\); expected \({len(table)}, 32\)"):
        replace_token_embedding(model, table[1:], model.tokenizer)
    with pytest.raises(DataError, match="expected"):
        replace_token_embedding(model, table[:, 1:], model.tokenizer)


@pytest.mark.parametrize("counting", ["roberta", "xlm-roberta", "mpnet"])
def test_padding_stays_where_positions_are_counted_from(counting: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(counting, 2)
    state = read_state(model.tokenizer)
    tokens = model_tokens(state)
    moved = rebuilt(model.tokenizer, with_model_tokens(state, [tokens[1], tokens[0], *tokens[2:]]))
    with pytest.raises(DataError, match=r"padding has the id 0.*counts positions from its padding id, which is 1"):
        replace_token_embedding(model, token_embedding(model).weight.detach(), moved)


def test_an_unknown_family_is_named() -> None:
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    electra = transformers.ElectraModel(transformers.ElectraConfig(vocab_size=9, embedding_size=8, **shape))
    assert token_embedding(electra).weight.shape == (9, 8)
    told = "the parts of a ElectraModel are not known, so its layers cannot be told apart; known are BertModel, DistilB"
    with pytest.raises(UsageError, match=told):
        encoder_layers(electra)


def test_a_static_model_has_no_layers() -> None:
    table = StaticEmbedding(
        Tokenizer(WordLevel({"a": 0}, unk_token="a")), embedding_weights=np.eye(1, dtype=np.float32)
    )
    with pytest.raises(UsageError, match="starts with a StaticEmbedding; expected a Transformer"):
        encoder_layers(SentenceTransformer(modules=[table], device="cpu"))
