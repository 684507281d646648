"""A teacher: what its vectors depend on, whether it is fit to teach, and its vectors themselves, fast."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from mling_embed.errors import DataError, UsageError
from mling_embed.hardware import native_bf16

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_PROBE = (
    "A man is playing a guitar.",
    "The committee will meet again on Tuesday to discuss the budget for next year.",
    "No.",
    "Rain is expected in the north, while the south stays dry and warm until the weekend.",
)
_UNIT_NORM_TOLERANCE = 1e-3
_Batch = tuple[Int[ndarray, " _"], Float32[ndarray, "_ dim"]]
BatchDone = Callable[[Int[ndarray, " _"], Float32[ndarray, "_ dim"]], None]
_TEXTS_PER_CALL = 1024  # where the model's own encode does the work


class Precision(StrEnum):
    """The number format of the teacher's matrix products."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """What a look at a teacher found.

    Attributes:
        dim: Width of its vectors.
        unit_norm: Whether its vectors have length one.
        pooling: Names of its modules after the transformer, as saved.
        max_seq_length: Tokens after which it cuts a text off; `None` if it never does.
        prompt: Text that is put before each sentence.
        precision: Number format in which it runs here.
        bf16_parity: Smallest cosine between its bf16 and fp32 vectors of four sentences; `None` in fp32.
    """

    dim: int
    unit_norm: bool
    pooling: tuple[str, ...]
    max_seq_length: int | None
    prompt: str
    precision: Precision
    bf16_parity: float | None


class Teacher:
    """An English encoder whose vectors the student learns to reproduce.

    Args:
        model: Any sentence-transformers model.
        prompt: Text put before every sentence; by default the model's own default prompt.
        precision: `auto` takes bf16 where the hardware has it.
        tokens_per_batch: Padded tokens in one forward pass; the default fits a CPU's cache.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        prompt: str | None = None,
        precision: Precision = Precision.AUTO,
        tokens_per_batch: int | None = None,
    ) -> None:
        self.model = model.eval()
        default = model.prompts.get(model.default_prompt_name or "", "")
        self.prompt: str = (default or "") if prompt is None else prompt
        if precision is Precision.AUTO:
            precision = Precision.BF16 if native_bf16(self.model.device.type) else Precision.FP32
        self.precision = precision
        self.tokens_per_batch = tokens_per_batch or (4096 if self.model.device.type == "cpu" else 65536)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that a vector depends on besides its text: weights, tokenizer, modules, prompt, format."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        modules = [(type(module).__name__, _plain(getattr(module, "get_config_dict", dict)())) for module in self.model]
        settings = {
            "tokenizer": self._tokenizer_state(),
            "architecture": [_architecture(module) for module in self.model],
            "modules": modules,
            "max_seq_length": self._max_length,
            "prompt": self.prompt,
            "precision": self.precision,
        }
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
        return digest.hexdigest()

    @cached_property
    def facts(self) -> TeacherFacts:
        """Look at the teacher: dimension, norm, pooling, truncation, prompt, precision.

        Raises:
            DataError: Its vectors are not finite, or all the same.
        """
        vectors = self.encode(_PROBE)
        if not np.isfinite(vectors).all() or np.ptp(vectors, axis=0).max() < 1e-6:
            raise DataError(
                "the teacher's vectors are not finite, or all the same.", next_step="Choose another teacher."
            )
        norms = np.linalg.norm(vectors, axis=1)
        return TeacherFacts(
            dim=vectors.shape[1],
            unit_norm=bool(np.abs(norms - 1).max() < _UNIT_NORM_TOLERANCE),
            pooling=tuple(_module_label(module) for module in list(self.model)[1:]),
            max_seq_length=self._max_length,
            prompt=self.prompt,
            precision=self.precision,
            bf16_parity=self._parity(vectors) if self.precision is Precision.BF16 else None,
        )

    def require_cosine(self) -> None:
        """Refuse a teacher that was trained for the dot product: vector length would be lost.

        Raises:
            UsageError: Its own similarity is the dot product and its vectors are not of length one.
        """
        if self.model.similarity_fn_name == "dot" and not self.facts.unit_norm:
            raise UsageError(
                "the teacher was trained for the dot product of vectors of any length; students reproduce directions.",
                next_step="Take its cosine twin (for instance multi-qa-MiniLM-L6-cos-v1 for -dot-v1), "
                "or add a Normalize module to it and save it.",
            )

    def encode(self, texts: Sequence[str], *, done: BatchDone | None = None) -> Float32[ndarray, "n_texts dim"]:
        """Encode texts in batches of equal token counts, longest first.

        Args:
            texts: The texts.
            done: Told the row numbers of each batch and their vectors, as soon as it is done.

        Returns:
            Shape: (n_texts, dim), float32, as the teacher gives them (of length one only if it normalises).
        """
        vectors = np.zeros((len(texts), self.model.get_embedding_dimension() or 0), dtype=np.float32)
        fast = self._fast_tokenizer is not None and self._prompt_is_pooled
        # One context for all batches: autocast keeps the weights that it has cast until it ends.
        with torch.inference_mode(), self._autocast() if fast else nullcontext():
            for rows, part in self._fast_batches(texts) if fast else self._plain_batches(texts):
                vectors[rows] = part
                if done is not None:
                    done(rows, part)
        return vectors

    def _plain_batches(self, texts: Sequence[str]) -> Iterator[_Batch]:
        """Leave the work to the model's own `encode`."""
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            chunk = list(texts[start : start + _TEXTS_PER_CALL])
            vectors = self.model.encode(chunk, prompt=self.prompt or None, show_progress_bar=False)
            yield np.arange(start, start + len(chunk)), vectors

    def _fast_batches(self, texts: Sequence[str]) -> Iterator[_Batch]:
        if not texts:
            return
        encoded = self._tokenize(texts, max_length=self._max_length)
        lengths = np.asarray([len(ids) for ids in encoded["input_ids"]])
        for rows in token_batches(lengths, self.tokens_per_batch):
            chosen = {name: [values[row] for row in rows] for name, values in encoded.items()}
            padded = self.model.tokenizer.pad(chosen, return_tensors="pt")
            features = {name: tensor.to(self.model.device) for name, tensor in padded.items()}
            yield rows, self.model(features)["sentence_embedding"].float().cpu().numpy()

    def truncated_share(self, texts: Sequence[str]) -> float:
        """Return the share of texts that the teacher cuts off at its maximum length."""
        if self._max_length is None or self._fast_tokenizer is None or not texts:
            return 0.0
        encoded = self._tokenize(texts, max_length=self._max_length + 1)
        return float(np.mean([len(ids) > self._max_length for ids in encoded["input_ids"]]))

    def _tokenize(self, texts: Sequence[str], *, max_length: int | None) -> Any:
        return self.model.tokenizer(
            [self.prompt + text for text in texts],
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
        )

    def _tokenizer_state(self) -> Any:
        if self._fast_tokenizer is None:
            return repr(self.model.tokenizer)
        # Truncation and padding are what the last call set.
        return {**json.loads(self._fast_tokenizer.to_str()), "truncation": None, "padding": None}

    def _autocast(self) -> Any:
        enabled = self.precision is Precision.BF16
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _parity(self, bf16_vectors: Float[ndarray, "n_texts dim"]) -> float:
        exact = Teacher(self.model, prompt=self.prompt, precision=Precision.FP32).encode(_PROBE)
        norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(bf16_vectors, axis=1)
        return float(((exact * bf16_vectors).sum(axis=1) / norms).min())

    @property
    def _max_length(self) -> int | None:
        length = self.model.max_seq_length
        return int(length) if isinstance(length, (int, float)) and np.isfinite(length) else None

    @property
    def _fast_tokenizer(self) -> Any:
        return getattr(self.model.tokenizer, "backend_tokenizer", None)

    @property
    def _prompt_is_pooled(self) -> bool:
        return not self.prompt or all(getattr(module, "include_prompt", True) for module in self.model)


def token_batches(lengths: ndarray, tokens_per_batch: int) -> Iterator[ndarray]:
    """Cut rows into batches of at most `tokens_per_batch` padded tokens, longest rows first.

    Args:
        lengths: Tokens per row. Shape: (n_rows,).
        tokens_per_batch: Limit of rows times longest row; a single row may exceed it.

    Yields:
        Row numbers of one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def teacher_report(teacher: Teacher) -> dict[str, Any]:
    """Return the teacher's facts and fingerprint as plain values, for JSON."""
    return {**asdict(teacher.facts), "fingerprint": teacher.fingerprint}


def _module_label(module: Any) -> str:
    mode = getattr(module, "pooling_mode", None)
    return f"{type(module).__name__}({mode})" if mode else type(module).__name__


def _architecture(module: Any) -> dict[str, Any]:
    """Return the settings of a module's transformer, less those that name where it came from."""
    config = getattr(getattr(module, "auto_model", None), "config", None)
    settings = config.to_dict() if config is not None else {}
    return {name: value for name, value in settings.items() if name not in ("_name_or_path", "transformers_version")}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if isinstance(value, str | int | float | bool | None | list)}
