"""Bad input to the engines: what is done first, the command, its exit code, and what it must say."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

SENTENCES = {
    "de": ["Wo ist der Bahnhof?", "Das Haus ist rot.", "Es regnet."],
    "en": ["Where is the railway station?", "The house is red.", "It is raining."],
}
Around = Callable[[], AbstractContextManager[None]]


def write_place(folder: Path) -> None:
    """Write two sides to mine, a static encoder, and a folder that is no corpus."""
    for language, texts in SENTENCES.items():
        (folder / f"a.{language}").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "empty").mkdir(exist_ok=True)
    tokenizer = train_unigram([text for texts in SENTENCES.values() for text in texts] * 5, size=512)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    StaticEncoder(tokenizer, table).save(folder / "model", model_card="")


@contextmanager
def nothing() -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def full_disk() -> Iterator[None]:
    """Let every file that is to stay meet a full disk."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with patch("mling_embed.files.os.fsync", side_effect=full):
        yield


@contextmanager
def no_ray() -> Iterator[None]:
    """Let Ray not be installed."""
    with patch.dict(sys.modules, {"ray": None}):
        yield


@contextmanager
def no_cluster() -> Iterator[None]:
    """Name a cluster that is not there."""
    with patch.dict(os.environ, {"RAY_ADDRESS": "127.0.0.1:1"}):
        yield


MINE = ["mine", "a.de", "a.en", "--model", "model", "--work", "work"]
# ruff: noqa: E501
BAD: list[tuple[str, Around, list[str], int, str]] = [
    (
        "an engine that is none",
        nothing,
        [*MINE, "--engine", "slurm"],
        2,
        "'slurm' is no engine. Choose one of local, ray.",
    ),
    (
        "a share that is none",
        nothing,
        [*MINE, "--shard", "third"],
        2,
        "'third' is no share. Write 3/8 for the third of eight",
    ),
    ("a share beyond the last", nothing, [*MINE, "--shard", "4/3"], 2, "'4/3' is no share."),
    (
        "a share of Ray's",
        nothing,
        [*MINE, "--engine", "ray", "--shard", "1/2"],
        2,
        "a share, and Ray, which shares the work out itself.",
    ),
    (
        "a share before the others",
        nothing,
        [*MINE, "--shard", "1/2"],
        75,
        "share 1/2 of encoding is done; 1 of 2 parts of other shares are not. When all shares have come so far, give the same command again.",
    ),
    (
        "a share without the model",
        nothing,
        ["mine", "a.de", "a.en", "--model", "./none", "--work", "work", "--shard", "1/2"],
        3,
        "./none: no such model folder",
    ),
    (
        "a work folder that is a file",
        nothing,
        [*MINE[:-1], "a.de", "--shard", "1/2"],
        2,
        "a.de: is a file, expected a folder for the work.",
    ),
    ("a full disk", full_disk, [*MINE, "--shard", "1/2"], 1, "no space left"),
    (
        "no Ray",
        no_ray,
        [*MINE, "--engine", "ray"],
        2,
        'Ray is not installed. Install it: pip install "mling-embed[ray]".',
    ),
    (
        "no cluster",
        no_cluster,
        [*MINE, "--engine", "ray"],
        2,
        "127.0.0.1:1: no Ray cluster can be joined: [Errno 111] Connection refused. Look at its address",
    ),
    (
        "a scoring by an engine that is none",
        nothing,
        ["score", "a.de", "--model", "model", "--engine", "dask"],
        2,
        "'dask' is no engine",
    ),
    (
        "a share of an index that is not there",
        nothing,
        ["index", "add", "none", "a.de", "--shard", "1/2"],
        3,
        "none: is not an index",
    ),
    (
        "labels of a folder that is no corpus",
        nothing,
        ["data", "label", "empty", "--teacher", "model", "--shard", "1/2"],
        3,
        "empty: ",
    ),
    (
        "an index by an engine that is none",
        nothing,
        ["index", "add", "none", "a.de", "--engine", "spark"],
        2,
        "'spark' is no engine. Choose one of local, ray.",
    ),
]
