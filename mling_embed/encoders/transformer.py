"""The encoder of any sentence-transformers model: batches of equal token counts, the number format that is fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float32, Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.encoders.batches import token_batches
from mling_embed.encoders.contract import BatchDone, PromptRole
from mling_embed.encoders.fingerprint import model_fingerprint
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.precision import Precision

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_Batch = tuple[Int[ndarray, " _"], Float32[ndarray, "_ dim"]]
# What a layer makes of 512 tokens stays in a processor's cache: short texts take two thirds of the time of 4,096.
_TOKENS_PER_BATCH, _TOKENS_ELSEWHERE = {"cpu": 512}, 65_536
_TEXTS_PER_CALL = 1024  # where the model's own encode does the work
# The names that sentence-transformers looks for, in its order.
_PROMPT_NAMES = {PromptRole.QUERY: ("query",), PromptRole.PASSAGE: ("document", "passage", "corpus")}


class TransformerEncoder:
    """Encode with a sentence-transformers model.

    Args:
        model: Any sentence-transformers model.
        prompt: Text put before every sentence that has no role; by default the model's own default prompt.
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
        self._given_prompt = prompt
        self._precision = precision.on(model.device.type)
        self.tokens_per_batch = tokens_per_batch or _TOKENS_PER_BATCH.get(model.device.type, _TOKENS_ELSEWHERE)

    @property
    def dim(self) -> int:
        """Width of a vector, after the model's own truncation."""
        return int(self.model.get_embedding_dimension() or 0)

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self.model.device)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that a vector depends on besides its text and the number format."""
        return model_fingerprint(self.model, prompt=self._given_prompt)

    @property
    def precision(self) -> Precision:
        """Number format of the products."""
        return self._precision

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a text is cut off; `None` if it never is."""
        length = self.model.max_seq_length
        return int(length) if isinstance(length, (int, float)) and np.isfinite(length) else None

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """Text that the model puts before queries and before passages; empty where it has none."""
        own = self.model.prompts
        found = {role: [own[name] for name in names if own.get(name)] for role, names in _PROMPT_NAMES.items()}
        return {role: (texts[0] or "") if texts else "" for role, texts in found.items()}

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts in batches of equal token counts, longest first.

        Args:
            texts: One text gives one vector, a sequence a matrix.
            role: Whose prompt is put before the texts; `prompt` without one. A `Router` model takes its way.
            done: Told the row numbers of each batch and their vectors, as soon as it is done.

        Returns:
            As the model gives them (of length one only if it normalises). Shape: (dim,) or (n_texts, dim).
        """
        if isinstance(texts, str):
            vector: Float32[ndarray, " dim"] = self.encode([texts], role=role, done=done)[0]
            return vector
        prompt = self.prompt if role is None else self.prompts[role]
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        fast = self._is_plain and (not prompt or self._prompt_is_pooled)
        # One context for all batches: autocast keeps the weights that it has cast until it ends.
        with torch.inference_mode(), self._autocast() if fast else nullcontext():
            for rows, part in self._fast_batches(texts, prompt) if fast else self._plain_batches(texts, prompt, role):
                vectors[rows] = part
                if done is not None:
                    done(rows, part)
        return vectors

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text with prompt and special tokens, before it is cut off. Shape: (n_texts,)."""
        if not texts:
            return np.zeros(0, dtype=np.int64)
        prompt = self.prompt if role is None else self.prompts[role]
        if isinstance(self.model.tokenizer, Tokenizer):  # of a static model
            encodings = self.model.tokenizer.encode_batch([prompt + text for text in texts])
            return np.asarray([len(encoding) for encoding in encodings], dtype=np.int64)
        encoded = self._tokenize(texts, prompt, max_length=None)
        return np.asarray([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write a folder that plain sentence-transformers loads; it appears when it is whole."""
        write_model(self.model, folder, model_card=model_card)

    def _plain_batches(self, texts: Sequence[str], prompt: str, role: PromptRole | None) -> Iterator[_Batch]:
        """Leave the work to the model's own `encode`, or the one of the role."""
        by_role: dict[PromptRole, Callable[..., Any]] = {
            PromptRole.QUERY: self.model.encode_query,
            PromptRole.PASSAGE: self.model.encode_document,
        }
        encode: Callable[..., Any] = self.model.encode if role is None else by_role[role]
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            chunk = list(texts[start : start + _TEXTS_PER_CALL])
            vectors = encode(chunk, prompt=prompt or None, show_progress_bar=False)
            yield np.arange(start, start + len(chunk)), vectors

    def _fast_batches(self, texts: Sequence[str], prompt: str) -> Iterator[_Batch]:
        if not texts:
            return
        encoded = self._tokenize(texts, prompt, max_length=self.max_seq_length)
        lengths = np.asarray([len(ids) for ids in encoded["input_ids"]])
        for rows in token_batches(lengths, self.tokens_per_batch):
            chosen = {name: [values[row] for row in rows] for name, values in encoded.items()}
            padded = self.model.tokenizer.pad(chosen, return_tensors="pt")
            features = {name: tensor.to(self.model.device) for name, tensor in padded.items()}
            vectors = self.model(features)["sentence_embedding"][:, : self.dim]  # a prefix, if the model is truncated
            yield rows, vectors.float().cpu().numpy()

    def _tokenize(self, texts: Sequence[str], prompt: str, *, max_length: int | None) -> Any:
        return self.model.tokenizer(
            [prompt + text for text in texts],
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
            verbose=False,
        )

    def _autocast(self) -> Any:
        enabled = self.precision is Precision.BF16
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=enabled)

    @property
    def _is_plain(self) -> bool:
        """Whether the first module is a transformer with a fast tokenizer, which is called directly here."""
        from sentence_transformers.sentence_transformer.modules import Transformer

        return isinstance(self.model[0], Transformer) and hasattr(self.model.tokenizer, "backend_tokenizer")

    @property
    def _prompt_is_pooled(self) -> bool:
        return all(getattr(module, "include_prompt", True) for module in self.model)
