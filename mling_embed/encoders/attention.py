"""Which kernel an encoder's attention runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mling_embed.encoders.anatomy import transformer_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PLAIN = "eager"


@contextmanager
def plain_attention_on_cpu(model: SentenceTransformer) -> Iterator[None]:
    """Let a model on a CPU attend by plain matrix products for as long as this lasts.

    The backward pass of torch's fused CPU kernel takes several times as long as they do where sentences have a dozen
    tokens, and then nearly half of a training step. Results differ by rounding alone.

    Args:
        model: A sentence-transformers model with a transformer; on another device it is left as it is.
    """
    encoder = transformer_of(model).model
    before = encoder.config._attn_implementation
    if encoder.device.type != "cpu" or before == _PLAIN:
        yield
        return
    encoder.set_attn_implementation(_PLAIN)
    try:
        yield
    finally:
        encoder.set_attn_implementation(before)
