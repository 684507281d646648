"""The static student: a token table with summed token vectors, saved as a plain sentence-transformers folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Int
from numpy import ndarray
from tokenizers import Tokenizer
from torch.nn import functional

from mling_embed.encoders.contract import BatchDone, Encoder, PromptRole
from mling_embed.encoders.fingerprint import model_fingerprint
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.precision import Precision
from mling_embed.errors import DataError
from mling_embed.tokenizers.token_bags import TokenBags

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SENTENCES_AT_A_TIME = 1024


class StaticEncoder:
    """Encode sentences with a token table, as fast as they can be tokenized.

    Gives the vectors that the saved folder gives in sentence-transformers, without its per-batch overhead.

    Args:
        tokenizer: Cuts a text into token ids.
        table: One vector a token. Shape: (vocabulary, dim).
        device: Where the table is.
        threads: Parts encoded at the same time; as many as torch uses by default.
    """

    precision = Precision.FP32
    max_seq_length: int | None = None
    prompts: Mapping[PromptRole, str] = MappingProxyType(dict.fromkeys(PromptRole, ""))

    def __init__(
        self,
        tokenizer: Tokenizer,
        table: Float32[ndarray, "vocabulary dim"],
        *,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if tokenizer.get_vocab_size() != len(table):
            raise DataError(
                f"the tokenizer has {tokenizer.get_vocab_size()} entries; the token table {len(table)} rows."
            )
        self.tokenizer = tokenizer
        self.table = torch.from_numpy(table).to(device)
        self.threads = threads

    @classmethod
    def of(cls, model: SentenceTransformer, *, threads: int | None = None) -> StaticEncoder:
        """Take the token table out of a sentence-transformers model, on its device.

        Raises:
            DataError: It is another kind of encoder.
        """
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        first = model[0]
        if not isinstance(first, StaticEmbedding):
            raise DataError(f"the model starts with a {type(first).__name__}; expected a static encoder.")
        table = first.embedding.weight.detach().float().cpu().numpy()
        return cls(first.tokenizer, table, device=str(model.device), threads=threads)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return int(self.table.shape[1])

    @property
    def device(self) -> str:
        """Where the table is."""
        return str(self.table.device)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over token table and tokenizer; that of the saved folder."""
        return model_fingerprint(self.to_sentence_transformer())

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts; one without a known token gives the zero vector.

        Args:
            texts: One text gives one vector, a sequence a matrix.
            role: Makes no difference: a static encoder has no prompts.
            done: Told the row numbers of each part and their vectors.

        Returns:
            Unit-norm vectors. Shape: (dim,) or (n_texts, dim).
        """
        if isinstance(texts, str):
            vector: Float32[ndarray, " dim"] = self.encode([texts], done=done)[0]
            return vector
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)

        def fill(start: int) -> tuple[int, int]:
            part = texts[start : start + _SENTENCES_AT_A_TIME]
            vectors[start : start + len(part)] = self.sum_bags(TokenBags.of(self.tokenizer, [part]))
            return start, start + len(part)

        starts = range(0, len(texts), _SENTENCES_AT_A_TIME)
        with ThreadPoolExecutor(self.threads or torch.get_num_threads()) as pool:
            for start, end in pool.map(fill, starts):
                if done is not None:
                    done(np.arange(start, end), vectors[start:end])
        return vectors

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text. Shape: (n_texts,)."""
        return np.diff(TokenBags.of(self.tokenizer, [texts]).starts)

    @torch.inference_mode()
    def sum_bags(self, bags: TokenBags) -> Float32[ndarray, "n_sentences dim"]:
        """Return the unit-norm sums of the token vectors of tokenized sentences. Shape: (n_sentences, dim)."""
        ids = torch.from_numpy(bags.ids).to(self.table.device)
        offsets = torch.from_numpy(bags.starts[:-1].astype(np.int32)).to(self.table.device)
        summed = functional.embedding_bag(ids, self.table, offsets, mode="sum")
        return functional.normalize(summed).cpu().numpy()

    def to_sentence_transformer(self) -> SentenceTransformer:
        """Return the same encoder as a sentence-transformers model: `StaticEmbedding`, then `Normalize`."""
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

        modules: list[torch.nn.Module] = [
            StaticEmbedding(self.tokenizer, embedding_weights=self.table.cpu()),
            Normalize(),
        ]
        return SentenceTransformer(modules=modules, device=self.device, similarity_fn_name="cosine")

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write a folder that plain sentence-transformers loads; it appears when it is whole."""
        write_model(self.to_sentence_transformer(), folder, model_card=model_card)


def as_static(encoder: Encoder) -> StaticEncoder:
    """Return an encoder that must be a static one.

    Raises:
        DataError: It is of another kind.
    """
    if not isinstance(encoder, StaticEncoder):
        raise DataError(f"a {type(encoder).__name__}; expected a static encoder.")
    return encoder


def is_plain_static(model: SentenceTransformer) -> bool:
    """Say whether a model does nothing else than sum token vectors and normalise, as `StaticEncoder` does."""
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    first, last = model[0], model[-1]
    if len(model) != 2 or not (isinstance(first, StaticEmbedding) and isinstance(last, Normalize)):
        return False
    usual = last.get_config_dict() == Normalize().get_config_dict()
    as_many_rows = first.tokenizer.get_vocab_size() == len(first.embedding.weight)
    return usual and as_many_rows and not any(model.prompts.values()) and not model.truncate_dim


def count_words(texts: Iterator[Sequence[str]]) -> int:
    """Count distinct words of texts, case aside, as a measure of how large a vocabulary they can feed."""
    words: set[int] = set()
    for part in texts:
        for text in part:
            words.update(map(hash, text.lower().split()))
    return len(words)
