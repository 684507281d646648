"""The encoder of an export: its own tokenizer, a graph of ONNX Runtime or OpenVINO, no torch in between."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray
from tokenizers import Tokenizer

from mling_embed.encoders.batches import token_batches
from mling_embed.encoders.contract import BatchDone, PromptRole
from mling_embed.encoders.exports.graph import INPUTS, Graph
from mling_embed.encoders.exports.onnx_graph import OnnxGraph
from mling_embed.encoders.exports.openvino_graph import OpenVinoGraph
from mling_embed.encoders.exports.record import ExportRecord, Runtime
from mling_embed.encoders.precision import Precision
from mling_embed.errors import DataError
from mling_embed.files import replacing_folder

_TOKENIZER_FILE = "tokenizer.json"
_TEXTS_AT_A_TIME = 8192
_TOKENS_PER_BATCH = 256  # what a layer makes of them stays in a processor's cache: 10 to 25% faster than 1,024


class ExportedEncoder:
    """Encode with an export.

    Args:
        folder: What an export wrote.
        prompt: Text put before every sentence that has no role; by default the source's own.
        threads: Batches at a time; as many as there are processors by default.

    Raises:
        DataError: The folder is no export.
        UsageError: What runs it is not installed.
        DamagedFileError: A file is not the one that was written.
    """

    device = "cpu"

    def __init__(self, folder: Path, *, prompt: str | None = None, threads: int | None = None) -> None:
        record = ExportRecord.read(folder)
        if record is None:
            raise DataError("is not an export.", where=folder, next_step="Make one: mling-embed export onnx MODEL OUT")
        record.check_files(folder)
        self.folder, self.record = folder, record
        self.prompt = record.prompt if prompt is None else prompt
        self.threads = threads or _processors()
        self._graph = _graph(folder / record.graph, record.runtime, threads=self.threads)
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER_FILE))
        self._tokenizer.no_padding()
        if record.max_seq_length is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(record.max_seq_length)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.record.dim

    @property
    def fingerprint(self) -> str:
        """SHA-256 over graph, tokenizer and prompts; it is not its source's, whose is `exported_from`."""
        return self.record.fingerprint

    @property
    def exported_from(self) -> str:
        """Fingerprint of the encoder that it was made of: what that one indexed, this one may search."""
        return self.record.source

    @property
    def precision(self) -> Precision:
        """Number format of the products."""
        return self.record.precision

    @property
    def max_seq_length(self) -> int | None:
        """Tokens after which a text is cut off; `None` if it never is."""
        return self.record.max_seq_length

    @property
    def prompts(self) -> Mapping[PromptRole, str]:
        """Text that it puts before queries and before passages; empty where it has none."""
        return {role: self.record.prompts.get(role.value, "") for role in PromptRole}

    def encode(
        self, texts: str | Sequence[str], *, role: PromptRole | None = None, done: BatchDone | None = None
    ) -> Float32[ndarray, "*n dim"]:
        """Encode texts in batches of equal token counts, as many batches at a time as there are threads.

        Args:
            texts: One text gives one vector, a sequence a matrix.
            role: Whose prompt is put before the texts; `prompt` without one.
            done: Told the row numbers of each batch and their vectors, as soon as it is done.

        Returns:
            As the source gives them (of length one only if it normalises). Shape: (dim,) or (n_texts, dim).
        """
        if isinstance(texts, str):
            vector: Float32[ndarray, " dim"] = self.encode([texts], role=role, done=done)[0]
            return vector
        prompt = self.prompt if role is None else self.prompts[role]
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(texts), _TEXTS_AT_A_TIME):
                part = [prompt + text for text in texts[start : start + _TEXTS_AT_A_TIME]]
                encodings = self._tokenizer.encode_batch_fast(part)
                lengths = np.fromiter((len(encoding) for encoding in encodings), np.int64, len(encodings))
                batches = list(token_batches(lengths, _TOKENS_PER_BATCH))
                for rows, found in zip(batches, pool.map(lambda b, e=encodings: self._run(e, b), batches), strict=True):
                    vectors[start + rows] = found
                    if done is not None:
                        done(start + rows, found)
        return vectors

    def token_counts(self, texts: Sequence[str], *, role: PromptRole | None = None) -> Int[ndarray, " n_texts"]:
        """Return the tokens of each text with prompt and special tokens, before it is cut off. Shape: (n_texts,)."""
        prompt = self.prompt if role is None else self.prompts[role]
        encodings = self._whole_tokenizer.encode_batch_fast([prompt + text for text in texts])
        return np.asarray([len(encoding) for encoding in encodings], dtype=np.int64)

    def save(self, folder: Path, *, model_card: str = "") -> None:
        """Write a copy of the export; it appears when it is whole."""
        import shutil

        with replacing_folder(folder) as part:
            shutil.copytree(self.folder, part, dirs_exist_ok=True)
            if model_card:
                (part / "README.md").write_text(model_card, encoding="utf-8")

    def _run(self, encodings: Sequence[Any], rows: Int[ndarray, " batch"]) -> Float32[ndarray, "batch dim"]:
        """Return the vectors of some tokenized texts."""
        chosen = [encodings[row] for row in rows]
        shape = (len(chosen), max(1, max(len(encoding) for encoding in chosen)))
        features = dict(zip(INPUTS, (np.full(shape, fill, dtype=np.int64) for fill in self._fills), strict=True))
        for place, encoding in enumerate(chosen):
            for name, values in zip(INPUTS, (encoding.ids, encoding.attention_mask, encoding.type_ids), strict=True):
                features[name][place, : len(values)] = values
        return self._graph(features)[:, : self.dim]  # a prefix, if the model is truncated

    @property
    def _fills(self) -> tuple[int, int, int]:
        return self.record.pad_token_id, 0, 0

    @cached_property
    def _whole_tokenizer(self) -> Tokenizer:
        """The tokenizer that cuts nothing off; apart from the other, which a thread may be using."""
        tokenizer = Tokenizer.from_file(str(self.folder / _TOKENIZER_FILE))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def _graph(path: Path, runtime: Runtime, *, threads: int) -> Graph:
    if runtime is Runtime.OPENVINO:
        return OpenVinoGraph(path, threads=threads)
    return OnnxGraph(path)


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
