"""Which kernel an encoder's attention runs in, on a processor: plain matrix products or torch's fused one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PLAIN = "eager"
_ROUNDS = 3
_CLEARLY = 0.97  # of plain's time: what is won by less is not worth other rounding


class Attention(StrEnum):
    """Name a kernel; `auto` is the faster one, by a measurement, where the work is long enough for it."""

    AUTO = "auto"
    PLAIN = "plain"
    FUSED = "fused"


@contextmanager
def attention_on_cpu(model: SentenceTransformer, kind: Attention = Attention.PLAIN) -> Iterator[None]:
    """Let a model on a CPU attend by plain matrix products, or as it did, for as long as this lasts.

    Where sentences have a dozen tokens, the backward pass of torch's fused kernel takes several times as long as they
    do on processors that multiply bf16, and less than they do on others. Results differ by rounding alone.

    Args:
        model: A sentence-transformers model with a transformer; on another device it is left as it is.
        kind: `fused` leaves it as it is, too.
    """
    from mling_embed.encoders.anatomy import transformer_of

    encoder = transformer_of(model).model
    before = encoder.config._attn_implementation
    if kind is Attention.FUSED or encoder.device.type != "cpu" or before == _PLAIN:
        yield
        return
    encoder.set_attn_implementation(_PLAIN)
    try:
        yield
    finally:
        encoder.set_attn_implementation(before)


def faster_attention(
    model: SentenceTransformer, work: Callable[[], None], *, clock: Callable[[], float] = time.perf_counter
) -> Attention:
    """Do some work with each kernel in turns, and return the one that took less time.

    Args:
        model: On a CPU; one that knows no fused kernel, or is elsewhere, is not measured.
        work: A few passes of the model, such as those of a training step.
        clock: Tells seconds.
    """
    from mling_embed.encoders.anatomy import transformer_of

    encoder = transformer_of(model).model
    if encoder.device.type != "cpu" or encoder.config._attn_implementation == _PLAIN:
        return Attention.PLAIN
    seconds = dict.fromkeys((Attention.PLAIN, Attention.FUSED), math.inf)
    for turn in range(_ROUNDS + 1):
        for kind in seconds:
            with attention_on_cpu(model, kind):
                began = clock()
                work()
                taken = clock() - began
            if turn:  # the first is to warm up
                seconds[kind] = min(seconds[kind], taken)
    return Attention.FUSED if seconds[Attention.FUSED] < _CLEARLY * seconds[Attention.PLAIN] else Attention.PLAIN
