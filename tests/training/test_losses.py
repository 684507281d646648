"""The losses: hand-computed values, a reference in plain loops, gradients, masks, and batches in pieces."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from mling_embed.errors import DataError
from mling_embed.training import losses
from mling_embed.training.losses import LossParts, distillation_loss, target_variance
from mling_embed.training.settings import LossKind

ROWS = torch.tensor([7, 3, 7, 9, 3, 7, 4, 12])
ALL = {"contrastive_weight": 0.5, "between_translations": 0.25}


def batch(rows: torch.Tensor = ROWS, *, dim: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Students and targets in fp64; equal rows have equal targets."""
    random = torch.Generator().manual_seed(seed)
    by_row = torch.randn(int(rows.max()) + 1, dim, generator=random, dtype=torch.float64)
    student = torch.randn(len(rows), dim, generator=random, dtype=torch.float64)
    return student.requires_grad_(), by_row[rows]


def gradient(parts: LossParts, student: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(parts.total, student, retain_graph=True)[0]


def by_loops(student: torch.Tensor, targets: torch.Tensor, rows: list[int], same: float) -> tuple[float, float]:
    """The contrastive and the translation part, one sentence at a time."""
    s, t = functional.normalize(student.detach()).numpy(), functional.normalize(targets).numpy()
    n = len(rows)

    def against(score: float, others: list[float]) -> float:
        return -score / 0.05 + math.log(sum(math.exp(other / 0.05) for other in [score, *others]))

    def differ(i: int, j: int) -> bool:
        return rows[i] != rows[j] and float(t[i] @ t[j]) < same

    firsts = [rows.index(row) for row in sorted(set(rows))]
    forth = [against(s[i] @ t[i], [s[i] @ t[j] for j in firsts if differ(i, j)]) for i in range(n)]
    back, between = [], []
    for j in firsts:
        others = [s[i] @ t[j] for i in range(n) if differ(i, j)]
        back.append(np.mean([against(s[i] @ t[j], others) for i in range(n) if rows[i] == rows[j]]))
    for i in range(n):
        others = [s[i] @ s[j] for j in range(n) if differ(i, j)]
        terms = [against(s[i] @ s[j], others) for j in range(n) if j != i and rows[j] == rows[i]]
        between += [np.mean(terms)] if terms else []
    return float((np.mean(forth) + np.mean(back)) / 2), float(np.mean(between)) if between else 0.0


def test_regression_by_hand() -> None:
    student = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rows = torch.tensor([0, 0])
    mse = distillation_loss(student, targets, rows, kind=LossKind.MSE, target_variance=0.5)
    assert mse.regression.item() == pytest.approx(((4 + 5) / 2) / 0.5)
    cosine = distillation_loss(student, targets, rows, kind=LossKind.COSINE)
    assert cosine.regression.item() == pytest.approx((0 + 1) / 2)
    assert (cosine.total.item(), cosine.contrastive.item(), cosine.translation.item()) == (0.5, 0, 0)


def test_contrast_by_hand() -> None:
    """Two rows at right angles, the first with a translation that the student puts where the second is."""
    student = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 5.0]])
    parts = distillation_loss(student, targets, torch.tensor([5, 5, 1]), temperature=1.0, **ALL)
    good, bad, even = math.log(1 + math.exp(-1)), math.log(1 + math.e), math.log(2)
    forth = (good + bad + good) / 3
    back = ((good + even) / 2 + math.log(2 + math.exp(-1))) / 2
    assert parts.contrastive.item() == pytest.approx((forth + back) / 2, rel=1e-6)
    assert parts.translation.item() == pytest.approx((even + bad) / 2, rel=1e-6)
    assert parts.total.item() == pytest.approx(1 / 3 + 0.5 * (forth + back) / 2 + 0.25 * (even + bad) / 2, rel=1e-6)


