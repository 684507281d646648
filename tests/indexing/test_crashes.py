"""Kills, crashes at every step, full disks and corruption: what was acknowledged stays, and no answer is wrong."""

from __future__ import annotations

import errno
import random
import resource
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import faiss
import pytest
from index_crashes import (
    MODELS,
    OPERATIONS,
    Document,
    Oracle,
    answers_by_words,
    attacked_index,
    carry_out,
    crashes,
    damage,
    failures,
    in_a_child,
    judge,
    kill_once,
    neither,
    operations,
    small_index,
)

from mling_embed.errors import DamagedFileError, MlingEmbedError
from mling_embed.indexing.index import Index
from mling_embed.indexing.upkeep.repair import rebuild_index


@pytest.fixture(autouse=True)
def one_thread() -> None:
    faiss.omp_set_num_threads(1)  # a forked process has no other threads


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Oracle]:
    path = tmp_path_factory.mktemp("base") / "index"
    return path, small_index(path)


def must_hold(path: Path, oracle: Oracle) -> None:
    assert neither(path, [oracle]) == []


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_a_crash_at_every_step_leaves_the_state_before_or_after(
    name: str, base: tuple[Path, Oracle], tmp_path: Path
) -> None:
    found = list(crashes(*base, name, tmp_path))
    assert [each for each in found if each.faults] == []
    assert [each.interrupted for each in found] == [True] * (len(found) - 1) + [False]
    assert len(found) >= 5  # a commit and its record, at least


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_error_at_every_write_is_told_and_leaves_the_state_before_or_after(
    name: str, error: int, base: tuple[Path, Oracle], tmp_path: Path
) -> None:
    found = list(failures(*base, name, tmp_path, error))
    assert [each for each in found if each.faults] == []
    assert [each.interrupted for each in found] == [True] * (len(found) - 1) + [False]
    assert len(found) >= 4


def test_a_file_that_may_not_grow_is_told_and_nothing_is_lost(base: tuple[Path, Oracle], tmp_path: Path) -> None:
    source, before = base
    path = tmp_path / "index"
    shutil.copytree(source, path)
    rows = [(f"big{n}", " ".join(["word1"] * 2000), "de", {"year": 0}) for n in range(40)]

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        with Index.open(path, model=MODELS[0]) as index, pytest.raises(MlingEmbedError, match="Free some space"):
            carry_out(index, {"do": "add", "rows": rows}, before)

    assert in_a_child(work) == 0
    must_hold(path, before)


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path, oracle, chance = tmp_path / "index", Oracle(), random.Random(0)
    Index.create(path, model=MODELS[0]).close()
    acknowledged = 0
    for _ in range(20):
        kill = kill_once(path, oracle, chance=chance, longest=0.2)
        assert kill.faults == []
        oracle, acknowledged = kill.oracle, acknowledged + kill.acknowledged
    assert acknowledged > 0
    assert len(oracle.documents) > 0


@pytest.mark.parametrize("log", [True, False])
def test_corruption_is_found_or_harmless(tmp_path: Path, *, log: bool) -> None:
    source, chance = tmp_path / "source", random.Random(int(log))
    oracle = attacked_index(source, log=log)
    by_words = answers_by_words(shutil.copytree(source, tmp_path / "asked"), oracle)
    outcomes: Counter[str] = Counter()
    for number in range(60):
        path = tmp_path / str(number)
        shutil.copytree(source, path)
        done = damage(path, chance)
        verdict = judge(path, oracle, chance, by_words=by_words)
        assert verdict.outcome in ("detected", "harmless"), (done, verdict)
        outcomes[verdict.outcome] += 1
        shutil.rmtree(path)
    assert outcomes["detected"] > 20


def test_rebuild_repairs_everything_but_the_rows(base: tuple[Path, Oracle], tmp_path: Path) -> None:
    source, oracle = base
    for number, name in enumerate(["COMMITTED", "CURRENT", "*/MANIFEST.json", "*/vectors.faiss", "*/columns.arrow"]):
        path = tmp_path / str(number)
        shutil.copytree(source, path)
        for file in path.glob(name):
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        with pytest.raises(MlingEmbedError, match="index rebuild"), Index.open(path, model=MODELS[0]) as index:
            index.search("word1")
        rebuild_index(path)
        with Index.open(path, model=MODELS[0]) as index:
            index.publish()
        must_hold(path, oracle)


