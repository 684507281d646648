"""Whether an encoder is fit to teach: what a look at its vectors says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.soundness import require_different
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError

_PROBE = (
    "A man is playing a guitar.",
    "The committee will meet again on Tuesday to discuss the budget for next year.",
    "No.",
    "Rain is expected in the north, while the south stays dry and warm until the weekend.",
)
_UNIT_NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What a look at an encoder found.

    Attributes:
        dim: Width of its vectors.
        unit_norm: Whether its vectors have length one.
        max_seq_length: Tokens after which it cuts a text off; `None` if it never does.
        precision: Number format in which it runs here.
        bf16_parity: Smallest cosine between its bf16 and fp32 vectors of four sentences; `None` in fp32.
    """

    dim: int
    unit_norm: bool
    max_seq_length: int | None
    precision: Precision
    bf16_parity: float | None


def examine(encoder: Encoder) -> EncoderFacts:
    """Look at an encoder: dimension, norm, truncation, number format.

    Raises:
        DataError: Its vectors are not finite, or all the same.
    """
    vectors = encoder.encode(_PROBE)
    require_different(vectors)
    norms = np.linalg.norm(vectors, axis=1)
    parity = None
    if encoder.precision is Precision.BF16 and isinstance(encoder, TransformerEncoder):
        exact = TransformerEncoder(encoder.model, prompt=encoder.prompt, precision=Precision.FP32).encode(_PROBE)
        products = (exact * vectors).sum(axis=1) / (np.linalg.norm(exact, axis=1) * norms)
        parity = float(products.min())
    return EncoderFacts(
        dim=vectors.shape[1],
        unit_norm=bool(np.abs(norms - 1).max() < _UNIT_NORM_TOLERANCE),
        max_seq_length=encoder.max_seq_length,
        precision=encoder.precision,
        bf16_parity=parity,
    )


def require_cosine(teacher: Encoder, facts: EncoderFacts) -> None:
    """Refuse a teacher that was trained for the dot product: vector length would be lost.

    Raises:
        UsageError: Its own similarity is the dot product and its vectors are not of length one.
    """
    model = getattr(teacher, "model", None)
    if getattr(model, "similarity_fn_name", None) == "dot" and not facts.unit_norm:
        raise UsageError(
            "the teacher was trained for the dot product of vectors of any length; students reproduce directions.",
            next_step="Take its cosine twin (for instance multi-qa-MiniLM-L6-cos-v1 for -dot-v1), "
            "or add a Normalize module to it and save it.",
        )


def truncated_share(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return the share of texts that an encoder cuts off at its maximum length."""
    if encoder.max_seq_length is None or not texts:
        return 0.0
    return float(np.mean(encoder.token_counts(texts) > encoder.max_seq_length))
