"""The store of teacher targets: each text once, ever; whole shards or none."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mling_embed.encoders.fitness import examine
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.training.targets import Targets, TargetStore, label_key

TEXTS = [f"sentence number {n}, {'and so on ' * (n % 5)}" for n in range(60)]
WORKER = """
import sys, time
from pathlib import Path
from mling_embed.training.targets import TargetStore
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
def progress(work, done, total):
    print(done, flush=True)
    time.sleep(0.05)
teacher = TransformerEncoder(load_sentence_transformer(sys.argv[1]), precision=Precision.FP32)
store = TargetStore(teacher, root=Path(sys.argv[2]))
store.compute([f"text {n}" for n in range(2000)], progress=progress, rows_per_shard=10)
"""


class CountingTeacher(TransformerEncoder):
    """Remember what was encoded, and stop before a batch if asked to."""

    asked: list[str]
    batches_left = 10**9

    def encode(self, texts, *, done=None):
        self.__dict__.setdefault("asked", []).extend(texts)

        def counted(rows, vectors):
            if not self.batches_left:
                raise KeyboardInterrupt("SIGTERM")
            self.batches_left -= 1
            if done is not None:
                done(rows, vectors)

        return super().encode(texts, done=counted)


@pytest.fixture
def teacher(tiny_teacher: Path) -> CountingTeacher:
    counting = CountingTeacher(load_sentence_transformer(tiny_teacher), precision=Precision.FP32)
    _ = examine(counting)
    counting.asked = []
    return counting


def test_each_distinct_text_is_encoded_once(teacher: CountingTeacher, tmp_path: Path) -> None:
    store = TargetStore(teacher, root=tmp_path)
    teacher.asked = []
    targets = store.compute(TEXTS + TEXTS[::-1], rows_per_shard=7)
    assert (targets.computed, len(targets), targets.dim) == (60, 120, 32)
    assert sorted(teacher.asked) == sorted(TEXTS)
    np.testing.assert_array_equal(targets.matrix()[:60], targets.matrix()[60:][::-1])
    assert store.compute(TEXTS).computed == 0
    assert len(teacher.asked) == 60


def test_rows_are_what_the_teacher_says_in_fp16(teacher: CountingTeacher, tmp_path: Path) -> None:
    targets = TargetStore(teacher, root=tmp_path).compute(TEXTS, rows_per_shard=16)
    exact = teacher.encode(TEXTS)
    assert targets.matrix().dtype == np.float16
    np.testing.assert_allclose(targets.matrix(), exact, atol=3e-4)
    chosen = np.asarray([59, 0, 17, 17])
    np.testing.assert_array_equal(targets.take(chosen), targets.matrix()[chosen])
    assert len(targets.shards) == 4


def test_corpora_share_the_store(teacher: CountingTeacher, tmp_path: Path) -> None:
    first = TargetStore(teacher, root=tmp_path).compute(TEXTS[:40])
    second = TargetStore(teacher, root=tmp_path).compute(TEXTS[20:])
    assert (first.computed, second.computed) == (40, 20)
    np.testing.assert_array_equal(second.matrix()[:20], first.matrix()[20:])


def test_another_teacher_has_another_folder(teacher: CountingTeacher, tmp_path: Path) -> None:
    prompted = TransformerEncoder(teacher.model, prompt="query: ", precision=Precision.FP32)
    stores = [TargetStore(each, root=tmp_path) for each in (teacher, prompted)]
    assert [store.compute(TEXTS[:5]).computed for store in stores] == [5, 5]
    assert stores[0].folder != stores[1].folder
    assert json.loads((stores[1].folder / "targets.json").read_text())["prompt"] == "query: "


def test_the_number_format_joins_the_key_of_kept_vectors(teacher: CountingTeacher) -> None:
    short = TransformerEncoder(teacher.model, precision=Precision.BF16)
    assert short.fingerprint == teacher.fingerprint
    assert label_key(short) != label_key(teacher)


def test_the_cache_is_the_default_place(
    teacher: CountingTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path))
    assert TargetStore(teacher).folder == tmp_path / "targets" / label_key(teacher)[:32]


def test_nothing_is_nothing(teacher: CountingTeacher, tmp_path: Path) -> None:
    targets = TargetStore(teacher, root=tmp_path).compute([])
    assert (len(targets), targets.computed, targets.matrix().shape) == (0, 0, (0, 0))


def test_hostile_texts_are_kept_apart(teacher: CountingTeacher, tmp_path: Path) -> None:
    texts = ["", " ", "a\x00b", "ab", "\u2028", "e\u0301", "é", "x" * 10_000]
    store = TargetStore(teacher, root=tmp_path)
    assert store.compute(texts).computed == len(texts)
    np.testing.assert_allclose(store.compute(texts).matrix(), teacher.encode(texts), atol=3e-4)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_shard_is_set_aside_and_computed_again(
    teacher: CountingTeacher, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = TargetStore(teacher, root=tmp_path).compute(TEXTS, rows_per_shard=20).matrix()
    shard = sorted(tmp_path.rglob("*.arrow"))[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes({"flip": bytes(data), "cut": bytes(data[:-64]), "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        store = TargetStore(teacher, root=tmp_path)
    assert f"{shard} is damaged; set aside" in caplog.text
    again = store.compute(TEXTS)
    assert again.computed == 20
    np.testing.assert_allclose(again.matrix(), expected, atol=1e-3)
    assert shard.with_suffix(".damaged").exists()
    assert TargetStore(teacher, root=tmp_path).compute(TEXTS).computed == 0


def test_a_killed_run_loses_one_shard_at_most(teacher: CountingTeacher, tiny_teacher: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tiny_teacher), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        done = 0
        assert process.stdout is not None
        for line in process.stdout:
            done = int(line)
            if done >= 50:
                break
        os.kill(process.pid, signal.SIGKILL)
        rest = [int(line) for line in process.stdout]
    assert process.returncode == -signal.SIGKILL
    done = max([done, *rest])  # rows that were on disk when the process last spoke
    store = TargetStore(teacher, root=tmp_path)
    kept = 10 * len(list(store.folder.glob("*.arrow")))
    assert kept in (done, done + 10)
    assert kept < 2000
    assert store.compute([f"text {n}" for n in range(done + 40)], rows_per_shard=100).computed == done + 40 - kept


@pytest.mark.parametrize("done", [0, 1, 17, 33])
def test_a_stopped_run_keeps_the_rows_that_are_done(teacher: CountingTeacher, tmp_path: Path, done: int) -> None:
    exact = teacher.encode(TEXTS)
    store = TargetStore(teacher, root=tmp_path)
    store.compute(TEXTS[:20])
    teacher.tokens_per_batch = 1  # a text a batch
    teacher.batches_left = done
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        store.compute(TEXTS, rows_per_shard=30)
    teacher.batches_left = 10**9
    # In this process or in the next one, what was done is not done again.
    stopped = sum(map(len, store.compute([]).shards))
    assert stopped == 20 + done
    targets = TargetStore(teacher, root=tmp_path).compute(TEXTS)
    assert targets.computed == 40 - done
    np.testing.assert_allclose(targets.matrix(), exact, atol=1e-3)


def test_progress_is_told(teacher: CountingTeacher, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    TargetStore(teacher, root=tmp_path).compute(
        TEXTS, progress=lambda work, done, total: told.append((work, done, total)), rows_per_shard=25
    )
    assert told == [("teacher targets", done, 60) for done in (0, 25, 50, 60)]


def test_targets_gather_from_shards() -> None:
    shards = tuple(np.full((2, 3), n, dtype=np.float16) for n in (1, 2))
    targets = Targets(shards, np.asarray([1, 0, 1]), np.asarray([0, 1, 1]), 3)
    np.testing.assert_array_equal(targets.matrix()[:, 0], [2, 1, 2])
