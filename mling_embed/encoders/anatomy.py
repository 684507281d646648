"""Find and replace the parts of a transformer encoder: its token embedding, its layers, the ids in its config.

One table says where each family keeps its layers; everything else asks the model itself. An encoder of a family that
is not in the table is trained and run whole: it loses no layers and keeps its vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class _Family:
    """Say where a family keeps its layers.

    Attributes:
        layers: Dotted name of the `ModuleList`.
        count: The config's field with their number.
        per_layer: The config's fields with one entry a layer.
        first_differs: The first layer is built unlike the others, and can be no other.
    """

    layers: str = "encoder.layer"
    count: str = "num_hidden_layers"
    per_layer: tuple[str, ...] = ()
    first_differs: bool = False


_FAMILIES = {
    "BertModel": _Family(),
    "RobertaModel": _Family(),
    "XLMRobertaModel": _Family(),
    "MPNetModel": _Family(),
    "DistilBertModel": _Family(layers="transformer.layer", count="n_layers"),
    "ModernBertModel": _Family(layers="layers", per_layer=("layer_types",), first_differs=True),
}

_WHOLE = (
    "Train it whole, without student.layers, student.trim_vocabulary, train.layer_learning_rate_decay and "
    "train.trained_layers."
)


def transformer_of(model: SentenceTransformer) -> Any:
    """Return the sentence-transformers module that holds the transformer and its tokenizer.

    Raises:
        UsageError: The model starts with another kind of module, as a static student does.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer

    first = model[0]
    if not isinstance(first, Transformer):
        raise UsageError(
            f"the model starts with a {type(first).__name__}; expected a Transformer.",
            next_step="A static model has no layers; its vocabulary is chosen when it is trained.",
        )
    return first


def encoder_of(model: SentenceTransformer | PreTrainedModel) -> PreTrainedModel:
    """Return the transformers model of a sentence-transformers model, or the model itself if it is one."""
    from sentence_transformers import SentenceTransformer

    encoder: PreTrainedModel = transformer_of(model).model if isinstance(model, SentenceTransformer) else model
    return encoder


def require_known_family(
    model: SentenceTransformer | PreTrainedModel, consequence: str, *, next_step: str = _WHOLE
) -> None:
    """Refuse to change the parts of an encoder whose family is not in the table.

    Args:
        model: The encoder.
        consequence: What cannot be done with it, as in "its layers cannot be left out".
        next_step: What to do instead.

    Raises:
        UsageError: Its family is not known here.
    """
    family = type(encoder_of(model)).__name__
    if family not in _FAMILIES:
        known = ", ".join(sorted(_FAMILIES))
        raise UsageError(
            f"the parts of a {family} are not known, so {consequence}; known are {known}.", next_step=next_step
        )


def token_embedding(model: SentenceTransformer | PreTrainedModel) -> nn.Embedding:
    """Return the table of input embeddings of tokens. Its weight has the shape (vocabulary, hidden)."""
    embedding = encoder_of(model).get_input_embeddings()
    if not isinstance(embedding, nn.Embedding):
        raise DataError(f"the token embedding is a {type(embedding).__name__}; expected an Embedding.")
    return embedding


def encoder_layers(model: SentenceTransformer | PreTrainedModel) -> nn.ModuleList:
    """Return the transformer layers, in the order in which they run.

    Raises:
        UsageError: The family is not known here.
    """
    require_known_family(model, "its layers cannot be told apart")
    encoder = encoder_of(model)
    layers = encoder.get_submodule(_FAMILIES[type(encoder).__name__].layers)
    if not isinstance(layers, nn.ModuleList):
        raise DataError(f"the layers are a {type(layers).__name__}; expected a ModuleList.")
    return layers


