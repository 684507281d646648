"""Two processes take the steps that one takes, and go on from each other's checkpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tiny_trainings import sentences_and_targets

from mling_embed.training.checkpoints import CheckpointStore
from mling_embed.training.curves import LOG_FILE
from mling_embed.training.distributed import any_process, from_main, gather_batch
from mling_embed.training.sampler import BatchSampler

LOSSES = ("total", "regression", "contrastive", "translation")
EVERY_STEP = {"logging_steps": 1, "save_total_limit": 99}


def losses_of(folder: Path) -> np.ndarray:
    """Return the curve of every part of the loss. Shape: (n_steps, 4)."""
    lines = [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    return np.array([[line[name] for name in LOSSES] for line in lines if "total" in line])


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    found = CheckpointStore(folder).newest()
    if found is None:
        raise FileNotFoundError(folder)
    return found.tensors["model"]


def farthest(first: Path, second: Path) -> float:
    """Return the largest difference of any weight of the newest checkpoints.

    Key biases are left out: they move no output, so that their gradient is rounding and Adam makes steps of it.
    """
    one, other = weights_of(first), weights_of(second)
    return max(float((one[name] - other[name]).abs().max()) for name in one if not name.endswith("key.bias"))


def rising(student: Any, state: Any) -> float:
    """Return a score that only the main process can give."""
    if os.environ.get("RANK", "0") != "0":
        raise RuntimeError("a process that is not the main one measures")
    return state.step / 1e6


def two_processes(model: Path, folder: Path) -> None:
    """Train on two processes: from the start, then on from where one process came to. Runs under torchrun."""
    from accelerate.state import AcceleratorState
    from tiny_trainings import tiny_training

    student, state = tiny_training(model, folder / "two", changes=EVERY_STEP, measure=rising)
    facts = {"device": str(student.device), "step": state.step, "tokens": state.tokens, "best": state.best_step}
    (folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(facts))
    # A training ends with its process group; the next one needs another port.
    AcceleratorState._reset_state(reset_partial_state=True)
    os.environ.update(MASTER_PORT=os.environ["SECOND_PORT"], TORCHELASTIC_USE_AGENT_STORE="False")
    tiny_training(model, folder / "one-then-two", changes=EVERY_STEP, measure=rising)


def free_port() -> int:
    import socket

    with socket.socket() as server:
        server.bind(("localhost", 0))
        return int(server.getsockname()[1])


def only_until(step: int, source: Path, target: Path) -> None:
    """Copy a training as it was when it had come to a step."""
    import shutil

    target.mkdir()
    shutil.copytree(source / f"step-{step:08d}", target / f"step-{step:08d}")
    shutil.copy(source / LOG_FILE, target)


def test_two_processes_take_the_steps_of_one(tiny_run: Callable[..., Any], tiny_teacher: Path, tmp_path: Path) -> None:
    _, state = tiny_run(tmp_path / "one", changes=EVERY_STEP, measure=rising)
    plan = BatchSampler(sentences_and_targets()[0], tokens_per_batch=90, seed=3).epoch(0)
    assert 0 in [len(plan.batch(step, rank=1, world_size=2)) for step in range(len(plan))]  # one has nothing to do
    only_until(4, tmp_path / "one", tmp_path / "one-then-two")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", __file__, tiny_teacher, tmp_path),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
            "SECOND_PORT": str(free_port()),
            "PYTHONWARNINGS": "default",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    facts = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert facts[0] == facts[1] == {"device": "cpu", "step": 16, "tokens": state.tokens, "best": 16}
    only_until(8, tmp_path / "two", tmp_path / "two-then-one")
    tiny_run(tmp_path / "two-then-one", changes=EVERY_STEP, measure=rising)
    expected = losses_of(tmp_path / "one")
    assert expected.shape == (16, 4)
    for name in ("two", "one-then-two", "two-then-one"):
        found = losses_of(tmp_path / name)
        assert found.shape == expected.shape, name
        assert np.abs(found - expected).max() < 1e-5, name
        assert farthest(tmp_path / "one", tmp_path / name) < 1e-5, name
    # Not the same run again: rounding differs.
    assert farthest(tmp_path / "one", tmp_path / "two") > 0


def test_one_process_asks_nobody() -> None:
    alone: Any = SimpleNamespace(num_processes=1)
    student, targets, rows = torch.rand(3, 2), torch.rand(3, 2), torch.arange(3)
    found = gather_batch(alone, student, targets, rows)
    assert [id(each) for each in found] == [id(student), id(targets), id(rows)]
    assert any_process(alone, True)
    assert not any_process(alone, False)
    assert from_main(alone, 0.25) == 0.25


if __name__ == "__main__":
    torch.set_num_threads(1)
    two_processes(Path(sys.argv[1]), Path(sys.argv[2]))
