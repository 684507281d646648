"""Checkpoints that are whole or do not count: tensors as safetensors, facts as JSON, a commit written last."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import read_json, room_on_disk, sha256_of, sync_folder, write_json

logger = logging.getLogger(__name__)

_COMMIT = "COMMIT.json"
_STATE = "state.json"
_TENSORS = ".safetensors"
_PART = ".part"
_STEP, _BEST = "step", "best"
_ALIASES = "aliases"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was saved at a step.

    Attributes:
        step: Steps done.
        tensors: By the name of their file, then by their own; on the CPU. Tied ones are one tensor again.
        facts: Anything that JSON holds.
        path: Their folder.
    """

    step: int
    tensors: dict[str, dict[str, torch.Tensor]]
    facts: dict[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class _Commit:
    """What COMMIT.json says: step, place in the order of saving, bytes and SHA-256 of each file."""

    step: int
    serial: int
    files: dict[str, dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write it into a checkpoint's folder, with its own hash."""
        body = {"step": self.step, "serial": self.serial, "files": self.files}
        write_json(folder / _COMMIT, {**body, "sha256": _digest(body)})

    @classmethod
    def read(cls, folder: Path) -> _Commit:
        """Read it from a checkpoint's folder; raise `DamagedFileError` where it is not what was written."""
        path = folder / _COMMIT
        try:
            body = read_json(path)
        except DataError:
            raise DamagedFileError("is not there: the checkpoint is not whole.", where=path) from None
        except OSError as error:
            raise DamagedFileError(f"cannot be read ({error}).", where=path) from None
        said = body.pop("sha256", None) if isinstance(body, dict) else None
        if said is None or said != _digest(body):
            raise DamagedFileError("is not what was written: its own SHA-256 differs.", where=path)
        return cls(body["step"], body["serial"], body["files"])


class CheckpointStore:
    """A folder of checkpoints, and the best of them in a slot of its own.

    Each is written beside its place (``step-00001234.part``), its files hashed and flushed to disk, ``COMMIT.json``
    last, then the folder is renamed and its parent flushed. Whatever moment a process is killed at, the checkpoints
    that were there are there. One process writes; the others read when it does not.

    Args:
        folder: Where the checkpoints are.
        keep: How many whole checkpoints stay; damaged ones do not count and go when a new one is there.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise UsageError(f"keep: {keep}; expected 1 or more.")
        self.folder, self.keep = folder, keep

    def save(self, step: int, tensors: Mapping[str, Mapping[str, torch.Tensor]], facts: Mapping[str, Any]) -> Path:
        """Save a checkpoint and return its folder; then remove those beyond `keep`.

        Args:
            step: Steps done. A step that was saved before is saved beside it (``step-00001234-2``).
            tensors: For each file, ``model`` for one, the tensors in it.
            facts: What else it takes to go on: anything that JSON holds.

        Raises:
            UsageError: A name cannot be a file's, or the step is negative.
        """
        return self._save(_STEP, step, tensors, facts, keep=self.keep)

    def save_best(self, step: int, tensors: Mapping[str, Mapping[str, torch.Tensor]], facts: Mapping[str, Any]) -> Path:
        """Save the best so far in place of the one before; as `save`."""
        return self._save(_BEST, step, tensors, facts, keep=1)

    def newest(self) -> Checkpoint | None:
        """Return the checkpoint saved last, of those that are whole; damaged ones are logged and passed over."""
        return self._newest(_STEP)

    def best(self) -> Checkpoint | None:
        """Return what `save_best` saved last, if it is whole."""
        return self._newest(_BEST)

    def _newest(self, slot: str) -> Checkpoint | None:
        for path, commit in self._commits(slot):
            try:
                _check(path, commit)
                return _load(path, commit)
            except DamagedFileError as error:
                logger.warning("checkpoint %s is damaged and passed over: %s", path.name, error)
        return None

    def _save(
        self,
        slot: str,
        step: int,
        tensors: Mapping[str, Mapping[str, torch.Tensor]],
        facts: Mapping[str, Any],
        *,
        keep: int,
    ) -> Path:
        bad = [name for name in tensors if not re.fullmatch(r"\w[\w.-]*", name)]
        if bad or step < 0:
            raise UsageError(f"cannot save step {step} with files named {bad}." if bad else f"no step {step}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"*{_PART}"):
            shutil.rmtree(left)
        others = list(self._commits(slot))
        path = self._free(f"{slot}-{step:08d}")
        part = path.with_name(path.name + _PART)
        needed = sum(tensor.numel() * tensor.element_size() for file in tensors.values() for tensor in file.values())
        with room_on_disk(path, needed=needed):
            try:
                part.mkdir()
                files = _write(part, tensors, facts)
                serial = 1 + max((commit.serial for _, commit in others), default=0)
                _Commit(step, serial, files).write(part)
                sync_folder(part)
                part.replace(path)
                sync_folder(self.folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        self._prune(slot, path, others, keep=keep)
        return path

    def _free(self, name: str) -> Path:
        path, again = self.folder / name, 1
        while path.exists():
            again += 1
            path = self.folder / f"{name}-{again}"
        return path

    def _folders(self, slot: str) -> list[Path]:
        found = sorted(self.folder.glob(f"{slot}-*"), reverse=True)
        return [path for path in found if path.is_dir() and path.suffix != _PART]

    def _commits(self, slot: str) -> Iterator[tuple[Path, _Commit]]:
        """Yield the committed checkpoints, the one saved last first; log those without a good commit."""
        found = []
        for path in self._folders(slot):
            try:
                found.append((path, _Commit.read(path)))
            except DamagedFileError as error:
                logger.warning("checkpoint %s is damaged and passed over: %s", path.name, error)
        yield from sorted(found, key=lambda each: -each[1].serial)

    def _prune(self, slot: str, saved: Path, others: list[tuple[Path, _Commit]], *, keep: int) -> None:
        """Remove what is not the one just saved or among the newest whole ones."""
        kept = {saved}
        for path, commit in others:
            if len(kept) == keep:
                break
            try:
                _check(path, commit)
                kept.add(path)
            except DamagedFileError as error:
                logger.warning("checkpoint %s is damaged and does not count: %s", path.name, error)
        for path in set(self._folders(slot)) - kept:
            # Half removed, it is one that was half written.
            left = path.with_name(path.name + _PART)
            path.replace(left)
            shutil.rmtree(left)


def _write(folder: Path, tensors: Mapping[str, Mapping[str, torch.Tensor]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files of a checkpoint, flushed to disk, and return their bytes and hashes."""
    write_json(folder / _STATE, dict(facts))
    for name, group in tensors.items():
        apart, aliases = _apart(group)
        path = folder / (name + _TENSORS)
        save_file(apart, path, metadata={_ALIASES: json.dumps(aliases)})
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in (folder / name for name in [_STATE, *(name + _TENSORS for name in tensors)])
    }


def _apart(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return tensors on the CPU that share no memory, and for each that is another one again, that one's name."""
    apart: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    names: dict[tuple[Any, ...], str] = {}
    storages: set[tuple[torch.device, int]] = set()
    for name, tensor in tensors.items():
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in names:
            aliases[name] = names[place]
            continue
        names[place] = name
        storage = (tensor.device, tensor.untyped_storage().data_ptr())
        here = tensor.detach().cpu().contiguous()
        apart[name] = here.clone() if storage in storages else here
        storages.add(storage)
    return apart, aliases


def _check(folder: Path, commit: _Commit) -> None:
    """Compare all files of a checkpoint with its commit.

    Raises:
        DamagedFileError: A file is not there or not what was written.
    """
    for name, said in commit.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != said["bytes"]:
                raise DamagedFileError(f"has {size} bytes; expected {said['bytes']}.", where=path)
            if sha256_of(path) != said["sha256"]:
                raise DamagedFileError("is not what was written: its SHA-256 differs.", where=path)
        except FileNotFoundError:
            raise DamagedFileError("is not there.", where=path) from None
        except OSError as error:
            raise DamagedFileError(f"cannot be read ({error}).", where=path) from None


def _load(folder: Path, commit: _Commit) -> Checkpoint:
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    for name in commit.files:
        if not name.endswith(_TENSORS):
            continue
        try:
            with safe_open(folder / name, framework="pt") as file:
                group = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 -- it is no mapping
                aliases = json.loads((file.metadata() or {}).get(_ALIASES, "{}"))
        except (OSError, SafetensorError) as error:
            raise DamagedFileError(f"cannot be read ({error}).", where=folder / name) from None
        group.update({alias: group[original] for alias, original in aliases.items()})
        tensors[name.removesuffix(_TENSORS)] = group
    return Checkpoint(commit.step, tensors, read_json(folder / _STATE), folder)


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
