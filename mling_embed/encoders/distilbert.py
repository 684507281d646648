"""Make a DistilBERT out of a BERT: half of its layers, without token types and pooler (Sanh et al. 2019)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mling_embed.encoders.anatomy import encoder_layers, encoder_of
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pruning import choose_layers, require_layers
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LAYER_PARTS = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def distilbert_student(
    teacher: SentenceTransformer | str | Path, *, layers: Sequence[int] | None = None
) -> SentenceTransformer:
    """Return a DistilBERT that starts from a BERT's weights, with its tokenizer, pooling and head.

    All of a kept layer is copied. DistilBERT has no token types: the row that every token of a single text gets is
    added to the positions, so a student with all layers gives the teacher's vectors. BERT's pooler is left out.

    Args:
        teacher: A BERT: a model, a folder, or a name of the hub; a plain checkpoint comes with mean pooling.
        layers: Numbers of the layers to copy, ascending; every other one by default (`choose_layers`).

    Raises:
        UsageError: The teacher is no BERT, or has no such layers.
    """
    from transformers import DistilBertConfig, DistilBertModel

    if isinstance(teacher, str | Path):
        teacher = load_sentence_transformer(teacher)
    bert = encoder_of(teacher)
    if type(bert).__name__ != "BertModel":
        raise UsageError(
            f"a DistilBERT starts from a BertModel; the teacher is a {type(bert).__name__}.",
            next_step="Prune the layers of the teacher itself instead.",
        )
    n_layers = len(encoder_layers(bert))
    kept = choose_layers(n_layers, max(1, n_layers // 2)) if layers is None else tuple(layers)
    require_layers(kept, n_layers)
    old = bert.config
    config = DistilBertConfig(
        vocab_size=old.vocab_size,
        max_position_embeddings=old.max_position_embeddings,
        n_layers=len(kept),
        n_heads=old.num_attention_heads,
        dim=old.hidden_size,
        hidden_dim=old.intermediate_size,
        dropout=old.hidden_dropout_prob,
        attention_dropout=old.attention_probs_dropout_prob,
        activation=old.hidden_act,
        initializer_range=old.initializer_range,
        pad_token_id=old.pad_token_id,
    )
    student = DistilBertModel(config)
    student.load_state_dict(_copied(bert.state_dict(), kept), strict=True)
    return _with_encoder(teacher, student)


def _copied(bert: Mapping[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    """Return a BERT's weights under DistilBERT's names."""
    positions = bert["embeddings.position_embeddings.weight"] + bert["embeddings.token_type_embeddings.weight"][0]
    weights = {"embeddings.position_embeddings.weight": positions}
    for name in ("word_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"):
        weights[f"embeddings.{name}"] = bert[f"embeddings.{name}"]
    for new, number in enumerate(kept):
        for part, renamed in _LAYER_PARTS.items():
            for kind in ("weight", "bias"):
                weights[f"transformer.layer.{new}.{renamed}.{kind}"] = bert[f"encoder.layer.{number}.{part}.{kind}"]
    return weights


def _with_encoder(teacher: SentenceTransformer, encoder: Any) -> SentenceTransformer:
    """Return a model with another transformer before copies of the teacher's pooling and head."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer

    with TemporaryDirectory() as folder:
        encoder.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        first = Transformer(folder, max_seq_length=teacher.max_seq_length)
    first.tokenizer.name_or_path = teacher.tokenizer.name_or_path
    return SentenceTransformer(
        modules=[first, *(copy.deepcopy(module) for module in list(teacher)[1:])],
        device=str(teacher.device),
        prompts={name: prompt for name, prompt in teacher.prompts.items() if prompt is not None},
        default_prompt_name=teacher.default_prompt_name,
        similarity_fn_name=teacher.similarity_fn_name,
        truncate_dim=teacher.truncate_dim,
    )
