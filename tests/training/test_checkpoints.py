"""Checkpoints survive kills and damage: the newest whole one is found, whatever happened to the others."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mling_embed.errors import UsageError
from mling_embed.training.checkpoints import CheckpointStore

FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "COMMIT.json"]
KILLS = 25
WORKER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from mling_embed.training.checkpoints import CheckpointStore

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
store = CheckpointStore(folder, keep=2)
moments = random.Random(0)
killed_in_a_save = reached = best = 0
for _ in range(kills):
    saving, saves = os.pipe()
    child = os.fork()
    while child == 0:
        reached += 1
        model = {"w": torch.full((3000,), float(reached))}
        store.save(reached, {"model": model, "optimizer": {"m": torch.tensor(reached)}}, {"step": reached})
        store.save_best(reached, {"model": model}, {"step": reached})
        os.write(saves, b".")
    os.read(saving, 1)  # however slow the machine, it has saved before it is killed
    time.sleep(moments.uniform(0, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(saving)
    os.close(saves)
    killed_in_a_save += any(folder.glob("*.part"))
    for found, least in ((store.newest(), reached), (store.best(), best)):
        if found is None:
            if least:
                sys.exit("nothing is left")
            continue
        whole = torch.equal(found.tensors["model"]["w"], torch.full((3000,), float(found.step)))
        if found.step < least or found.facts != {"step": found.step} or not whole:
            sys.exit(f"{found}, after {least}")
    reached, best = (found.step if found else 0 for found in (store.newest(), store.best()))
print(reached, killed_in_a_save)
"""


def tensors_of(step: int) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "model": {"w": torch.arange(40.0) * step},
        "optimizer": {"w.m": torch.full((3,), step), "t": torch.tensor(step)},
    }


def saved(store: CheckpointStore, *steps: int) -> list[Path]:
    return [store.save(step, tensors_of(step), {"step": step, "é": [1.5, None]}) for step in steps]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_is_step(store: CheckpointStore, step: int) -> None:
    found = store.newest()
    assert found is not None
    assert (found.step, found.facts) == (step, {"step": step, "é": [1.5, None]})
    assert {name: sorted(group) for name, group in found.tensors.items()} == {"model": ["w"], "optimizer": ["t", "w.m"]}
    for name, group in tensors_of(step).items():
        for key, tensor in group.items():
            assert torch.equal(found.tensors[name][key], tensor)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [truncated, emptied, flipped, longer, Path.unlink, made_a_folder]


def test_a_checkpoint_is_a_folder_of_plain_files(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints")
    assert (store.newest(), store.best()) == (None, None)
    (path,) = saved(store, 1234)
    assert path == tmp_path / "checkpoints/step-00001234"
    assert names(path) == sorted(FILES)
    commit = json.loads((path / "COMMIT.json").read_text())
    assert (commit["step"], sorted(commit["files"])) == (1234, sorted(FILES)[1:])
    assert commit["files"]["state.json"]["bytes"] == (path / "state.json").stat().st_size
    assert_is_step(store, 1234)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], name: str
) -> None:
    store = CheckpointStore(tmp_path)
    _, newest = saved(store, 10, 20)
    damage(newest / name)
    assert_is_step(store, 10)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"checkpoint step-00000020 is damaged and passed over: {newest / name}: " in record.getMessage()


def test_any_flipped_byte_of_the_commit_is_noticed(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (path,) = saved(store, 1)
    data = (path / "COMMIT.json").read_bytes()
    for place in range(0, len(data) - 1, 3):
        changed = bytearray(data)
        changed[place] ^= 1
        (path / "COMMIT.json").write_bytes(changed)
        same = False
        with contextlib.suppress(ValueError):
            same = json.loads(changed) == json.loads(data)  # a blank is as good as another
        assert (store.newest() is not None) == same


def test_an_empty_folder_and_a_half_written_one_do_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CheckpointStore(tmp_path)
    _, path = saved(store, 1, 2)
    (tmp_path / "step-00000009").mkdir()
    shutil.copytree(path, tmp_path / "step-00000008.part")
    (tmp_path / "step-notes.txt").touch()
    assert_is_step(store, 2)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "checkpoint step-00000009 is damaged and passed over"
    ]
    saved(store, 3)
    assert names(tmp_path) == ["step-00000002", "step-00000003", "step-notes.txt"]


