"""Rotated targets are what the rotated teacher gives, and every prefix of them is the best one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.fitness import examine
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError
from mling_embed.training.rotated import rotate
from mling_embed.training.targets import Targets, TargetStore

N_PAIRS = 200


@pytest.fixture(scope="module")
def taught(
    tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TransformerEncoder, Targets, ParallelCorpus]:
    folder = tmp_path_factory.mktemp("rotated")
    pairs = folder / "pairs.tsv"
    pairs.write_text("".join(f"the cat sees number {n}\tdie katze sieht nummer {n}\n" for n in range(N_PAIRS)), "utf-8")
    corpus = build_corpus([guess_input(f"{pairs}:de")], folder / "corpus", decontaminate=False)
    teacher = TransformerEncoder(load_sentence_transformer(tiny_teacher, device="cpu"), precision=Precision.FP32)
    return teacher, TargetStore(teacher, root=folder / "targets").compute(corpus.english_texts()), corpus


@pytest.mark.parametrize("dim", [None, 8])
def test_the_rotated_teacher_gives_the_rotated_targets(
    taught: tuple[TransformerEncoder, Targets, ParallelCorpus], dim: int | None
) -> None:
    teacher, targets, corpus = taught
    rotated, rows, _ = rotate(teacher, targets, corpus, unit_norm=True, dim=dim)
    found = rotated.encode(corpus.english_texts())
    assert rows.matrix().astype(np.float32) == pytest.approx(found, abs=2e-3)  # fp16
    assert rows.dim == found.shape[1] == (dim or examine(teacher).dim)


def test_a_full_rotation_leaves_every_cosine(taught: tuple[TransformerEncoder, Targets, ParallelCorpus]) -> None:
    teacher, targets, corpus = taught
    before, after = (
        part.matrix().astype(np.float32) for part in (targets, rotate(teacher, targets, corpus, unit_norm=True)[1])
    )
    assert after @ after.T == pytest.approx(before @ before.T, abs=3e-3)


def test_the_first_dimensions_hold_the_most(taught: tuple[TransformerEncoder, Targets, ParallelCorpus]) -> None:
    _, rows, rotation = rotate(*taught, unit_norm=True)
    shares = np.square(rows.matrix().astype(np.float64)).sum(axis=0)
    assert (np.diff(rotation.explained) <= 0).all()
    assert shares[:4].sum() / shares.sum() == pytest.approx(rotation.kept(4), abs=5e-3)


def test_more_dimensions_than_the_teacher_has_are_refused(
    taught: tuple[TransformerEncoder, Targets, ParallelCorpus],
) -> None:
    with pytest.raises(UsageError, match=r"student.dimensions: 10000; the teacher's vectors have"):
        rotate(*taught, unit_norm=True, dim=10_000)
