"""Trace an encoder into an ONNX graph: token ids in, token vectors and the sentence's vector out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float32, Int
from torch import Tensor, nn

from mling_embed.encoders.attention import attention_on_cpu
from mling_embed.encoders.exports.graph import INPUTS, OUTPUT, TOKEN_OUTPUT, missing_runtime
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OPSET = 20
_EXAMPLE = ["Where is the station, please?", "Yes."]  # of unequal lengths, so that neither axis is taken for fixed


class _Whole(nn.Module):
    """A sentence-transformers model as one function of named tensors."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model: Any = model

    def forward(
        self,
        input_ids: Int[Tensor, "batch length"],
        attention_mask: Int[Tensor, "batch length"],
        token_type_ids: Int[Tensor, "batch length"] | None = None,
    ) -> tuple[Float32[Tensor, "batch length hidden"], Float32[Tensor, "batch dim"]]:
        """Return token vectors and sentence vectors."""
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            features["token_type_ids"] = token_type_ids
        first, *others = self.model
        tokens = first.model(**features).last_hidden_state
        features = {"token_embeddings": tokens, "attention_mask": attention_mask}
        for module in others:
            features = module(features)
        return tokens, features[OUTPUT]


def trace(model: SentenceTransformer, path: Path) -> None:
    """Write an encoder as an ONNX graph in fp32.

    Its outputs are the token vectors, which sentence-transformers' ``backend="onnx"`` reads, and the vectors of the
    sentences, behind all of the model's modules.

    Args:
        model: On a processor.
        path: The ``.onnx`` file.

    Raises:
        UsageError: It is no transformer with a fast tokenizer, or leaves its prompt out of the pooling; or what writes
            ONNX is not installed.
    """
    _require_plain(model)
    try:
        import onnxscript  # noqa: F401 -- what torch.onnx writes with
    except ImportError as error:
        raise missing_runtime("onnxscript", extra="onnx") from error
    example = model.tokenizer(_EXAMPLE, padding=True, return_tensors="pt")
    inputs: Mapping[str, Tensor] = {name: example[name] for name in INPUTS if name in example}
    with torch.no_grad(), attention_on_cpu(model), _quiet():
        torch.onnx.export(
            _Whole(model).eval(),
            (),
            str(path),
            kwargs=dict(inputs),
            input_names=list(inputs),
            output_names=[TOKEN_OUTPUT, OUTPUT],
            dynamic_shapes={name: {0: "batch", 1: "length"} for name in inputs},
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _require_plain(model: SentenceTransformer) -> None:
    from sentence_transformers.sentence_transformer.modules import Transformer

    if not isinstance(model[0], Transformer) or not hasattr(model.tokenizer, "backend_tokenizer"):
        raise UsageError(
            f"the model starts with a {type(model[0]).__name__}; expected a transformer with a fast tokenizer.",
            next_step="A static encoder is as fast as its tokenizer already: use it as it is.",
        )
    if not all(getattr(module, "include_prompt", True) for module in model) and any(model.prompts.values()):
        raise UsageError("the model leaves its prompt out of the pooling, which a graph cannot.")
    if model.tokenizer.padding_side != "right":
        raise UsageError("the model's tokenizer fills texts up on the left; expected on the right.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what torch's exporter says of itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
