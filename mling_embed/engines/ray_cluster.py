"""Ray: tasks on the machines of a cluster (Ray Core), models held by actors, lost work done again."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mling_embed import __version__
from mling_embed.engines.engine import Task
from mling_embed.errors import DataError, MlingEmbedError, UsageError
from mling_embed.progress import Progress

logger = logging.getLogger(__name__)

_TRIES = 5  # of a task whose worker or machine is lost
_AHEAD = 2  # tasks in flight for each processor thread of the cluster
_PATIENCE = 60.0  # seconds without any worker before it is an error
_TOLD = 0.5  # seconds between two looks at who is done


@dataclass(slots=True)
class RayCluster:
    """Do tasks on a Ray cluster.

    The cluster of ``RAY_ADDRESS`` is used, or one that runs on this machine; else one is started on this machine alone.
    Who connects must know its token (``RAY_AUTH_MODE=token`` unless it is set otherwise, or Ray was imported before),
    which matters as Ray listens on every interface.

    Attributes:
        address: ``HOST:PORT`` of the cluster; by default as above.
        patience: Seconds without a worker after which there is an error.
    """

    address: str | None = None
    patience: float = _PATIENCE
    _actors: list[Any] = field(default_factory=list)

    def run(self, tasks: Sequence[Task], *, work: str, progress: Progress, last: bool = False) -> None:
        """Do the tasks that are not done, each on any machine; a lost worker's tasks are done by another.

        Raises:
            UsageError: Ray is not installed, there is no cluster, or its token is another one.
            DataError: A machine lacks the model or the folder.
            MlingEmbedError: A task's workers were lost again and again, or there is no room for any.
        """
        undone = [task for task in tasks if not task.is_done()]
        progress(work, len(tasks) - len(undone), len(tasks))
        if undone:
            ray = self._connected()
            run = self._on_actors if undone[0].needs_model else self._as_tasks
            for done in run(ray, undone):
                progress(work, len(tasks) - len(undone) + done, len(tasks))
        if missing := sum(not task.is_done() for task in tasks):
            raise DataError(
                f"{missing:,} of {len(tasks):,} results of {work} are not in the folder that this machine sees.",
                next_step="Give a work folder that all machines see: --work FOLDER.",
            )

    def _connected(self) -> Any:
        """Return Ray, connected."""
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise UsageError("Ray is not installed.", next_step='Install it: pip install "mling-embed[ray]".') from None
        if ray.is_initialized():
            return ray
        address = self.address or os.environ.get("RAY_ADDRESS")
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
        try:
            if address is not None:
                _require_listener(address)
                ray.init(address=address, **settings)
                return ray
            with suppress(ConnectionError):
                ray.init(address="auto", **settings)
                return ray
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **settings)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise UsageError(
                f"no Ray cluster can be joined: {reason}.",
                where=address,
                next_step="Look at its address (RAY_ADDRESS) and its token (RAY_AUTH_TOKEN, or ~/.ray/auth_token).",
            ) from error
        return ray

    def _as_tasks(self, ray: Any, tasks: Sequence[Task]) -> Any:
        """Do tasks without a model; Ray gives those of lost workers to others. Yields the number that are done."""
        remote = ray.remote(max_retries=_TRIES)(_run)
        waiting, done = deque(tasks), 0
        busy: set[Any] = set()
        while waiting or busy:
            most = max(int(ray.cluster_resources().get("CPU", 1)) * _AHEAD, 2)
            while waiting and len(busy) < most:
                task = waiting.popleft()
                busy.add(remote.options(num_cpus=task.threads).remote(task, __version__))
            ready, rest = ray.wait(list(busy), num_returns=1, timeout=self.patience)
            if not ready:
                self._refuse_without_room(ray, tasks[0].threads)
            busy = set(rest)
            for reference in ready:
                _result(ray, reference)
                done += 1
            yield done

    def _on_actors(self, ray: Any, tasks: Sequence[Task]) -> Any:
        """Do tasks with actors that hold a model; yields the number that are done."""
        pool = _Pool(ray, tasks[0].threads)
        waiting = deque((task, 1) for task in tasks)
        done, since = 0, time.monotonic()
        try:
            while waiting or pool.busy:
                pool.grow(len(waiting))
                pool.give(waiting)
                finished, lost = pool.take(_TOLD)
                for task, tries in lost:
                    if tries >= _TRIES:
                        raise MlingEmbedError(
                            f"a task's worker was lost {tries} times: {task}.",
                            next_step="Look at the memory of the machines, and run again: what is done is kept.",
                        )
                    waiting.appendleft((task, tries + 1))
                if finished or pool.busy:
                    since = time.monotonic()
                elif time.monotonic() - since > self.patience:
                    self._refuse_without_room(ray, tasks[0].threads)
                done += finished
                yield done
        finally:
            pool.close()

    def _refuse_without_room(self, ray: Any, threads: int) -> None:
        total, free = (found.get("CPU", 0) for found in (ray.cluster_resources(), ray.available_resources()))
        if free >= threads or total > free:
            return  # something is at work, or will be
        raise MlingEmbedError(
            f"no machine of the cluster has {threads} processors for a worker: {total:g} in all, {free:g} free.",
            next_step="Add machines, or run with fewer threads: OMP_NUM_THREADS=1.",
        )


class _Pool:
    """Hold actors, what each does, and those that are still starting."""

    def __init__(self, ray: Any, threads: int) -> None:
        self._ray, self._threads = ray, threads
        n_gpus = int(ray.cluster_resources().get("GPU", 0))
        settings = {"num_cpus": threads, "max_restarts": 0, **({"num_gpus": 1} if n_gpus else {})}
        self._kind = ray.remote(**settings)(_Worker)
        self._by_gpu = bool(n_gpus)
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self.busy: dict[Any, tuple[Any, Task, int]] = {}

    def grow(self, wanted: int) -> None:
        """Start actors as far as the cluster has room, and no more than there are tasks."""
        resources = self._ray.cluster_resources()
        room = int(resources.get("GPU", 0) if self._by_gpu else resources.get("CPU", 0) // self._threads)
        size = len(self._starting) + len(self._idle) + len(self.busy)
        for _ in range(min(max(room, 1), wanted + len(self.busy)) - size):
            actor = self._kind.remote()
            self._starting[actor.ready.remote(__version__)] = actor

    def give(self, waiting: deque[tuple[Task, int]]) -> None:
        """Give each idle actor a task."""
        while waiting and self._idle:
            actor, (task, tries) = self._idle.pop(), waiting.popleft()
            self.busy[actor.run.remote(task)] = (actor, task, tries)

    def take(self, seconds: float) -> tuple[int, list[tuple[Task, int]]]:
        """Wait for actors; return the number of tasks done, and those whose actors were lost."""
        finished, lost = 0, []
        everything = [*self._starting, *self.busy]
        ready, _ = self._ray.wait(everything, num_returns=1, timeout=seconds)
        for reference in ready:
            actor = self._starting.pop(reference, None)
            task, tries = None, 0
            if actor is None:
                actor, task, tries = self.busy.pop(reference)
            try:
                _result(self._ray, reference)
            except self._ray.exceptions.RayActorError as error:
                logger.warning("a worker was lost: %s", str(error).partition("\n")[0])
                lost += [] if task is None else [(task, tries)]
                continue
            finished += task is not None
            self._idle.append(actor)
        return finished, lost

    def close(self) -> None:
        """Let the actors go."""
        for actor in [*self._starting.values(), *self._idle, *(actor for actor, _, _ in self.busy.values())]:
            with suppress(Exception):
                self._ray.kill(actor)


class _Worker:
    """Hold a model on a machine of the cluster."""

    def ready(self, version: str) -> None:
        """Tell that it has begun, with the code that is asked for."""
        _check_version(version)

    def run(self, task: Task) -> None:
        """Do a task."""
        task.run()


def _require_listener(address: str) -> None:
    """Check that something listens at an address: Ray ends the whole process where nothing does.

    Raises:
        OSError: Nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def _run(task: Task, version: str) -> None:
    _check_version(version)
    task.run()


def _check_version(version: str) -> None:
    if version != __version__:
        from platform import node

        raise UsageError(
            f"mling_embed is {__version__} on the machine {node()}, and {version} here.",
            next_step="Install one version on all machines.",
        )


def _result(ray: Any, reference: Any) -> None:
    """Raise what a task raised, as it raised it."""
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MlingEmbedError | OSError):
            raise error.cause from error
        raise
