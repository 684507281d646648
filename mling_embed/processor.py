"""What this machine's processor can do, by the instruction-set flags that Linux reports."""

from __future__ import annotations

import re
from pathlib import Path

# Flags that make bf16 faster than fp32: x86 servers, then ARM.
BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16", "svebf16")


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Return the instruction-set flags that Linux reports; an empty set elsewhere."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if re.match(r"(flags|Features)\s*:", line) for flag in line.split(":", 1)[1].split()}
