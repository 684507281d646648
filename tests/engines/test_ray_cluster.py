"""A real Ray cluster of two nodes on this machine: the bytes of one process, with workers and a node killed too."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from mling_embed.engines.engine import Engine, Task
from mling_embed.engines.ray_cluster import RayCluster
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError, UsageError
from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.sides import MiningOptions

if importlib.util.find_spec("ray") is None:
    pytest.skip('the extra "ray" is not installed', allow_module_level=True)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head and a second node, one processor each, that know one token."""
    before = dict(os.environ)
    os.environ |= TOKEN  # read when Ray is imported
    import ray
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    os.environ["OMP_NUM_THREADS"] = "1"
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    os.environ["RAY_ADDRESS"] = started.address
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield started
    ray.shutdown()
    started.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def second(cluster: Any) -> Iterator[Any]:
    """Add a node, and take it away again if the test did not."""
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield node
    if node in cluster.list_all_nodes():
        cluster.remove_node(node)


@dataclass(frozen=True)
class Slow:
    """Take a while, and say on which worker it was done."""

    path: Path
    needs_model: bool
    seconds: float = 0.4
    threads: int = 1
    error: str = ""

    def is_done(self) -> bool:
        return self.path.exists()

    def run(self) -> None:
        time.sleep(self.seconds)
        if self.error == "disk":
            raise OSError(28, "No space left on device", str(self.path))
        if self.error == "data":
            raise DamagedFileError("is damaged.", where=self.path, next_step="Fetch it again.")
        if self.error == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.error != "elsewhere":
            import ray

            self.path.write_text(ray.get_runtime_context().get_node_id())


def slow(folder: Path, n: int, *, needs_model: bool, **more: Any) -> list[Task]:
    return [Slow(folder / str(number), needs_model, **more) for number in range(n)]


def kill_a_worker(name: str) -> None:
    """Kill a process of a cluster's workers that is at work."""
    for process in psutil.process_iter(["cmdline"]):
        if " ".join(process.info["cmdline"] or []).startswith(f"ray::{name}"):
            process.kill()
            return
    raise AssertionError(f"no worker {name} is at work")


class Once:
    """Do something at the first progress of a piece of work."""

    def __init__(self, what: Any, after: int = 1) -> None:
        self.what, self.after, self.is_done = what, after, False

    def __call__(self, work: str, done: int, total: int | None, /) -> None:
        if done >= self.after and not self.is_done:
            self.is_done = True
            self.what()


@pytest.mark.parametrize("needs_model", [True, False])
def test_a_killed_worker_and_a_lost_node_lose_nothing(
    cluster: Any, second: Any, tmp_path: Path, needs_model: bool
) -> None:
    tasks = slow(tmp_path, 12, needs_model=needs_model)
    name = "_Worker.run" if needs_model else "_run"

    def harm() -> None:
        kill_a_worker(name)
        cluster.remove_node(second)

    harmed = Once(harm, after=3)
    RayCluster().run(tasks, work="slow", progress=harmed)
    assert harmed.is_done
    assert all(task.is_done() for task in tasks)
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 2  # both nodes were at work


def mined(sides: Path, student: str, engine: Engine | None, work: str, progress: Any = None) -> bytes:
    options = MiningOptions(work=sides / work, shard_rows=25, engine=engine)
    told = {} if progress is None else {"progress": progress}
    found = mine_bitext(sides / "de", sides / "en", model=student, options=options, **told)
    (path,) = found.write(sides / f"{work}.tsv", with_ids=True)
    return path.read_bytes()


def test_two_nodes_mine_the_bytes_of_one_process_with_a_node_lost(
    cluster: Any, second: Any, sides: Path, student: str
) -> None:
    import torch

    torch.set_num_threads(1)
    expected = mined(sides, student, None, "alone")
    assert mined(sides, student, RayCluster(), "ray") == expected
    harmed = Once(lambda: cluster.remove_node(second), after=20)
    assert mined(sides, student, RayCluster(), "harmed", harmed) == expected
    assert harmed.is_done
    kept = [
        {path.relative_to(sides / work): path.read_bytes() for path in (sides / work).rglob("*.safetensors")}
        for work in ("alone", "ray", "harmed")
    ]
    assert kept[0] == kept[1] == kept[2]


