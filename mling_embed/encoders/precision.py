"""The number format of an encoder's matrix products."""

from __future__ import annotations

from enum import StrEnum

from mling_embed.hardware import native_bf16


class Precision(StrEnum):
    """Name a number format; `auto` is bf16 where the device multiplies it in hardware, else fp32.

    An export alone multiplies in int8.
    """

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"
    INT8 = "int8"

    def on(self, device: str) -> Precision:
        """Return the format that this one means on a kind of device: ``cpu``, ``cuda``, ``mps``."""
        if self is not Precision.AUTO:
            return self
        return Precision.BF16 if native_bf16(device) else Precision.FP32