def test_scores_by_hand() -> None:
    """Two targets at right angles: the first sentence is scored as the teacher scores it, the second the wrong way."""
    student = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 5.0], [0.0, 5.0]])
    parts = distillation_loss(student, targets, torch.tensor([5, 1, 1]), temperature=1.0, score_weight=0.5)
    near, far = math.e / (math.e + 1), 1 / (math.e + 1)
    wrong = near * math.log(near / far) + far * math.log(far / near)
    assert parts.scores.item() == pytest.approx(wrong / 3, rel=1e-6)
    assert parts.total.item() == pytest.approx(1 / 3 + 0.5 * wrong / 3, rel=1e-6)
    assert parts.contrastive.item() == 0


def test_one_sentence_a_row_is_plain_cross_entropy_both_ways() -> None:
    student, targets = batch(torch.arange(9))
    parts = distillation_loss(student, targets, torch.arange(9), contrastive_weight=1.0, same_meaning=2.0)
    logits = functional.normalize(student) @ functional.normalize(targets).T / 0.05
    label = torch.arange(9)
    expected = (functional.cross_entropy(logits, label) + functional.cross_entropy(logits.T, label)) / 2
    torch.testing.assert_close(parts.contrastive, expected)
    swapped = distillation_loss(targets, student, label, contrastive_weight=1.0, same_meaning=2.0)
    torch.testing.assert_close(parts.contrastive, swapped.contrastive)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 1000), st.sampled_from([0.0, 0.5, 0.9]))
def test_the_parts_are_those_of_plain_loops(rows: list[int], seed: int, same: float) -> None:
    student, targets = batch(torch.tensor(rows), dim=3, seed=seed)
    parts = distillation_loss(student, targets, torch.tensor(rows), same_meaning=same, **ALL)
    contrastive, translation = by_loops(student, targets, rows, same)
    assert parts.contrastive.item() == pytest.approx(contrastive, rel=1e-9, abs=1e-12)
    assert parts.translation.item() == pytest.approx(translation, rel=1e-9, abs=1e-12)
    assert gradient(parts, student).isfinite().all()


@pytest.mark.parametrize("kind", LossKind)
def test_the_gradient_is_the_numerical_one(kind: LossKind) -> None:
    student, targets = batch()

    def total(vectors: torch.Tensor) -> torch.Tensor:
        options = {"kind": kind, "score_weight": 0.6, "temperature": 0.3, "same_meaning": 0.4, "target_variance": 0.7}
        return distillation_loss(vectors, targets, ROWS, **options, **ALL).total

    assert torch.autograd.gradcheck(total, (student,))


@pytest.mark.parametrize("kind", LossKind)
def test_the_order_of_sentences_and_the_numbers_of_rows_do_not_matter(kind: LossKind) -> None:
    student, targets = batch()
    order = torch.tensor([4, 1, 7, 0, 6, 2, 3, 5])
    options = {"kind": kind, "score_weight": 0.6, **ALL}
    parts = distillation_loss(student, targets, ROWS, **options)
    other = distillation_loss(student[order], targets[order], 100 - ROWS[order], **options)
    for name in LossParts.__slots__:
        torch.testing.assert_close(getattr(parts, name), getattr(other, name))


def test_a_row_that_means_the_same_gives_no_push() -> None:
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.2]], dtype=torch.float64)  # cosine .995
    student = batch(torch.arange(3), dim=2)[0]
    options = {"kind": LossKind.MSE, "target_variance": math.inf}  # leaves the contrast alone
    parts = distillation_loss(student, targets, torch.tensor([0, 0, 1]), **options, **ALL)
    assert parts.total.item() == 0
    assert not gradient(parts, student).any()
    sharp = distillation_loss(student, targets, torch.tensor([0, 0, 1]), same_meaning=0.999, **options, **ALL)
    assert (gradient(sharp, student).abs().sum(dim=1) > 0.01).all()


def test_translations_do_not_push_each_other_away() -> None:
    """Sentences of one row alone have nothing to stand out from, however far they are from each other."""
    student, targets = batch(torch.tensor([4, 4, 4, 4]))
    parts = distillation_loss(student, targets, torch.tensor([4, 4, 4, 4]), **ALL)
    assert (parts.contrastive.item(), parts.translation.item()) == (0, 0)
    torch.testing.assert_close(gradient(parts, student), torch.autograd.grad(parts.regression, student)[0])


