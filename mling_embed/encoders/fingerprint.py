"""Name an encoder by all that its vectors depend on: weights, tokenizer, modules, prompts, truncation."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Weights that no sentence vector depends on: a BERT's pooler, which loading fills in at random where a file lacks it.
_UNUSED = (".pooler.", ".position_ids")
_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")


def model_fingerprint(model: SentenceTransformer, *, prompt: str | None = None) -> str:
    """Return the SHA-256 over all that a model's vectors depend on besides the text.

    The number format of its products is no part of it: an index made in bf16 is that of the same encoder in fp32.

    Args:
        model: The model.
        prompt: What is put before every text instead of the model's own default prompt.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if any(part in f".{name}." for part in _UNUSED):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    settings = {
        "tokenizer": _tokenizer_state(model.tokenizer),
        "architecture": [_architecture(module) for module in model],
        "modules": [(type(module).__name__, _plain(getattr(module, "get_config_dict", dict)())) for module in model],
        "max_seq_length": model.max_seq_length,
        "truncate_dim": model.truncate_dim,
        "prompts": {name: text for name, text in model.prompts.items() if text},
        "default_prompt": model.prompts.get(model.default_prompt_name or "") if prompt is None else prompt,
    }
    for route, modules in getattr(model[0], "sub_modules", {}).items():  # a router's tokenizers, of which it shows one
        first = modules[0]
        settings[f"route {route}"] = [_tokenizer_state(first.tokenizer), _architecture(first)]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _tokenizer_state(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        return repr(tokenizer)
    # Truncation and padding are what the last call set.
    return {**json.loads(backend.to_str()), "truncation": None, "padding": None}


def _architecture(module: Any) -> dict[str, Any]:
    """Return the settings of a module's transformer, less those that name where it came from."""
    config = getattr(getattr(module, "auto_model", None), "config", None)
    settings = config.to_dict() if config is not None else {}
    return {name: value for name, value in settings.items() if name not in _NOT_OF_THE_MODEL}


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if isinstance(value, str | int | float | bool | None | list)}
