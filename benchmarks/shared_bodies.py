"""Encoders with the same transformer inside: what it makes of a text is computed once for all of them.

A head in a teacher's space stands on the untouched weights of the encoder that it was fitted to; the two differ in what
they pool and in what comes behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy import ndarray

from mling_embed.encoders.contract import BatchDone, PromptRole
from mling_embed.encoders.loading import encoder_of_model, load_sentence_transformer
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.files import sha256_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Pooled = dict[bytes, ndarray]
MODES = ("mean", "cls")  # what is kept of a transformer


class SharedBody:
    """Encode as a model does, with a store of what models of the same weights have pooled.

    Args:
        model: Transformer, `Pooling` of mean, first token or both, and whatever comes behind.
        pooled: Token ids -> mean and first token of the last layer; filled here.
        prompt: Put before texts without a role; by default the model's own default prompt.

    Attributes:
        forwarded: Texts that went through the transformer.
    """

    def __init__(self, model: SentenceTransformer, pooled: Pooled, *, prompt: str | None = None) -> None:
        self._own = TransformerEncoder(model, prompt=prompt)
        self._wide = TransformerEncoder(body_of(model), prompt="")
        self._pooled, self.forwarded = pooled, 0

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._own.dim

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._own.device

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self._own.fingerprint

    @property
    def precision(self) -> Precision:
        """Number format of the products."""
        return self._own.precision

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a text is cut off."""
        return self._own.max_seq_length

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """Text put before queries and passages."""
        return self._own.prompts

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> ndarray:
        """Encode texts; what their tokens were pooled to is kept. Shape: (dim,) or (n_texts, dim)."""
        if isinstance(texts, str):
            return np.asarray(self.encode([texts], role=role, done=done)[0])
        prompt = self._own.prompt if role is None else self.prompts[role]
        prompted = [prompt + text for text in texts]
        keys = self._keys(prompted)
        new = {key: text for key, text in zip(keys, prompted, strict=True) if key not in self._pooled}
        self._pooled |= zip(new, self._wide.encode(list(new.values())), strict=True)
        self.forwarded += len(new)
        vectors = self._vectors(keys)
        if done is not None:
            done(np.arange(len(vectors)), vectors)
        return vectors

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> ndarray:
        """Return the tokens of each text. Shape: (n_texts,)."""
        return self._own.token_counts(texts, role=role)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write the model."""
        self._own.save(folder, model_card=model_card)

    def _vectors(self, keys: Sequence[bytes]) -> ndarray:
        if not keys:
            return np.zeros((0, self.dim), np.float32)
        return behind(self._own.model, np.stack([self._pooled[key] for key in keys]))[:, : self.dim]

    def _keys(self, prompted: Sequence[str]) -> list[bytes]:
        """Return the token ids of texts, cut off as they are for the transformer."""
        tokenizer, longest = self._own.model.tokenizer, self.max_seq_length
        if not prompted:
            return []
        found = tokenizer(list(prompted), truncation=longest is not None, max_length=longest, padding=False)
        return [np.asarray(ids, np.int32).tobytes() for ids in found["input_ids"]]


def load_sharing(folder: str, bodies: dict[str, Pooled], *, prompt_of: Callable[[Any], str | None]) -> Any:
    """Load an encoder; one whose transformer can be shared uses the store of its weights.

    Args:
        folder: Or the name of a model.
        bodies: SHA-256 of the weights -> the store; filled here.
        prompt_of: Returns what is put before texts without a role, of the loaded model.
    """
    model = load_sentence_transformer(folder, device="cpu")
    prompt = prompt_of(model)
    weights = Path(folder) / "model.safetensors"
    if not weights.is_file() or not can_share(model):
        return encoder_of_model(model, prompt=prompt)
    settings = Path(folder) / "config.json"
    key = sha256(f"{sha256_of(weights)} {sha256_of(settings)}".encode()).hexdigest()
    return SharedBody(model, bodies.setdefault(key, {}), prompt=prompt)


def can_share(model: SentenceTransformer) -> bool:
    """Return whether a model pools its transformer's tokens, prompt included, in ways that are kept."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    return (
        len(model) > 1
        and isinstance(model[0], Transformer)
        and isinstance(model[1], Pooling)
        and model[1].include_prompt
        and set(_modes(model)) <= set(MODES)
    )


def body_of(model: SentenceTransformer) -> SentenceTransformer:
    """Return a model's transformer with mean and first token behind it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    width = model[1].embedding_dimension
    return SentenceTransformer(modules=[model[0], Pooling(width, pooling_mode=MODES)], device="cpu")


def behind(model: SentenceTransformer, pooled: ndarray) -> ndarray:
    """Return what a model makes of mean and first token of its transformer. Shape: (n_texts, width)."""
    parts = dict(zip(MODES, np.split(pooled, len(MODES), axis=1), strict=True))
    features: dict[str, Any] = {
        "sentence_embedding": torch.from_numpy(np.concatenate([parts[mode] for mode in _modes(model)], axis=1))
    }
    with torch.inference_mode():
        for module in list(model)[2:]:
            features = module(features)
    vectors: torch.Tensor = features["sentence_embedding"]
    return vectors.float().numpy()


def _modes(model: SentenceTransformer) -> tuple[str, ...]:
    mode: Any = model[1].pooling_mode
    return (mode,) if isinstance(mode, str) else tuple(mode)
