"""The static solver on problems with a known answer; stopped and resumed; the same seed, the same bytes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from mling_embed.students.static_solver import _pull, fit_token_table
from mling_embed.students.token_least_squares import least_squares_table
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.training.curves import training_curves
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import Targets

N_TOKENS, N_SENTENCES, DIM = 40, 500, 16
FIT = FitSettings(epochs=3, batch_size=128, group=32)


def targets_of(matrix: np.ndarray) -> Targets:
    return Targets((matrix.astype(np.float16),), np.zeros(len(matrix), np.int64), np.arange(len(matrix)), DIM)


def sums(table: np.ndarray, bags: TokenBags) -> np.ndarray:
    return np.add.reduceat(table[bags.ids], bags.starts[:-1], axis=0)


@pytest.fixture(scope="module")
def problem() -> tuple[TokenBags, Targets]:
    """Make sentences whose targets are sums of true token vectors, so that a perfect table exists."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 7, N_SENTENCES)
    bags = TokenBags(random.integers(0, N_TOKENS, lengths.sum()).astype(np.int32), np.append(0, np.cumsum(lengths)))
    wanted = sums(random.standard_normal((N_TOKENS, DIM)), bags)
    return bags, targets_of(wanted / np.linalg.norm(wanted, axis=1, keepdims=True))


def fitted(problem: tuple[TokenBags, Targets], fit: FitSettings = FIT, **options: object) -> np.ndarray:
    bags, targets = problem
    return fit_token_table(bags, np.arange(N_SENTENCES), targets, vocabulary_size=N_TOKENS + 3, fit=fit, **options)


class StopAfter:
    """Interrupt the fit once some sentences are done, as Ctrl-C does."""

    def __init__(self, sentences: int) -> None:
        self.sentences = sentences

    def __call__(self, work: str, done: int, total: int | None, /) -> None:
        if done > self.sentences:
            raise KeyboardInterrupt


def interrupt(problem: tuple[TokenBags, Targets], folder: Path, *, after_epochs: int, fit: FitSettings = FIT) -> Path:
    with pytest.raises(KeyboardInterrupt):
        fitted(problem, fit, checkpoints=folder, progress=StopAfter(after_epochs * 512 + 128))
    return folder / "fit.safetensors"


def test_without_epochs_it_is_the_least_squares(problem: tuple[TokenBags, Targets]) -> None:
    told: list[str] = []
    fit = FitSettings(least_squares_steps=20, penalty=0.5, epochs=0)
    table = fitted(problem, fit, progress=lambda work, _done, _total: told.append(work))
    rows, matrix = np.arange(N_SENTENCES), problem[1].matrix()
    expected = least_squares_table(problem[0], rows, matrix, N_TOKENS + 3, steps=20, penalty=0.5)
    np.testing.assert_array_equal(table, expected)
    assert set(told) == {"least squares"}


def test_a_solvable_problem_is_solved(problem: tuple[TokenBags, Targets]) -> None:
    fit = FitSettings(epochs=80, batch_size=50, learning_rate=0.05, contrastive_weight=0.0, token_dropout=0.0)
    table = fitted(problem, fit)
    found, wanted = sums(table, problem[0]), problem[1].matrix().astype(np.float32)
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.mean() > 0.995
    assert cosines.min() > 0.9


def test_more_epochs_come_closer(problem: tuple[TokenBags, Targets]) -> None:
    wanted = problem[1].matrix().astype(np.float32)

    def cosine(epochs: int) -> float:
        found = sums(fitted(problem, replace(FIT, epochs=epochs)), problem[0])
        return float(((found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1)).mean())

    assert cosine(1) < cosine(8) < cosine(40)


def test_unseen_tokens_have_zero_rows(problem: tuple[TokenBags, Targets]) -> None:
    table = fitted(problem)
    assert table.shape == (N_TOKENS + 3, DIM)
    assert (table[N_TOKENS:] == 0).all()
    assert (np.abs(table[:N_TOKENS]).max(axis=1) > 0).all()


