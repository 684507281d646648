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

import numpy as np
from conditions_file import MODELS_VARIABLE, data_folder
from measure import say
from shared_bodies import behind, body_of, can_share

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.loading import as_encoder, encoder_of_model, sentence_transformer_of
from mling_embed.engines.array_store import ArrayStore, key_of_parts
from mling_embed.errors import UsageError
from mling_embed.files import cache_root

SETS = "mining-news"
IN_A_FOLDER = {"e5": "e5-small", "pretrained": "pretrained", "static": "static"}  # name -> of the folder of models
PIECE = 1024  # texts that are encoded and kept together


class KeptVectors:
    """Encode texts as queries, and keep their vectors from run to run.

    Args:
        encoder: Encodes what the cache does not hold. Of a transformer with pooling that is kept, mean and first token
            are, which models with other heads can use too.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, model = encoder, sentence_transformer_of(encoder)
        self._shared = model if can_share(model) else None
        self._kept = encoder if self._shared is None else encoder_of_model(body_of(self._shared), prompt="")
        self._store = ArrayStore(cache_root() / "benchmarks" / "vectors")
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, encoded in pieces of those that are new."""
        prompt = self.encoder.prompts.get(PromptRole.QUERY, "")
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), PIECE):
            piece = new[start : start + PIECE]
            prompted = [prompt + text for text in piece]
            key = key_of_parts(self._kept.fingerprint, self._kept.precision, *prompted)
            if (kept := self._store.get(key)) is None:
                queries = self._kept is self.encoder
                vectors = self._kept.encode(piece, role=PromptRole.QUERY) if queries else self._kept.encode(prompted)
                kept = {"vectors": vectors}
                self._store.put(key, kept)
            vectors = kept["vectors"] if self._shared is None else behind(self._shared, kept["vectors"])
            self._known.update(zip(piece, vectors, strict=True))
        return np.stack([self._known[text] for text in texts])


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
