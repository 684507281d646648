"""What the processes of one training tell each other, beside gradients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mling_embed.hardware import default_device

if TYPE_CHECKING:
    from accelerate import Accelerator


_PATIENCE = timedelta(days=7)  # of the processes that wait for the main one


def is_main() -> bool:
    """Say whether this is the main process, the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def main_first(device: str | None = None) -> Iterator[None]:
    """Let the main process go through a block alone, and then the others, who find what it left on disk."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState(cpu=(device or default_device()) == "cpu", timeout=_PATIENCE).main_process_first():
        yield


def gather_batch(
    accelerator: Accelerator, student: Float[Tensor, "n dim"], targets: Float[Tensor, "n dim"], rows: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "m dim"], Float[Tensor, "m dim"], Int[Tensor, " m"]]:
    """Return the whole batch: this process's sentences, and those of the others without gradient.

    Args:
        accelerator: Knows the processes.
        student: This process's vectors.
        targets: Their targets.
        rows: Their English rows.
    """
    if accelerator.num_processes == 1:
        return student, targets, rows
    device, rank = student.device, accelerator.process_index
    sizes = accelerator.gather(torch.tensor([len(student)], device=device)).tolist()
    joined = torch.cat([student.detach().float(), targets.float()], dim=1)
    vectors = accelerator.gather(_padded(joined, max(sizes))).split(max(sizes))
    numbers = accelerator.gather(_padded(rows, max(sizes))).split(max(sizes))
    width = student.shape[1]
    everyone = [part[:size, :width] for part, size in zip(vectors, sizes, strict=True)]
    everyone[rank] = student
    return (
        torch.cat(everyone),
        torch.cat([part[:size, width:] for part, size in zip(vectors, sizes, strict=True)]),
        torch.cat([part[:size] for part, size in zip(numbers, sizes, strict=True)]),
    )


def any_process(accelerator: Accelerator, here: bool) -> bool:
    """Say whether something holds on any process; all processes must ask."""
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor(float(here), device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum") > 0)


def from_main(accelerator: Accelerator, value: float) -> float:
    """Return the main process's value on all of them."""
    if accelerator.num_processes == 1:
        return value
    held = torch.tensor(value if accelerator.is_main_process else 0.0, dtype=torch.float64, device=accelerator.device)
    return float(accelerator.reduce(held, reduction="sum"))


def _padded(tensor: Tensor, size: int) -> Tensor:
    return torch.cat([tensor, tensor.new_zeros(size - len(tensor), *tensor.shape[1:])])
