"""The static student: a token table with summed token vectors, saved as a plain sentence-transformers folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from tokenizers import Tokenizer
from torch.nn import functional

from mling_embed.errors import DataError
from mling_embed.files import replacing_folder
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
    """

    def __init__(self, tokenizer: Tokenizer, table: Float32[ndarray, "vocabulary dim"]) -> None:
        if tokenizer.get_vocab_size() != len(table):
            raise DataError(
                f"the tokenizer has {tokenizer.get_vocab_size()} entries; the token table {len(table)} rows."
            )
        self.tokenizer = tokenizer
        self.table = torch.from_numpy(table)

    @classmethod
    def of(cls, model: SentenceTransformer) -> StaticEncoder:
        """Take the token table out of a sentence-transformers model.

        Raises:
            DataError: It is another kind of encoder.
        """
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        first = model[0]
        if not isinstance(first, StaticEmbedding):
            raise DataError(f"the model starts with a {type(first).__name__}; expected a static encoder.")
        return cls(first.tokenizer, first.embedding.weight.detach().numpy())

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.table.shape[1]

    def encode(self, texts: Sequence[str], *, threads: int | None = None) -> Float32[ndarray, "n_texts dim"]:
        """Encode texts.

        Args:
            texts: Any texts; one without a known token gives the zero vector.
            threads: Parts encoded at the same time; as many as torch uses by default.

        Returns:
            Unit-norm vectors. Shape: (n_texts, dim).
        """
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)

        def fill(start: int) -> None:
            part = texts[start : start + _SENTENCES_AT_A_TIME]
            vectors[start : start + len(part)] = self.sum_bags(TokenBags.of(self.tokenizer, [part]))

        starts = range(0, len(texts), _SENTENCES_AT_A_TIME)
        with ThreadPoolExecutor(threads or torch.get_num_threads()) as pool:
            list(pool.map(fill, starts))
        return vectors

    @torch.inference_mode()
    def sum_bags(self, bags: TokenBags) -> Float32[ndarray, "n_sentences dim"]:
        """Return the unit-norm sums of the token vectors of tokenized sentences. Shape: (n_sentences, dim)."""
        ids = torch.from_numpy(bags.ids)
        offsets = torch.from_numpy(bags.starts[:-1].astype(np.int32))
        summed = functional.embedding_bag(ids, self.table, offsets, mode="sum")
        return functional.normalize(summed).numpy()

    def to_sentence_transformer(self) -> SentenceTransformer:
        """Return the same encoder as a sentence-transformers model: `StaticEmbedding`, then `Normalize`."""
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

        modules: list[torch.nn.Module] = [StaticEmbedding(self.tokenizer, embedding_weights=self.table), Normalize()]
        return SentenceTransformer(modules=modules, device="cpu", similarity_fn_name="cosine")

    def save(self, folder: Path, *, model_card: str) -> None:
        """Write a folder that plain sentence-transformers loads; it appears when it is whole.

        Args:
            folder: Where; an earlier model there is replaced.
            model_card: Text of its README.md.
        """
        with replacing_folder(folder) as part:
            self.to_sentence_transformer().save(str(part), create_model_card=False)
            (part / "README.md").write_text(model_card, encoding="utf-8")


def fast_encoder(model: SentenceTransformer) -> StaticEncoder | SentenceTransformer:
    """Return the `StaticEncoder` of a static student, and any other model as it is.

    A static model that does anything else than sum and normalise gives other vectors, and stays as it is.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    plain = [type(module) for module in model] == [StaticEmbedding, Normalize]
    return StaticEncoder.of(model) if plain and not model.default_prompt_name and not model.truncate_dim else model


def count_words(texts: Iterator[Sequence[str]]) -> int:
    """Count distinct words of texts, case aside, as a measure of how large a vocabulary they can feed."""
    words: set[int] = set()
    for part in texts:
        for text in part:
            words.update(map(hash, text.lower().split()))
    return len(words)