def test_errors_of_tasks_come_back_as_they_were(cluster: Any, tmp_path: Path) -> None:
    cases: list[tuple[str, type[Exception], str]] = [
        ("disk", OSError, "No space left on device"),
        ("data", DamagedFileError, "is damaged. Fetch it again."),
        ("elsewhere", DataError, "1 of 1 results of x are not in the folder that this machine sees"),
    ]
    for needs_model in (True, False):
        for error, kind, match in cases:
            tasks = slow(tmp_path, 1, needs_model=needs_model, error=error, seconds=0)
            with pytest.raises(kind, match=match):
                RayCluster().run(tasks, work="x", progress=lambda *_: None)


def test_a_task_that_kills_every_worker_is_an_error(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(MlingEmbedError, match=r"a task's worker was lost 5 times"):
        RayCluster().run(
            slow(tmp_path, 1, needs_model=True, error="die", seconds=0), work="x", progress=lambda *_: None
        )


def test_no_machine_has_room(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(MlingEmbedError, match=r"no machine of the cluster has 9 processors for a worker: 1 in all"):
        RayCluster(patience=2.0).run(slow(tmp_path, 1, needs_model=True, threads=9), work="x", progress=lambda *_: None)


def test_a_node_without_the_model_or_the_folder_says_so(cluster: Any, sides: Path, student: str) -> None:
    from dataclasses import replace

    from mling_embed.encoders.loading import load
    from mling_embed.engines.encoding import EncodeTexts, Model, write_texts

    encoder = load(student)
    model, texts = Model.of(student, encoder), write_texts(sides, ["a", "b"])
    task = EncodeTexts(model, None, texts, 0, 2, sides / "store", "0" * 64)
    bad = [
        (
            replace(task, model=replace(model, name=str(sides / "none"))),
            "no such model on the machine .*all machines see",
        ),
        (replace(task, model=replace(model, fingerprint="f" * 64)), "the model on the machine .* is another one"),
        (replace(task, texts=sides / "none.arrow"), "no such file on the machine .*--work FOLDER"),
    ]
    for each, match in bad:
        with pytest.raises(DataError, match=match):
            RayCluster().run([each], work="x", progress=lambda *_: None)
    RayCluster().run([task], work="x", progress=lambda *_: None)
    assert task.is_done()


def test_a_wrong_token_and_no_cluster(cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import subprocess

    script = (
        "from mling_embed.engines.ray_cluster import RayCluster\n"
        "from mling_embed.errors import UsageError\n"
        "from mling_embed.engines.encoding import EncodeTexts, Model\n"
        "from pathlib import Path\n"
        "task = EncodeTexts(Model('m', 'f', 'fp32', 1), None, Path('t'), 0, 1, Path('s'), 'k')\n"
        "try:\n    RayCluster().run([task], work='x', progress=lambda *_: None)\n"
        "except UsageError as error:\n    print('USAGE', error)\n"
    )
    for changes in ({"RAY_AUTH_TOKEN": secrets.token_hex(16)}, {"RAY_ADDRESS": "127.0.0.1:1"}):
        environment = {**os.environ, **changes, "RAY_gcs_rpc_server_reconnect_timeout_s": "3"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=180, cwd=tmp_path
        )
        assert "USAGE" in done.stdout, done.stderr[-2000:]
        assert "no Ray cluster can be joined" in done.stdout
        assert "RAY_ADDRESS" in done.stdout


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'Ray is not installed. Install it: pip install "mling-embed\[ray\]"'):
        RayCluster().run(slow(tmp_path, 1, needs_model=False), work="x", progress=lambda *_: None)
