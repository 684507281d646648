"""Rates by depth in every family, clipping without the token embedding, a state that comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_encoders import FAMILIES

from mling_embed.encoders.anatomy import encoder_layers, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.training.optimizers import Optimizers


def optimizers_of(student: Any, **options: Any) -> Optimizers:
    return Optimizers.of(student, **{"learning_rate": 0.1, "embedding_learning_rate": 0.5, **options})


def rates_of(optimizers: Optimizers, student: Any) -> dict[str, float]:
    """Return the rate of each weight, by name."""
    names = {id(weight): name for name, weight in student.named_parameters()}
    groups = [group for part in optimizers.parts for group in part.param_groups]
    return {names[id(weight)]: group["lr"] for group in groups for weight in group["params"]}


@pytest.mark.parametrize("family", FAMILIES)
def test_rates_fall_from_layer_to_layer_down(family: str, tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint(family, 3), device="cpu")
    rates = rates_of(optimizers_of(student, layer_decay=0.5), student)
    assert set(rates) == {name for name, _ in student.named_parameters()}
    names = {id(weight): name for name, weight in student.named_parameters()}
    for layer, expected in zip(encoder_layers(student), (0.025, 0.05, 0.1), strict=True):
        assert {rates[names[id(weight)]] for weight in layer.parameters()} == {expected}
    table = names[id(token_embedding(student).weight)]
    below = {name for name in rates if ".embeddings." in name and name != table}
    assert {rates[name] for name in below} == {0.0125}
    in_layers = {names[id(weight)] for layer in encoder_layers(student) for weight in layer.parameters()}
    above = set(rates) - below - in_layers - {table}
    assert {rates[name] for name in above} <= {0.1}
    assert {name.split(".")[-2] for name in above} == {
        "bert": {"dense"},
        "roberta": {"dense"},
        "xlm-roberta": {"dense"},
        "mpnet": {"dense", "relative_attention_bias"},  # every layer reads it
        "distilbert": set(),
        "modernbert": {"final_norm"},
    }[family]
    assert rates[table] == 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_what_lies_below_the_trained_layers_stays_as_it_is(family: str, tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint(family, 3), device="cpu")
    rates = rates_of(optimizers_of(student, trained_layers=2), student)
    names = {id(weight): name for name, weight in student.named_parameters()}
    first, *others = ({names[id(weight)] for weight in layer.parameters()} for layer in encoder_layers(student))
    still = set(names.values()) - set(rates)
    assert first < still
    assert names[id(token_embedding(student).weight)] in still
    assert not still & set.union(*others)
    assert {name for name, weight in student.named_parameters() if not weight.requires_grad} == still


def with_gradients(student: Any) -> None:
    """Give every weight a gradient of ones; that of the token embedding sparse, on two rows."""
    table = token_embedding(student).weight
    for weight in student.parameters():
        weight.grad = torch.ones_like(weight)
    rows = torch.tensor([[7, 9]])
    values = torch.full((2, table.shape[1]), 100.0)
    table.grad = torch.sparse_coo_tensor(rows, values, table.shape, check_invariants=True)


def test_a_step_clips_all_but_the_token_embedding(tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint("bert", 3), device="cpu")
    optimizers = optimizers_of(student)
    before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
    with_gradients(student)
    optimizers.step(share=0.5, max_grad_norm=2.0)
    sparse, dense = optimizers.parts
    means = torch.cat([state["exp_avg"].flatten() for state in dense.state.values()])
    assert float(means.norm()) == pytest.approx(0.1 * 2.0, rel=1e-4)
    (state,) = sparse.state.values()
    assert state["exp_avg"][[7, 9]].unique().tolist() == pytest.approx([10.0])
    # Adam's first step is one learning rate long, here half of one, whatever the gradient.
    table = token_embedding(student).weight
    for name, weight in student.named_parameters():
        moved = (before[name] - weight).detach()
        if weight is table:
            assert moved.abs().sum(dim=1).nonzero().flatten().tolist() == [7, 9]
            assert moved[[7, 9]].numpy() == pytest.approx(0.25, rel=1e-3)
        else:
            assert moved.numpy() == pytest.approx(0.05, rel=1e-3)
        assert weight.grad is None


def test_matrices_decay_and_vectors_and_the_token_embedding_do_not(tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint("bert", 3), device="cpu")
    optimizers = optimizers_of(student, weight_decay=0.2)
    before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
    with_gradients(student)
    for weight in student.parameters():
        weight.grad = weight.grad * 0
    optimizers.step(share=1.0, max_grad_norm=1.0)
    table = token_embedding(student).weight
    for name, weight in student.named_parameters():
        kept = 1 - 0.1 * 0.2 if weight.ndim > 1 and weight is not table else 1.0
        assert torch.allclose(weight, before[name] * kept, rtol=1e-6, atol=0)


def test_a_state_that_was_kept_steps_as_the_one_that_was_not(tiny_checkpoint: Callable[..., Path]) -> None:
    def student_of(weights: dict[str, torch.Tensor] | None = None) -> Any:
        student = load_sentence_transformer(tiny_checkpoint("bert", 3), device="cpu")
        student.load_state_dict(weights or student.state_dict())
        return student

    first = student_of()
    optimizers = optimizers_of(first, layer_decay=0.5, weight_decay=0.1)
    for share in (0.5, 1.0):
        with_gradients(first)
        optimizers.step(share=share, max_grad_norm=2.0)
    second = student_of(first.state_dict())
    resumed = optimizers_of(second, layer_decay=0.5, weight_decay=0.1)
    kept = {name: tensor.clone() for name, tensor in optimizers.tensors().items()}
    resumed.load(kept)
    assert {name: tensor.tolist() for name, tensor in resumed.tensors().items()} == {
        name: tensor.tolist() for name, tensor in kept.items()
    }
    for student, each in ((first, optimizers), (second, resumed)):
        with_gradients(student)
        each.step(share=0.3, max_grad_norm=2.0)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name])


@pytest.mark.parametrize("kept", ["table", "body"])
def test_frozen_weights_have_no_optimizer(kept: str, tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint("bert", 3), device="cpu")
    table = token_embedding(student).weight
    for weight in student.parameters():
        weight.requires_grad_((weight is table) == (kept == "table"))
    optimizers = optimizers_of(student)
    assert [type(part) for part in optimizers.parts] == [
        torch.optim.SparseAdam if kept == "table" else torch.optim.AdamW
    ]
    trained = {name for name, weight in student.named_parameters() if weight.requires_grad}
    assert set(rates_of(optimizers, student)) == trained


def test_a_rate_of_zero_leaves_the_table_out(tiny_checkpoint: Callable[..., Path]) -> None:
    student = load_sentence_transformer(tiny_checkpoint("bert", 3), device="cpu")
    optimizers = Optimizers.of(student, learning_rate=1e-3, embedding_learning_rate=0.0)
    assert [type(part) for part in optimizers.parts] == [torch.optim.AdamW]
    table = token_embedding(student).weight
    assert not table.requires_grad
    assert all(parameter is not table for group in optimizers.parts[0].param_groups for parameter in group["params"])
