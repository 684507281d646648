"""What the alignment benchmarks share: the gold documents, their spans' vectors, and the peers on the same vectors.

The peers are those of PyPI, unpacked beside each other into the folder that $MLING_EMBED_BENCH_PEERS names:
``pip install --no-deps --target PEERS sentalign`` (it compiles; Cython and numpy must be there) and ``bertalign``,
whose kernels alone are used.
"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from conditions_file import MODELS_VARIABLE

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.loading import load
from mling_embed.errors import UsageError
from mling_embed.files import write_bytes
from mling_embed.mining.alignment.documents import Document, read_document
from mling_embed.mining.alignment.gold import read_ladder
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.sources import sentence_source

PEERS_VARIABLE = "MLING_EMBED_BENCH_PEERS"
_PIECE = 64  # texts that are encoded and kept together
Links = list[Link]


class GoldDocument(NamedTuple):
    """Hold a document of the gold set in both languages, with its links."""

    name: str
    source: Document
    target: Document
    gold: Links


def gold_documents(split: str) -> list[GoldDocument]:
    """Return the documents of Text+Berg in German and French."""
    files: dict[str, dict[str, Path]] = {}
    for file in load_manifest("text-berg").files(Role(split)):
        files.setdefault(str(file.group), {})[file.language or "gold"] = resolve(file, download=False)
    found = []
    for name, paths in sorted(files.items()):
        sides = [read_document(sentence_source(paths[language], language=language)) for language in ("de", "fr")]
        found.append(GoldDocument(name, sides[0], sides[1], read_ladder(paths["gold"])))
    return found


def peers_folder() -> Path | None:
    """Return the folder of the peers, if one is named."""
    named = os.environ.get(PEERS_VARIABLE)
    return Path(named) if named else None


def model_folder(name: str) -> str:
    """Return the folder of a model: a path, or a name in the folder of models.

    Raises:
        UsageError: There is none.
    """
    folder = Path(name) if Path(name).exists() else Path(os.environ.get(MODELS_VARIABLE, ".")) / name
    if not folder.exists():
        raise UsageError(
            f"no model '{name}'.", next_step=f"Give a folder, or set ${MODELS_VARIABLE} to that of models."
        )
    return str(folder)


class KeptEncoder:
    """Encode texts, each once for the life of a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.inner: Encoder = load(model_folder(name))
        self.dim = self.inner.dim
        self._folder = folder / self.inner.fingerprint[:16]
        self._kept: dict[str, np.ndarray] = {}
        for path in sorted(self._folder.glob("*.npz")):
            with np.load(path) as part:
                self._kept |= zip(part["texts"].tolist(), part["vectors"], strict=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def encode(self, texts: Sequence[str], *, role: PromptRole | None = None, done: Any = None) -> np.ndarray:
        """Encode texts that were not encoded before, those of a length together. Shape: (n_texts, dim)."""
        new = sorted({text for text in texts if text not in self._kept}, key=lambda text: (len(text), text))
        for start in range(0, len(new), _PIECE):
            part = new[start : start + _PIECE]
            vectors = self.inner.encode(part, role=role)
            packed = io.BytesIO()
            np.savez(packed, texts=np.array(part), vectors=vectors)
            write_bytes(self._folder / f"{sha256(packed.getvalue()).hexdigest()}.npz", packed.getvalue())
            self._kept |= zip(part, vectors, strict=True)
        return np.stack([self._kept[text] for text in texts])


def sentalign(peers: Path) -> Callable[[np.ndarray, np.ndarray, int], Links]:
    """Return vecalign's dynamic programming as sentalign has it, with its defaults."""
    sys.path.insert(0, str(peers))
    from sentalign.dp_utils import make_alignment_types, vecalign

    def align(source: np.ndarray, target: np.ndarray, most: int) -> Links:
        np.random.seed(42)
        stack = vecalign(
            vecs0=source.copy(),
            vecs1=target.copy(),
            final_alignment_types=make_alignment_types(most),
            del_percentile_frac=0.2,
            width_over2=math.ceil(most / 2) + 5,
            max_size_full_dp=300,
            costs_sample_size=20_000,
            num_samps_for_norm=100,
        )
        return [Link(tuple(ours), tuple(theirs)) for ours, theirs in stack[0]["final_alignments"]]

    return align


def bertalign(peers: Path) -> Callable[[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray], Links]:
    """Return bertalign's two passes over vectors and lengths, with its defaults."""
    spec = importlib.util.spec_from_file_location("bertalign_corelib", peers / "bertalign" / "corelib.py")
    if spec is None or spec.loader is None:
        raise UsageError("no bertalign.", where=peers)
    core = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = core
    spec.loader.exec_module(core)

    def align(
        source: np.ndarray, target: np.ndarray, most: int, source_lengths: np.ndarray, target_lengths: np.ndarray
    ) -> Links:
        n, m = source.shape[1], target.shape[1]
        scores, indices = core.find_top_k_sents(source[0], target[0], k=3)
        width, path = core.find_first_search_path(n, m)
        pairs = core.get_alignment_types(2)
        first = core.first_back_track(
            n, m, core.first_pass_align(n, m, width, path, pairs, scores, indices), path, pairs
        )
        shapes = core.get_alignment_types(most)
        width, path = core.find_second_search_path(first, 5, n, m)
        ratio = float(source_lengths[0].sum() / target_lengths[0].sum())
        pointers = core.second_pass_align(
            source,
            target,
            source_lengths,
            target_lengths,
            width,
            path,
            shapes,
            ratio,
            -0.1,
            margin=True,
            len_penalty=True,
        )
        found = core.second_back_track(n, m, pointers, path, shapes)
        return [Link(tuple(ours), tuple(theirs)) for ours, theirs in found]

    return align


def byte_lengths(sentences: Sequence[str], most: int, joint: str = " ") -> np.ndarray:
    """Return the bytes of the spans that end with each sentence, 3 (of "PAD") where there is none. Shape: (most, n)."""
    lengths = np.full((most, len(sentences)), 3, dtype=np.int64)
    for length in range(1, most + 1):
        for stop in range(length, len(sentences) + 1):
            lengths[length - 1, stop - 1] = len(joint.join(sentences[stop - length : stop]).encode())
    return lengths
