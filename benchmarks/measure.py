"""What every benchmark writes down: figures, scores, seeds, version, commit, hardware, seconds, peak memory."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mling_embed import __version__
from mling_embed.files import write_text
from mling_embed.hardware import processor_name

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
SCHEMA = 1
CHOSEN = ("de", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh", "ja", "ko", "tr", "cs", "ar", "hi")  # of the means
CHANGES = "+changes"  # behind a commit whose code was changed
ARGUMENTS = "argv"  # of the script as it was run; results from before it was kept have none
KEYS = (
    "schema",
    "condition",
    "figures",
    "scores",
    "facts",
    "seeds",
    "package_version",
    "commit",
    "hardware",
    "seconds",
    "peak_rss_bytes",
)


@dataclass(slots=True)
class Measurement:
    """Collect what a benchmark finds.

    Attributes:
        condition: Name of the condition that describes it.
        figures: The figures that are compared with expectations, by name.
        scores: One record for each task, language pair or contestant: at least ``task``, ``n`` and ``score``.
        facts: Sizes and settings that explain the figures.
        seeds: Of all that was drawn at random.
        seconds: Duration of each phase.
        peak_rss_bytes: Largest memory of this process, or of its children where they did the work.
    """

    condition: str
    figures: dict[str, float] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_rss_bytes: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)
        say(f"{name}: {self.seconds[name]:.1f} s")

    def write(self, path: Path) -> None:
        """Write the measurement as JSON, one score a line."""
        values = {
            "schema": SCHEMA,
            "condition": self.condition,
            "figures": rounded({name: value for name, value in self.figures.items() if math.isfinite(value)}),
            "scores": self.scores,
            "facts": rounded(self.facts),
            "seeds": self.seeds,
            "package_version": __version__,
            "commit": commit(),
            ARGUMENTS: [Path(sys.argv[0]).name, *("{out}" if word == str(path) else word for word in sys.argv[1:])],
            "hardware": hardware(),
            "seconds": rounded(self.seconds),
            "peak_rss_bytes": self.peak_rss_bytes or peak_rss_bytes(),
        }
        parts = []
        for name, value in values.items():
            text = json.dumps(value, ensure_ascii=False, indent=2 if name != "scores" else None)
            if name == "scores" and value:
                lines = ",\n".join(f"    {json.dumps(rounded(score), ensure_ascii=False)}" for score in self.scores)
                text = f"[\n{lines}\n  ]"
            elif name != "scores":
                text = text.replace("\n", "\n  ")
            parts.append(f"  {json.dumps(name)}: {text}")
        write_text(path, "{\n" + ",\n".join(parts) + "\n}\n")
        say(f"written: {path}")


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, floats with six significant digits."""
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()}


def say(text: str) -> None:
    """Say something on stderr."""
    print(text, file=sys.stderr, flush=True)


def talk(work: str, done: int, total: int | None, /) -> None:
    """Say how far a piece of work is, twenty times on its way."""
    if total and done * 20 // total != (done - 1) * 20 // total:
        say(f"  {work}: {done:,} of {total:,}")


def peak_rss_bytes(*, children: bool = False) -> int:
    """Return the largest resident memory of this process, or the largest of its finished children."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def commit() -> str:
    """Return the commit of the checkout, with ``+changes`` if tracked files of the code differ, or ``unknown``."""
    command = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        code = ["mling_embed", "benchmarks/*.py", "data_manifests"]
        status = [*command, "status", "--porcelain", "--", *code]
        changes = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.strip() + (CHANGES if changes.strip() else "")


def hardware() -> dict[str, Any]:
    """Return what the machine is: processor, cores that may be used, memory, system, and versions that matter."""
    from importlib.metadata import version

    import torch

    packages = ("torch", "sentence-transformers", "tokenizers", "numpy")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": processor_name(),
        "flags": flags(),
        "cores": cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def flags() -> list[str]:
    """Return which of the processor's vector and matrix instructions there are."""
    from torch.backends import cpu

    told = f" {cpu.get_cpu_capability().lower()} "
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        told += next((line.partition(":")[2] for line in lines if line.startswith("flags")), "") + " "
    except OSError:
        pass
    known = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return [name for name in known if f" {name} " in told]