def test_a_damaged_row_is_named_and_left_out_only_when_asked(base: tuple[Path, Oracle], tmp_path: Path) -> None:
    source, oracle = base
    path = tmp_path / "index"
    shutil.copytree(source, path)
    file = path / "rows.sqlite"
    file.write_bytes(file.read_bytes().replace(b"word0 word1", b"word0 wordX"))  # the text of id0
    with Index.open(path, model=MODELS[0]) as index:
        assert [problem for problem in index.verify().problems if "id0" in problem]
        with pytest.raises(MlingEmbedError, match=r"row 1 .*id 'id0'.* is damaged"):
            index.search("word0 word1")
    with pytest.raises(MlingEmbedError, match=r"1 rows are damaged and cannot be repaired: row 1 \(id 'id0'\)"):
        rebuild_index(path)
    assert rebuild_index(path, drop_damaged=True) == 1
    rest = {id_: document for id_, document in oracle.documents.items() if id_ != "id0"}
    must_hold(path, Oracle(rest))


def test_an_id_that_leads_nowhere_or_elsewhere_is_damage(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with Index.create(source, model=MODELS[0]) as index:
        index.add(["word1", "word2", "word3"], ["first-id", "second-id", "third-id"])
    data = (source / "rows.sqlite").read_bytes()
    places = [at for at in range(len(data)) if data.startswith(b"second-id", at)]
    assert len(places) == 2  # in the row, and in SQLite's index of ids
    acts: list[Callable[[Index], object]] = [
        lambda index: index.get(["second-id"]),
        lambda index: index.delete(["second-id"]),
        lambda index: index.upsert("word4", ["second-id"]),
        lambda index: index.add("word4", ["second-id"]),
    ]
    for number, (place, act) in enumerate((place, act) for place in places for act in acts):
        path = tmp_path / str(number)
        shutil.copytree(source, path)
        (path / "rows.sqlite").write_bytes(data[:place] + b"sekond-id" + data[place + 9 :])
        with pytest.raises(DamagedFileError), Index.open(path, model=MODELS[0]) as index:
            act(index)


def test_damaged_words_are_found_when_words_are_asked_for(base: tuple[Path, Oracle], tmp_path: Path) -> None:
    import sqlite3

    source, oracle = base
    path = tmp_path / "index"
    shutil.copytree(source, path)
    with sqlite3.connect(path / "rows.sqlite") as connection:
        connection.create_function("length_changed", 3, lambda *_: None)
        connection.execute("UPDATE full_text_docsize SET sz = x'05' WHERE id = 3")
    connection.close()
    with Index.open(path, model=MODELS[0]) as index:
        assert index.search("word3 word4", 1)[0].id == "id3"
        with pytest.raises(MlingEmbedError, match="its full-text table is not what was written"):
            index.search("word3 word4", 1, hybrid=True)
        assert [problem for problem in index.verify().problems if "full-text table is not what was" in problem]
    rebuild_index(path)
    with Index.open(path, model=MODELS[0]) as index:
        assert index.search("word3 word4", 1, hybrid=True)[0].id == "id3"
    must_hold(path, oracle)


def test_a_damaged_vector_is_encoded_again(base: tuple[Path, Oracle], tmp_path: Path) -> None:
    import sqlite3

    source, oracle = base
    path = tmp_path / "index"
    shutil.copytree(source, path)
    with sqlite3.connect(path / "rows.sqlite") as connection:
        connection.execute("UPDATE rows SET vector = zeroblob(64) WHERE id = 'id3'")
    connection.close()
    assert rebuild_index(path, model=MODELS[0]) == 0
    with Index.open(path, model=MODELS[0]) as index:
        assert index.verify().whole
        assert index.search("word3 word4", 1)[0].id == "id3"
    assert Document("word3 word4", "de", {"year": 0}) == oracle.documents["id3"]


def test_the_random_operations_reach_every_kind() -> None:
    oracle, kinds = Oracle(), set()
    for operation in operations(random.Random(0), oracle):
        kinds.add(operation["do"])
        if len(kinds) == 6:
            break
    assert kinds == {"add", "upsert", "delete", "publish", "compact", "reencode"}
