"""The mining sets that benchmarks read, and vectors of their sentences, encoded once and kept in the cache.

The sets lie in ``mining-news`` of the shared data, in the form of BUCC (``de-en.de``, ``de-en.en``: ids and texts;
``de-en.gold``). ``$MLING_EMBED_BENCH_MODELS`` names the encoders: ``e5=FOLDER,static=FOLDER``, or the folder of models,
as for other benchmarks, of which ``e5-small``, ``pretrained`` and ``static`` are taken. Those that are one transformer
with different heads, as a student by a closed-form head is, share the transformer's pooled vectors.

python benchmarks/mining_vectors.py [LANGUAGE ...]         encode and keep, so that what measures finds vectors
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from conditions_file import MODELS_VARIABLE, data_folder
from measure import say

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.loading import as_encoder, encoder_of_model, sentence_transformer_of
from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.errors import UsageError
from mling_embed.files import cache_root

SETS = "mining-news"
IN_A_FOLDER = {"e5": "e5-small", "pretrained": "pretrained", "static": "static"}  # name -> of the folder of models
PIECE = 1024  # texts that are encoded and kept together
MODES = ("mean", "cls")  # what is kept of a transformer


class KeptVectors:
    """Encode texts by an encoder, and keep their vectors from run to run.

    Args:
        encoder: Encodes what the cache does not hold.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.head = encoder, Head.of(encoder)
        self._kept = encoder if self.head is None else self.head.body
        self._store = ArrayStore(cache_root() / "benchmarks" / "vectors")
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, encoded as queries, in pieces of those that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), PIECE):
            piece = new[start : start + PIECE]
            key = key_of_parts(self._kept.fingerprint, self._kept.precision, PromptRole.QUERY, *piece)
            if (kept := self._store.get(key)) is None:
                kept = {"vectors": self._kept.encode(piece, role=PromptRole.QUERY)}
                self._store.put(key, kept)
            vectors = kept["vectors"] if self.head is None else self.head(kept["vectors"])
            self._known.update(zip(piece, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])


class Head:
    """Turn what is kept of a transformer, the mean of its tokens and the first one, into a model's vectors."""

    def __init__(self, modules: Sequence[Any], prompt: str) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling

        transformer, pooling, *self._modules = modules
        self._width = pooling.embedding_dimension
        self._modes = np.atleast_1d(pooling.pooling_mode).tolist()
        pooled = Pooling(self._width, pooling_mode=MODES)
        body = SentenceTransformer(modules=[transformer, pooled], prompts={PromptRole.QUERY: prompt}, device="cpu")
        self.body = encoder_of_model(body)

    @classmethod
    def of(cls, encoder: Encoder) -> Head | None:
        """Return the head of a model that pools its tokens by modes that are kept, else `None`."""
        from sentence_transformers.sentence_transformer.modules import Pooling

        modules = list(sentence_transformer_of(encoder))
        if len(modules) < 2 or not isinstance(modules[1], Pooling) or not modules[1].include_prompt:
            return None
        known = set(np.atleast_1d(modules[1].pooling_mode).tolist()) <= set(MODES)
        return cls(modules, encoder.prompts.get(PromptRole.QUERY, "")) if known else None

    def __call__(self, pooled: np.ndarray) -> np.ndarray:
        """Return the model's vectors. Shape: (n, dim)."""
        import torch

        places = [MODES.index(mode) * self._width for mode in self._modes]
        parts = np.concatenate([pooled[:, place : place + self._width] for place in places], axis=1)
        features = {"sentence_embedding": torch.from_numpy(parts)}
        with torch.inference_mode():
            for module in self._modules:
                features = module(features)
        vectors: np.ndarray = features["sentence_embedding"].numpy()
        return vectors


def encoders() -> dict[str, KeptVectors]:
    """Return the encoders that the environment names, by their names.

    Raises:
        UsageError: It names none.
    """
    words = os.environ.get(MODELS_VARIABLE, "")
    if words and Path(words).is_dir():
        places = {name: Path(words) / place for name, place in IN_A_FOLDER.items()}
        pairs = [(name, str(place)) for name, place in places.items() if place.is_dir()]
    else:
        pairs = [(name, folder) for name, _, folder in (word.partition("=") for word in words.split(",") if word)]
    if not pairs or not all(name and folder for name, folder in pairs):
        what = f"${MODELS_VARIABLE} is '{words}', expected a folder of models, or 'name=folder,name=folder'."
        raise UsageError(what)
    return {name: KeptVectors(as_encoder(folder)) for name, folder in pairs}


def rows_of(language: str, side: str) -> tuple[list[str], list[str]]:
    """Return the ids and the texts of a side (``de`` or ``en``) of a language's set."""
    text = set_file(language, side).read_text(encoding="utf-8")
    cells = [line.split("\t", 1) for line in text.split("\n") if line]
    return [name for name, _ in cells], [text.strip() for _, text in cells]


def set_file(language: str, suffix: str) -> Path:
    """Return a file of a language's set."""
    return data_folder() / SETS / f"{language}-en.{suffix}"


def main() -> None:
    """Encode both sides of languages, and say how near what is kept comes to the models' own vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", default=["de", "ru", "zh", "ja", "uk", "cs"])
    languages = parser.parse_args().languages
    for name, vectors in encoders().items():
        for language in languages:
            for side in (language, "en"):
                texts = rows_of(language, side)[1]
                vectors.encode(texts)
                say(f"{name}, {language}-en: {len(texts)} texts in {side}")
        some = texts[:32]
        off = np.abs(vectors.encode(some) - vectors.encoder.encode(some, role=PromptRole.QUERY)).max()
        say(f"{name}: off by {off:.1e} at most")


if __name__ == "__main__":
    main()