@pytest.mark.parametrize("kind", LossKind)
def test_a_batch_of_one(kind: LossKind) -> None:
    student, targets = batch(torch.tensor([5]))
    parts = distillation_loss(student, targets, torch.tensor([5]), kind=kind, **ALL)
    assert (parts.contrastive.item(), parts.translation.item()) == (0, 0)
    torch.testing.assert_close(parts.total, parts.regression)
    assert gradient(parts, student).isfinite().all()


def test_a_row_without_translations_gives_no_translation_term() -> None:
    student, targets = batch(torch.arange(4))
    assert distillation_loss(student, targets, torch.arange(4), **ALL).translation.item() == 0
    rows = torch.tensor([0, 0, 1, 2])
    parts = distillation_loss(student, targets[rows], rows, same_meaning=2.0, between_translations=1.0)
    logits = functional.normalize(student) @ functional.normalize(student).T / 0.05
    expected = functional.cross_entropy(logits[:2].fill_diagonal_(-math.inf), torch.tensor([1, 0]))
    torch.testing.assert_close(parts.translation, expected)


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize("pieces", [2, 3, 8])
def test_the_gradients_of_pieces_sum_to_that_of_the_whole(kind: LossKind, pieces: int) -> None:
    """As on several processes: each has its own sentences with gradient, and the others' detached."""
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(len(ROWS), 5, generator=random, dtype=torch.float64)
    layer = torch.randn(5, 6, generator=random, dtype=torch.float64).requires_grad_()
    targets = batch()[1]
    whole = distillation_loss(inputs @ layer, targets, ROWS, kind=kind, **ALL)
    expected = gradient(whole, layer)
    bounds = np.linspace(0, len(ROWS), pieces + 1, dtype=int).tolist()
    found = torch.zeros_like(expected)
    for start, end in pairwise(bounds):
        vectors = (inputs @ layer).detach()
        gathered = torch.cat([vectors[:start], inputs[start:end] @ layer, vectors[end:]])
        parts = distillation_loss(gathered, targets, ROWS, kind=kind, **ALL)
        torch.testing.assert_close(parts.total, whole.total)
        found += gradient(parts, layer)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.05])
def test_bf16_autocast_is_close_and_its_softmax_is_not_in_bf16(temperature: float) -> None:
    rows = torch.arange(40) // 2
    student, targets = batch(rows, dim=32)
    student = (targets + 0.5 * student).detach().float().requires_grad_()
    exact = distillation_loss(student, targets.half(), rows, temperature=temperature, **ALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = distillation_loss(student.bfloat16(), targets.half(), rows, temperature=temperature, **ALL)
    for name in LossParts.__slots__:
        assert getattr(rough, name).dtype == torch.float32
        torch.testing.assert_close(getattr(rough, name), getattr(exact, name), rtol=0.05, atol=0.005)
    assert exact.contrastive.item() > 0
    assert gradient(rough, student).isfinite().all()


def test_a_zero_vector_has_a_finite_gradient() -> None:
    student = torch.zeros(3, 4, requires_grad=True)
    parts = distillation_loss(student, torch.eye(4)[:3], torch.tensor([0, 1, 1]), **ALL)
    assert parts.total.isfinite()
    assert gradient(parts, student).isfinite().all()


def test_a_part_of_weight_zero_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_pick", lambda *_: pytest.fail("computed"))
    student, targets = batch()
    assert distillation_loss(student, targets, ROWS).total.item() > 0


def test_to_give_the_mean_of_all_targets_costs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_ROWS_AT_A_TIME", 30)
    targets = np.random.default_rng(0).normal(3, 0.02, size=(100, 8)).astype(np.float16)
    variance = target_variance(targets)
    assert variance == pytest.approx(targets.astype(np.float64).var(axis=0).sum(), rel=1e-9)
    exact = torch.from_numpy(targets).double()
    student = exact.mean(dim=0).expand(100, -1)
    parts = distillation_loss(student, exact, torch.arange(100), kind=LossKind.MSE, target_variance=variance)
    assert parts.regression.item() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.3, math.nan, math.inf])
def test_targets_without_variance_are_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"variance is .*: they are all the same, or not finite"):
        target_variance(np.full((5, 3), value, dtype=np.float32))