def replace_layers(model: SentenceTransformer | PreTrainedModel, kept: Sequence[int]) -> None:
    """Keep some of the layers, in place, and say so in the config.

    Args:
        model: The model to change.
        kept: Numbers of the layers, ascending.

    Raises:
        UsageError: ModernBERT would lose its first layer, which has no norm of its own before attention.
    """
    encoder = encoder_of(model)
    old = encoder_layers(encoder)
    family = _FAMILIES[type(encoder).__name__]
    if family.first_differs and kept[0] != 0:
        raise UsageError(
            f"the first layer of a {type(encoder).__name__} is built unlike the others and cannot be left out.",
            next_step="Keep layer 0.",
        )
    place, _, name = family.layers.rpartition(".")
    parent = encoder.get_submodule(place)
    setattr(parent, name, nn.ModuleList(old[number] for number in kept))
    if hasattr(parent, family.count):  # DistilBERT counts there too
        setattr(parent, family.count, len(kept))
    setattr(encoder.config, family.count, len(kept))
    for field in family.per_layer:
        setattr(encoder.config, field, [getattr(encoder.config, field)[number] for number in kept])


def position_padding(model: SentenceTransformer | PreTrainedModel) -> int | None:
    """Return the padding id from which a RoBERTa-like encoder counts its positions; `None` if it counts from zero.

    Such an encoder gives the first token the position after this id, so padding must keep it whatever the vocabulary.
    """
    table = _position_table(encoder_of(model))
    return None if table is None else table.padding_idx


def position_limit(model: SentenceTransformer | PreTrainedModel) -> int | None:
    """Return the tokens of a text for which an encoder has positions; `None` if it has no table of them.

    A RoBERTa-like encoder cannot use those up to its padding id: of 514 positions 512 are left.
    """
    table = _position_table(encoder_of(model))
    if table is None:
        return None
    unused = 0 if table.padding_idx is None else table.padding_idx + 1
    return table.num_embeddings - unused


def _position_table(encoder: PreTrainedModel) -> nn.Embedding | None:
    for name, module in encoder.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            return module
    return None


def replace_token_embedding(model: SentenceTransformer, table: Tensor, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a model another vocabulary, in place: tokenizer, token embedding and the ids in the config.

    Args:
        model: The model to change.
        table: One row a token of the tokenizer. Shape: (vocabulary, hidden).
        tokenizer: Its ids are the table's rows.

    Raises:
        UsageError: The family is not known here.
        DataError: Table and tokenizer do not fit each other or the model.
    """
    require_known_family(model, "its vocabulary cannot be changed")
    transformer, encoder, old = transformer_of(model), encoder_of(model), token_embedding(model)
    expected = (len(tokenizer), old.embedding_dim)
    if tuple(table.shape) != expected:
        raise DataError(f"the token table has the shape {tuple(table.shape)}; expected {expected}.")
    counted_from = position_padding(model)
    if counted_from is not None and tokenizer.pad_token_id != counted_from:
        raise DataError(
            f"padding has the id {tokenizer.pad_token_id}; a {type(encoder).__name__} counts positions from its "
            f"padding id, which is {counted_from}.",
            next_step=f"Number the vocabulary so that padding is {counted_from}.",
        )
    padding = None if old.padding_idx is None else tokenizer.pad_token_id
    fresh = nn.Embedding(*expected, padding_idx=padding, _weight=table.to(old.weight).detach().clone())
    fresh.weight.requires_grad_(old.weight.requires_grad)
    encoder.set_input_embeddings(fresh)
    _renumber_config(encoder.config, transformer.tokenizer, tokenizer)
    transformer.processor = tokenizer
    transformer.input_formatter.processor = tokenizer


def _renumber_config(config: Any, before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase) -> None:
    """Let the special ids of a config mean the same tokens as before; an id without such a token becomes `None`."""
    vocabulary = after.get_vocab()

    def renumbered(number: int) -> int | None:
        token = before.convert_ids_to_tokens(number) if 0 <= number < len(before) else None
        return vocabulary.get(token) if isinstance(token, str) else None

    for field, value in list(vars(config).items()):
        if field.endswith("_token_id") and isinstance(value, int):
            setattr(config, field, renumbered(value))
    config.vocab_size = len(vocabulary)
    config.pad_token_id = after.pad_token_id


def gathered(table: Tensor, rows: Sequence[int]) -> Tensor:
    """Return some rows of a table, in the order given. Shape: (n_rows, hidden)."""
    return table.detach()[torch.as_tensor(rows, dtype=torch.long, device=table.device)]