def test_the_same_seed_gives_the_same_bytes(problem: tuple[TokenBags, Targets]) -> None:
    once = fitted(problem).tobytes()
    assert fitted(problem).tobytes() == once
    assert fitted(problem, seed=6).tobytes() != once


@pytest.mark.parametrize("after_epochs", [1, 2])
def test_stopped_and_resumed_equals_uninterrupted(
    problem: tuple[TokenBags, Targets], tmp_path: Path, after_epochs: int
) -> None:
    assert interrupt(problem, tmp_path, after_epochs=after_epochs).exists()
    told: list[int] = []
    resumed = fitted(problem, checkpoints=tmp_path, progress=lambda work, done, total: told.append(done))
    assert resumed.tobytes() == fitted(problem).tobytes()
    assert told[0] > after_epochs * 500
    assert told[-1] == 1500
    fitted(problem, checkpoints=tmp_path / "whole")
    log = (tmp_path / "fit.jsonl").read_text(encoding="utf-8")
    assert log == (tmp_path / "whole" / "fit.jsonl").read_text(encoding="utf-8")
    assert [step for step, _ in training_curves(tmp_path)["cosine"]] == [4, 8, 12]


def test_the_log_says_how_near_an_epoch_was(problem: tuple[TokenBags, Targets], tmp_path: Path) -> None:
    still = FitSettings(epochs=2, batch_size=N_SENTENCES, learning_rate=1e-30, token_dropout=0.0)
    found, wanted = sums(fitted(problem, still, checkpoints=tmp_path), problem[0]), problem[1].matrix()
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    mean = pytest.approx(float(cosines.mean()), abs=1e-3)
    assert training_curves(tmp_path)["cosine"] == ((1, mean), (2, mean))


def test_stopped_in_the_first_epoch_leaves_no_state(problem: tuple[TokenBags, Targets], tmp_path: Path) -> None:
    assert not interrupt(problem, tmp_path, after_epochs=0).exists()
    assert fitted(problem, checkpoints=tmp_path).tobytes() == fitted(problem).tobytes()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "bare"])
def test_a_damaged_state_begins_anew(
    problem: tuple[TokenBags, Targets], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.torch import save

    path = interrupt(problem, tmp_path, after_epochs=1)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    bare = save({name: torch.zeros(2, 2) for name in ("table", "first", "second")})
    path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-8]), "empty": b"", "bare": bare}[damage])
    with caplog.at_level(logging.WARNING):
        table = fitted(problem, checkpoints=tmp_path)
    assert "the fit begins anew" in caplog.text
    assert str(path) in caplog.text
    assert table.tobytes() == fitted(problem).tobytes()


def test_the_state_of_another_fit_is_not_used(
    problem: tuple[TokenBags, Targets], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    interrupt(problem, tmp_path, after_epochs=1)
    other = replace(FIT, learning_rate=0.005)
    assert fitted(problem, other, checkpoints=tmp_path).tobytes() == fitted(problem, other).tobytes()
    assert "of another fit; the fit begins anew" in caplog.text


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_gradient_is_that_of_the_loss_by_hand(weight: float) -> None:
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, 1.0], [0.8, 0.6]], requires_grad=True)
    wanted = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.6, 0.8]])
    scores = student @ wanted.T / 0.5
    # In the first group both targets are one, and no negatives. In the second both stand; the fifth is alone.
    same = torch.tensor([[False, True], [True, False]])
    logits = torch.cat([scores[:2, :2].masked_fill(same, -torch.inf), scores[2:4, 2:4]])
    contrast = functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1]))
    loss = (1 - (student * wanted).sum(dim=1)).mean() + weight * contrast
    (gradient,) = torch.autograd.grad(loss, student)
    fit = FitSettings(contrastive_weight=weight, temperature=0.5, group=2, same_meaning=0.9)
    assert _pull(student.detach(), wanted, fit).numpy() == pytest.approx(gradient.numpy(), abs=5e-3)
