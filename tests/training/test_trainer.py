"""A training that is killed, stopped or resumed ends as one that was not; what it watches over does not change it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mling_embed.encoders.anatomy import encoder_layers, encoder_of, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.errors import Interrupted, MlingEmbedError
from mling_embed.training.checkpoints import CheckpointStore
from mling_embed.training.curves import LOG_FILE
from mling_embed.training.schedule import seed_of_step

Run = Callable[..., Any]
SPEEDS = ("tokens_per_second", "sentences_per_second", "seconds_left")


def weight_score(student: Any, state: Any) -> float:
    """Return a score of the weights that rises and falls."""
    return float(np.sin(1e3 * sum(float(weight.detach().double().sum()) for weight in student.parameters())))


def weights_sha256(student: Any) -> str:
    """Return the SHA-256 of all weights, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(student.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Read a log, without what the clock says."""
    lines = (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in SPEEDS} for line in lines]


def at_step(step: int, act: Callable[[], object]) -> Callable[..., None]:
    """Return a progress that acts once a step is done."""
    return lambda work, done, total: act() if done == step else None


def stop() -> None:
    signal.raise_signal(signal.SIGTERM)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exit_code_of(work: Callable[[], object]) -> int | None:
    """Do something in a process of its own, which may die of it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


def rising(student: Any, state: Any) -> float:
    return state.step / 1e6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in one order: a forked process has no other threads, and more of them round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def uninterrupted(tiny_run: Run, tmp_path: Path) -> tuple[str, Any, list[dict[str, Any]]]:
    folder = tmp_path / "uninterrupted"
    student, state = tiny_run(folder, changes={"dropout": 0.1}, measure=weight_score)
    return weights_sha256(student), state, log_of(folder)


def test_a_training_killed_three_times_ends_as_one_that_was_not(
    tiny_run: Run, tmp_path: Path, uninterrupted: tuple[str, Any, Any]
) -> None:
    def die_while_measured(student: Any, state: Any) -> float:
        return die() or 0.0 if state.step == 8 else weight_score(student, state)

    def run(**options: Any) -> Any:
        return tiny_run(tmp_path / "killed", changes={"dropout": 0.1}, **{"measure": weight_score, **options})

    assert exit_code_of(lambda: run(progress=at_step(3, die))) == -signal.SIGKILL
    assert exit_code_of(lambda: run(measure=die_while_measured)) == -signal.SIGKILL
    assert exit_code_of(lambda: run(progress=at_step(14, die))) == -signal.SIGKILL
    student, state = run()
    assert (weights_sha256(student), asdict(state)) == (uninterrupted[0], asdict(uninterrupted[1]))
    assert log_of(tmp_path / "killed") == uninterrupted[2]


def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(
    tiny_run: Run, tmp_path: Path, uninterrupted: tuple[str, Any, Any]
) -> None:
    with pytest.raises(Interrupted):
        tiny_run(tmp_path / "whole", changes={"dropout": 0.1}, measure=weight_score, progress=at_step(13, stop))
    newest = CheckpointStore(tmp_path / "whole").newest()
    assert newest is not None
    assert newest.step == 13
    names = sorted(path.name for path in newest.path.iterdir())
    assert names == ["COMMIT.json", "model.safetensors", "optimizer.safetensors", "state.json"]
    for name in names:
        shutil.copytree(tmp_path / "whole", tmp_path / name)
        damaged = tmp_path / name / newest.path.name / name
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 1
        damaged.write_bytes(content)
        student, state = tiny_run(tmp_path / name, changes={"dropout": 0.1}, measure=weight_score)
        assert (weights_sha256(student), state) == uninterrupted[:2]
        assert log_of(tmp_path / name) == uninterrupted[2]


def test_attention_is_plain_for_as_long_as_it_trains(tiny_run: Run, tmp_path: Path) -> None:
    seen = set()

    def measure(student: Any, state: Any) -> float:
        seen.add(encoder_of(student).config._attn_implementation)
        return rising(student, state)

    student, _ = tiny_run(tmp_path / "run", measure=measure)
    assert seen == {"eager"}
    assert encoder_of(student).config._attn_implementation == "sdpa"


def test_a_signal_stops_between_steps_with_a_checkpoint(
    tiny_run: Run, tmp_path: Path, uninterrupted: tuple[str, Any, Any]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"stopped after step 6 of 16; the checkpoint is written") as raised:
        tiny_run(tmp_path / "run", changes={"dropout": 0.1}, measure=weight_score, progress=at_step(6, stop))
    assert raised.value.exit_code == 75
    assert signal.getsignal(signal.SIGTERM) is before
    found = CheckpointStore(tmp_path / "run").newest()
    assert found is not None
    assert (found.step, found.facts["step"]) == (6, 6)
    student, state = tiny_run(tmp_path / "run", changes={"dropout": 0.1}, measure=weight_score)
    assert (weights_sha256(student), state) == uninterrupted[:2]


def test_measuring_logging_and_saving_leave_the_weights_alone(tiny_run: Run, tmp_path: Path) -> None:
    def drawing(student: Any, state: Any) -> float:
        torch.rand(7)
        student.encode(["a sentence"])
        return rising(student, state)

    often = {"logging_steps": 1, "eval_steps": 1, "save_steps": 1, "dropout": 0.1}
    seldom = {"logging_steps": 99, "eval_steps": 99, "save_steps": 99, "dropout": 0.1}
    watched, _ = tiny_run(tmp_path / "watched", changes=often, measure=drawing)
    alone, _ = tiny_run(tmp_path / "alone", changes=seldom)
    assert weights_sha256(watched) == weights_sha256(alone)
    assert not watched.training
    assert not alone.training


def test_training_ends_early_and_with_the_best_weights(tiny_run: Run, tmp_path: Path) -> None:
    seen: dict[int, str] = {}

    def measure(student: Any, state: Any) -> float:
        seen[state.step] = weights_sha256(student)
        return {0: 0.1, 3: 0.5, 6: 0.4}.get(state.step, 0.5)

    early = {"eval_steps": 3, "early_stopping_patience": 2}
    student, state = tiny_run(tmp_path, changes=early, measure=measure)
    assert list(seen) == [0, 3, 6, 9]
    assert (state.step, state.best_score, state.best_step, state.without_gain) == (9, 0.5, 3, 2)
    assert weights_sha256(student) == seen[3]
    assert weights_sha256(student) != seen[9]
    # The same command again has nothing left to do.
    again, state = tiny_run(tmp_path, changes=early, measure=measure)
    assert (list(seen), state.step, weights_sha256(again)) == ([0, 3, 6, 9], 9, seen[3])


def test_the_log_and_the_progress_tell_of_every_step(tiny_run: Run, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    changes = {"max_steps": 8, "logging_steps": 1, "eval_steps": 5}
    _, state = tiny_run(tmp_path / "run", changes=changes, measure=rising, progress=lambda *call: calls.append(call))
    assert calls == [("training the student", step, 8) for step in range(1, 9)]
    lines = log_of(tmp_path / "run")
    measured = [(line["step"], line["dev"], line["best_step"]) for line in lines if "dev" in line]
    assert measured == [(0, 0.0, 0), (5, 5e-6, 5), (8, 8e-6, 8)]
    steps = [line for line in lines if "total" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    # Two steps up, then six down to zero after the last.
    shares = [1 / 2, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert [line["learning_rate"] for line in steps] == pytest.approx([1e-3 * share for share in shares])
    for line in steps:
        total = line["regression"] + 0.3 * line["contrastive"] + 0.2 * line["translation"]
        assert line["total"] == pytest.approx(total, abs=2e-6)
    assert steps[-1]["sentences"] == state.sentences == 72  # every sentence once
    assert steps[-1]["total"] < steps[0]["total"]


def test_epochs_follow_each_other_and_steps_can_cut_them(tiny_teacher: Path, tiny_run: Run, tmp_path: Path) -> None:
    of_steps, state = tiny_run(tmp_path / "steps")
    of_epochs, same = tiny_run(tmp_path / "epochs", changes={"max_steps": None, "num_train_epochs": 2})
    assert state == same
    assert (state.epoch, state.index, state.sentences) == (2, 0, 144)
    assert weights_sha256(of_steps) == weights_sha256(of_epochs)
    _, state = tiny_run(tmp_path / "cut", changes={"max_steps": 11})
    assert (state.epoch, state.index) == (1, 3)
    untouched, state = tiny_run(tmp_path / "none", changes={"max_steps": 0})
    assert state.step == 0
    assert weights_sha256(untouched) == weights_sha256(load_sentence_transformer(tiny_teacher, device="cpu"))


def test_the_seed_of_a_step_is_the_same_number_for_ever() -> None:
    assert seed_of_step(3, 7, 1) == 1777893851097209630


def test_a_training_goes_on_under_other_settings(tiny_run: Run, tmp_path: Path) -> None:
    def run(**changes: Any) -> Any:
        return tiny_run(tmp_path, changes=changes)[1]

    assert run(max_steps=7).step == 7
    assert run(max_steps=12).step == 12
    assert run(max_steps=5).step == 12  # nothing left to do
    # Batches so large that the epoch has fewer than were already taken of it.
    state = run(max_steps=14, tokens_per_batch=10_000)
    assert (state.step, state.epoch, state.index) == (14, 4, 0)


def test_a_loss_that_is_no_number_ends_training(tiny_run: Run, tiny_teacher: Path, tmp_path: Path) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    with torch.no_grad():
        token_embedding(student).weight[10:] = torch.nan
    with pytest.raises(MlingEmbedError, match=r"the loss is nan at step 0\..*\n?.*bf16 = false"):
        tiny_run(tmp_path, student=student)
    assert CheckpointStore(tmp_path).newest() is None


def test_a_student_that_collapsed_ends_training(tiny_run: Run, tiny_teacher: Path, tmp_path: Path) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    with torch.no_grad():
        for table in (token_embedding(student), student[0].model.embeddings.position_embeddings):
            table.weight[:] = table.weight[0].clone()
    rates = {"learning_rate": 1e-9, "embedding_learning_rate": 1e-9}
    with pytest.raises(MlingEmbedError, match="the student has collapsed"):
        tiny_run(tmp_path, changes=rates, student=student)


def test_frozen_weights_stay_as_they_are(tiny_run: Run, tiny_teacher: Path, tmp_path: Path) -> None:
    student = load_sentence_transformer(tiny_teacher, device="cpu")
    before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
    frozen = [token_embedding(student), encoder_layers(student)[0]]
    for part in frozen:
        part.requires_grad_(False)
    tiny_run(tmp_path / "run", student=student)
    moved = {name for name, weight in student.named_parameters() if not torch.equal(weight, before[name])}
    held = {name for name, weight in student.named_parameters() if not weight.requires_grad}
    assert held
    assert moved == {name for name in before if name not in held and "pooler" not in name}
    # And the other way round: the token embedding alone, as a transplanted vocabulary is trained first.
    student.requires_grad_(False)
    token_embedding(student).requires_grad_(True)
    before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
    tiny_run(tmp_path / "alone", student=student)
    moved = {name for name, weight in student.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {name for name, weight in student.named_parameters() if weight.requires_grad}


def test_number_formats_of_two_trainings_in_one_process_may_differ(
    tiny_teacher: Path, tiny_run: Run, tmp_path: Path
) -> None:
    formats: dict[str, set[torch.dtype]] = {}
    for name, bf16 in (("fp32", False), ("bf16", True)):
        student, seen = load_sentence_transformer(tiny_teacher, device="cpu"), formats.setdefault(name, set())
        linear = encoder_layers(student)[0].get_submodule("intermediate.dense")
        linear.register_forward_hook(lambda _module, _given, product, seen=seen: seen.add(product.dtype))
        tiny_run(tmp_path / name, changes={"bf16": bf16}, student=student)
    # What is multiplied, and not what comes out: how much a result differs, if at all, is the processor's affair.
    assert formats == {"fp32": {torch.float32}, "bf16": {torch.bfloat16}}
    first, second = (log_of(tmp_path / name)[-1]["total"] for name in ("fp32", "bf16"))
    assert first == pytest.approx(second, rel=0.05)
