"""Measure where the time of a training step goes, and how near its rate comes to that of bare matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from accelerate import Accelerator
from measure import Measurement
from sentence_transformers import SentenceTransformer
from torch.profiler import ProfilerActivity
from trainer_pairs import Pairs
from trainer_race import Race, Watch

from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.attention import Attention
from mling_embed.hardware import default_device
from mling_embed.training import trainer
from mling_embed.training.collator import Collator
from mling_embed.training.optimizers import Optimizers
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets
from mling_embed.training.trainer import wants_bf16

GEMM_SECONDS = 0.3
# Kind of kernel -> parts of the names of torch's operators.
KERNELS = {
    "fused attention": ("flash_attention", "efficient_attention"),
    "matrix products": ("::mm", "::addmm", "::bmm", "::baddbmm", "mkldnn_linear"),
    "softmax": ("softmax",),
    "GELU": ("gelu",),
    "LayerNorm": ("layer_norm",),
    "dropout": ("dropout", "bernoulli"),
    "copies and casts": ("copy_", "clone", "::cat", "_to_copy"),
    "token embeddings": ("embedding", "index"),
    "optimizer": ("adamw", "addcmul", "addcdiv", "lerp", "foreach"),
}


class Parts:
    """Seconds by part of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, *parts: tuple[Any, str, str]) -> Iterator[None]:
        """Time functions, given as place, name and part, for as long as this lasts."""
        with ExitStack() as stack:
            for place, name, part in parts:
                stack.enter_context(patch.object(place, name, self._wrapped(getattr(place, name), part)))
            yield

    def _wrapped(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            found = function(*arguments, **named)
            self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - began
            return found

        return wrapped


def profile(result: Measurement, race: Race, pairs: Pairs, targets: Targets, *, rounds: int) -> None:
    """Measure the parts and kernels of our step, its products beside bare ones, and what fused attention would cost."""
    settings = TrainingSettings()
    passes(result, race, pairs, targets, settings)
    kernels(result, race, pairs, targets, settings)
    attention(result, race, pairs, targets, settings, rounds=rounds)


def passes(result: Measurement, race: Race, pairs: Pairs, targets: Targets, settings: TrainingSettings) -> None:
    """Measure the shares of our step's parts, and the rate of its passes beside that of their matrix products alone."""
    parts, watch = Parts(), Watch()
    with parts.timed(
        (Collator, "slices", "collate"),
        (Collator, "targets", "collate"),
        (SentenceTransformer, "forward", "forward"),
        (trainer, "distillation_loss", "loss"),
        (Accelerator, "backward", "backward"),
        (Optimizers, "step", "optimizer"),
    ):
        student = race.ours(pairs, targets, watch, settings=settings)
    parts.seconds["tokenize"] = watch.prepared
    parts.seconds["rest"] = watch.seconds - sum(parts.seconds.values())
    keep_shares(result, "our step", parts.seconds, steps=len(watch.steps))
    shapes = linear_shapes(student)
    flops = 6.0 * watch.padded * sum(into * out for into, out in shapes)
    achieved = flops / (parts.seconds["forward"] + parts.seconds["backward"]) / 1e9
    dtype = torch.bfloat16 if wants_bf16(settings, default_device()) else torch.float32
    bare = gemm_rate(shapes, settings.tokens_per_slice, dtype)
    result.figures["our_passes_gflops"] = achieved
    result.figures["bare_products_gflops"] = bare
    result.figures["share_of_bare_products"] = achieved / bare
    result.facts |= {"precision": str(dtype).removeprefix("torch."), "layer_matrices": len(shapes)}


def kernels(result: Measurement, race: Race, pairs: Pairs, targets: Targets, settings: TrainingSettings) -> None:
    """Measure the shares of torch's kernels in our training, by kind."""
    watch = Watch()
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as found:
        race.ours(pairs, targets, watch, settings=settings)
    seconds = dict.fromkeys(KERNELS, 0.0) | {"other kernels": 0.0}
    for event in found.key_averages():
        if event.key.startswith("aten::"):
            kind = next((kind for kind, names in KERNELS.items() if any(name in event.key for name in names)), None)
            seconds[kind or "other kernels"] += event.self_cpu_time_total / 1e6
    keep_shares(result, "kernels", seconds, steps=len(watch.steps))


def attention(
    result: Measurement, race: Race, pairs: Pairs, targets: Targets, settings: TrainingSettings, *, rounds: int
) -> None:
    """Measure our training with torch's fused attention beside the plain products that it has, in turns."""
    seconds: dict[str, list[float]] = {"fused": [], "plain": []}
    for _ in range(rounds):
        for name in seconds:
            watch = Watch()
            race.ours(pairs, targets, watch, settings=replace(settings, attention=Attention(name)))
            seconds[name].append(watch.seconds - watch.prepared)
    result.figures["ratio_fused_to_plain_attention"] = float(np.median(seconds["fused"]) / np.median(seconds["plain"]))


def keep_shares(result: Measurement, of: str, seconds: dict[str, float], *, steps: int) -> None:
    """Keep seconds, and the share of the whole that they are."""
    whole = sum(seconds.values())
    for name, each in seconds.items():
        result.scores.append({"task": f"{of}: {name}", "n": steps, "score": each / whole, "seconds": each})


def linear_shapes(student: SentenceTransformer) -> list[tuple[int, int]]:
    """Return width in and out of every matrix of the layers."""
    modules = encoder_layers(student).modules()
    return [(found.in_features, found.out_features) for found in modules if isinstance(found, torch.nn.Linear)]


def gemm_rate(shapes: Sequence[tuple[int, int]], rows: int, dtype: torch.dtype) -> float:
    """Return the GFLOP/s of the three products of training, for matrices of these shapes, with nothing around them."""
    flops = seconds = 0.0
    for (into, out), times in {shape: shapes.count(shape) for shape in shapes}.items():
        x, weight = torch.randn(rows, into).to(dtype), torch.randn(out, into).to(dtype)
        gradient = torch.randn(rows, out).to(dtype)
        for left, right in ((x, weight.T), (gradient, weight), (gradient.T, x)):
            left @ right
            found, began = [], perf_counter()
            while perf_counter() - began < GEMM_SECONDS:
                start = perf_counter()
                left @ right
                found.append(perf_counter() - start)
            seconds += times * float(np.median(found))
            flops += times * 2.0 * rows * into * out
    return flops / seconds / 1e9
