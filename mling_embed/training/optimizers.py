"""The optimizers of a transformer student: AdamW for its body, a row-sparse Adam for its token embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mling_embed.encoders.anatomy import encoder_layers, token_embedding

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BASE_RATE = "base_lr"


@dataclass(frozen=True, slots=True)
class Optimizers:
    """All optimizers of a student, stepped together.

    Attributes:
        parts: AdamW, and SparseAdam where the token embedding's gradient is sparse.
    """

    parts: tuple[torch.optim.Optimizer, ...]

    @classmethod
    def of(
        cls,
        student: SentenceTransformer,
        *,
        learning_rate: float,
        embedding_learning_rate: float,
        layer_decay: float = 1.0,
        trained_layers: int | None = None,
        weight_decay: float = 0.0,
    ) -> Optimizers:
        """Make the optimizers of a student; on a CPU its token embedding is set to give sparse gradients.

        A dense Adam reads and writes every row of a vocabulary of which a step uses a few thousand.

        Args:
            student: Whose weights are trained.
            learning_rate: Of the topmost layer and all above it.
            embedding_learning_rate: Of the token embedding; 0 leaves it as it is.
            layer_decay: Factor from each layer to the one below it.
            trained_layers: Topmost layers that are trained; what lies below stays as it is. By default all.
            weight_decay: Of matrices other than the token embedding.

        Raises:
            UsageError: Layers are to be told apart, and the student's family is not known.
        """
        embedding = token_embedding(student)
        # With one rate for all, layers need not be told apart, and a student can be of any family.
        whole = layer_decay == 1 and trained_layers is None
        depths = [(weight, 0) for weight in student.parameters()] if whole else list(_with_depth(student))
        for weight, depth in depths:
            if trained_layers is not None and depth >= trained_layers:
                weight.requires_grad_(False)
        if not embedding_learning_rate:
            embedding.weight.requires_grad_(False)
        for module in student.modules():  # T5 looks tokens up in another module of the same table
            if isinstance(module, nn.Embedding) and module.weight is embedding.weight:
                module.sparse = embedding.weight.device.type == "cpu"
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter, depth in depths:
            if parameter is embedding.weight or not parameter.requires_grad:
                continue
            key = (learning_rate * layer_decay**depth, weight_decay if parameter.ndim > 1 else 0.0)
            groups.setdefault(key, []).append(parameter)
        body: list[dict[str, Any]] = [
            {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
        ]
        parts: list[torch.optim.Optimizer] = []
        table = {"params": [embedding.weight], "lr": embedding_learning_rate}
        if embedding.weight.requires_grad and embedding.sparse:
            parts.append(torch.optim.SparseAdam([table]))
        elif embedding.weight.requires_grad:
            body.append({**table, "weight_decay": 0.0})
        if body:
            parts.append(torch.optim.AdamW(body, fused=True))
        for part in parts:
            for group in part.param_groups:
                group[_BASE_RATE] = group["lr"]
        return cls(tuple(parts))

    def step(self, *, share: float, max_grad_norm: float) -> None:
        """Take a step at a share of the learning rates, and forget the gradients.

        Args:
            share: Factor of every learning rate.
            max_grad_norm: Norm to which the gradient of all dense weights together is clipped.
        """
        trained = [parameter for parameter in self._parameters() if parameter.grad is not None]
        dense = [parameter for parameter in trained if parameter.grad is not None and not parameter.grad.is_sparse]
        torch.nn.utils.clip_grad_norm_(dense, max_grad_norm)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group[_BASE_RATE] * share
            part.step()
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of all, by optimizer, parameter and name, as it is kept in a checkpoint."""
        return {
            f"{number}.{parameter}.{name}": torch.as_tensor(value)
            for number, part in enumerate(self.parts)
            for parameter, state in part.state_dict()["state"].items()
            for name, value in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a state that `tensors` returned."""
        states: list[dict[int, dict[str, Any]]] = [{} for _ in self.parts]
        for key, tensor in tensors.items():
            number, parameter, name = key.split(".")
            counts = isinstance(self.parts[int(number)], torch.optim.SparseAdam) and not tensor.ndim
            states[int(number)].setdefault(int(parameter), {})[name] = int(tensor) if counts else tensor
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})

    def _parameters(self) -> Iterator[nn.Parameter]:
        for part in self.parts:
            for group in part.param_groups:
                yield from group["params"]


def _with_depth(student: SentenceTransformer) -> Iterator[tuple[nn.Parameter, int]]:
    """Yield each weight with the number of layers above it: 0 in the topmost layer and the head, most below all."""
    layers = encoder_layers(student)
    depth_of = {
        id(parameter): len(layers) - 1 - number
        for number, layer in enumerate(layers)
        for parameter in layer.parameters()
    }
    depth = len(layers)  # what is registered before the first layer lies below all of them
    for parameter in student.parameters():
        depth = depth_of.get(id(parameter), depth if depth == len(layers) else 0)
        yield parameter, depth
