"""What this machine can do: its processor, its accelerators, and where computation goes by default."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

PROCESSOR_VARIABLE = "MLING_EMBED_CPU"
PLAIN = "plain"
# Flags that make bf16 faster than fp32: x86 servers, then ARM.
BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16", "svebf16")


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Return the instruction-set flags that Linux reports; an empty set elsewhere.

    Those of bf16 are left out where ``MLING_EMBED_CPU=plain`` asks for the answers of a processor without them.
    """
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    flags = {
        flag for line in lines if re.match(r"(flags|Features)\s*:", line) for flag in line.split(":", 1)[1].split()
    }
    return flags - set(BF16_FLAGS) if os.environ.get(PROCESSOR_VARIABLE) == PLAIN else flags


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as Linux reports it, elsewhere as Python knows it."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def native_bf16(device: str = "cpu") -> bool:
    """Say whether a kind of device of this machine, ``cpu`` or ``cuda``, multiplies bf16 in hardware."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and _bf16_flagged() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _bf16_flagged() -> bool:
    return bool(_flags(os.environ.get(PROCESSOR_VARIABLE, "")) & set(BF16_FLAGS))


@cache
def _flags(_variable: str) -> frozenset[str]:
    """Return this processor's flags, read once for each value of the variable that changes them."""
    return frozenset(processor_flags())


def default_device() -> str:
    """Return the device that computation goes to where none is named: ``cuda``, ``mps`` or ``cpu``."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