def test_all_damaged_is_none(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    for path in saved(store, 1, 2):
        flipped(path / "model.safetensors")
    assert store.newest() is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_as_many_stay_as_asked(tmp_path: Path, keep: int) -> None:
    store = CheckpointStore(tmp_path, keep=keep)
    saved(store, *range(1, 6))
    assert names(tmp_path) == [f"step-{step:08d}" for step in range(6 - keep, 6)]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_one_does_not_count_for_keep(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    store = CheckpointStore(tmp_path)
    *_, damaged = saved(store, 1, 2)
    flipped(damaged / name)
    saved(store, 3)
    assert names(tmp_path) == ["step-00000001", "step-00000003"]
    assert "step-00000002 is damaged" in caplog.text
    saved(store, 4)
    assert names(tmp_path) == ["step-00000003", "step-00000004"]


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    saved(store, 1)
    with pytest.raises(TypeError):
        store.save(2, tensors_of(2), {"not JSON": object()})
    assert names(tmp_path) == ["step-00000001"]
    assert_is_step(store, 1)


def test_the_one_saved_last_is_the_newest(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    first, again = [saved(store, 5)[0], saved(store, 5)[0]]
    assert (first.name, again.name) == ("step-00000005", "step-00000005-2")
    found = store.newest()
    assert found is not None
    assert found.path == again
    saved(store, 3)
    assert_is_step(store, 3)
    assert names(tmp_path) == ["step-00000003", "step-00000005-2"]


def test_the_best_has_a_slot_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    for step in (1, 7, 4):
        saved(store, step)
        path = store.save_best(step, {"model": {"w": torch.tensor(float(step))}}, {"accuracy": step / 10})
    best = store.best()
    assert best is not None
    assert (best.step, best.facts, best.tensors["model"]["w"].item()) == (4, {"accuracy": 0.4}, 4.0)
    assert names(tmp_path) == ["best-00000004", "step-00000004"]
    truncated(path / "model.safetensors")
    assert store.best() is None
    assert "best-00000004 is damaged" in caplog.text
    assert_is_step(store, 4)


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.int64, torch.bool, torch.uint8]
)
def test_dtypes_and_shapes_come_back(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.tensor([[0.0, 1.0, 3.140625], [-0.0, 100.0, 7.0]]).abs().to(dtype)
    group = {
        "two": values,
        "none": values[:0],
        "one": values[1, 2],
        "across": values.t(),
        "nan": torch.tensor(torch.nan),
    }
    store = CheckpointStore(tmp_path)
    store.save(0, {"model": group, "nothing": {}}, {})
    found = store.newest()
    assert found is not None
    assert found.tensors["nothing"] == {}
    for name, tensor in group.items():
        again = found.tensors["model"][name]
        assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(again, tensor) or name == "nan"
    assert found.tensors["model"]["nan"].isnan()


def test_tied_weights_are_stored_once_and_tied_again(tmp_path: Path) -> None:
    table = torch.nn.Parameter(torch.randn(1000, 8))
    group = {"embedding": table, "output": table, "half": table[:500], "column": table[:, 3]}
    path = CheckpointStore(tmp_path).save(1, {"model": group}, {})
    assert (path / "model.safetensors").stat().st_size < 4 * (8000 + 4000 + 1000) + 1000
    found = CheckpointStore(tmp_path).newest()
    assert found is not None
    back = found.tensors["model"]
    assert back["output"] is back["embedding"]
    assert not any(tensor.requires_grad for tensor in back.values())
    assert all(torch.equal(back[name], tensor) for name, tensor in group.items())


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"keep: 0; expected 1 or more"):
        CheckpointStore(tmp_path, keep=0)
    with pytest.raises(UsageError, match=r"files named \['\.\./model'\]"):
        CheckpointStore(tmp_path).save(1, {"../model": {}}, {})
    with pytest.raises(UsageError, match="no step -1"):
        CheckpointStore(tmp_path).save(-1, {}, {})
    assert names(tmp_path) == []


def test_killed_while_saving_the_newest_is_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WORKER, str(tmp_path), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    reached, killed_in_a_save = map(int, done.stdout.split())
    assert reached > 0
    assert killed_in_a_save > KILLS / 3
