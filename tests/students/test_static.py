"""The vocabulary of a static student is kept under all that it was made from."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.errors import DamagedFileError
from mling_embed.students.static import fit_static_student
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import Targets


@pytest.fixture
def corpus(tmp_path: Path) -> ParallelCorpus:
    chance, path = random.Random(0), tmp_path / "pairs.tsv"
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 7))) for _ in range(900)]
    sentences = [" ".join(chance.choices(words, k=6)).capitalize() for _ in range(400)]
    rows = (f"the {first}\tder {second}\n" for first, second in zip(sentences, sentences[::-1], strict=True))
    path.write_text("".join(rows), encoding="utf-8")
    return build_corpus([guess_input(f"{path}:de")], tmp_path / "corpus", decontaminate=False)


@pytest.fixture
def targets(corpus: ParallelCorpus) -> Targets:
    rows = np.arange(corpus.n_english)
    matrix = np.random.default_rng(0).normal(size=(len(rows), 8)).astype(np.float16)
    return Targets((matrix,), np.zeros_like(rows), rows, 8)


def test_another_size_case_or_seed_is_another_vocabulary(
    corpus: ParallelCorpus, targets: Targets, tmp_path: Path
) -> None:
    def vocabulary(**options: int) -> dict[str, int]:
        student = fit_static_student(corpus, targets, tmp_path / "work", fit=FitSettings(epochs=1), **options)
        return student.tokenizer.get_vocab()

    small, large, cased = vocabulary(size=520), vocabulary(size=530), vocabulary(size=530, lowercase=False)
    assert (len(small), len(large)) == (520, 530)
    assert any(token.isalpha() and token.isupper() for token in cased)
    assert not any(token.isalpha() and token.isupper() for token in large)
    assert vocabulary(size=520) == small
    assert len(list((tmp_path / "work").glob("tokenizer-*.json"))) == 3


def test_a_damaged_vocabulary_is_told(corpus: ParallelCorpus, targets: Targets, tmp_path: Path) -> None:
    fit_static_student(corpus, targets, tmp_path / "work", size=520, fit=FitSettings(epochs=1))
    (path,) = (tmp_path / "work").glob("tokenizer-*.json")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError, match=rf"{path.name}: damaged or cut short .* Delete it and run again"):
        fit_static_student(corpus, targets, tmp_path / "work", size=520, fit=FitSettings(epochs=1))
