"""Plain attention: the same vectors and gradients, and the model as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mling_embed.encoders.anatomy import encoder_of, token_embedding
from mling_embed.encoders.attention import Attention, attention_on_cpu, faster_attention


def vectors_and_gradient(model: Any, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    model.zero_grad(set_to_none=True)
    found = model(model.tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt"))
    found["sentence_embedding"].square().sum(dim=1).sqrt().sum().backward()
    gradient = token_embedding(model).weight.grad
    assert gradient is not None
    return found["sentence_embedding"].detach().numpy(), gradient.numpy()


def test_vectors_and_gradients_are_the_same(
    family: str, tiny_model: Callable[..., Any], sentences: dict[str, list[str]]
) -> None:
    # torch's fused kernel gives NaN for a sentence of padding alone in ModernBERT's window, in fp64
    precision, limit = (torch.float32, 1e-4) if family == "modernbert" else (torch.float64, 1e-9)
    model, texts = tiny_model(family).to(precision).eval(), [*sentences["english"][:6], *sentences["hostile"]]
    fused = vectors_and_gradient(model, texts)
    with attention_on_cpu(model):
        assert encoder_of(model).config._attn_implementation == "eager"
        plain = vectors_and_gradient(model, texts)
    for one, other in zip(fused, plain, strict=True):
        assert np.linalg.norm(one - other) <= limit * np.linalg.norm(one)


def test_the_kernel_comes_back_after_an_error(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert")
    before = encoder_of(model).config._attn_implementation
    assert before != "eager"
    with pytest.raises(RuntimeError, match="stopped"), attention_on_cpu(model):
        raise RuntimeError("stopped")
    assert encoder_of(model).config._attn_implementation == before


def test_another_device_is_left_alone(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert").to(torch.device("meta"))
    before = encoder_of(model).config._attn_implementation
    with attention_on_cpu(model):
        assert encoder_of(model).config._attn_implementation == before


@pytest.mark.parametrize(
    ("plain", "fused", "chosen"), [(1.0, 0.8, Attention.FUSED), (1.0, 0.98, Attention.PLAIN), (0.8, 1, Attention.PLAIN)]
)
def test_the_clearly_faster_kernel_is_chosen(
    plain: float, fused: float, chosen: Attention, tiny_model: Callable[..., Any]
) -> None:
    model = tiny_model("bert")
    now, first = 0.0, True

    def work() -> None:
        nonlocal now, first
        kernel = encoder_of(model).config._attn_implementation
        now += 9.0 if first else plain if kernel == "eager" else fused  # warming up counts for neither
        first = False

    assert faster_attention(model, work, clock=lambda: now) is chosen
    with attention_on_cpu(model, Attention.PLAIN):
        assert faster_attention(model, work, clock=lambda: now) is Attention.PLAIN  # it knows no other
