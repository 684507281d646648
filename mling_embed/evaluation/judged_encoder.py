"""What can be judged: a folder or a name of the hub, a function of a module, a server that speaks OpenAI's protocol."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.loading import as_encoder
from mling_embed.errors import DataError, UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
INPUTS_AT_ONCE = 128
_SECONDS = 120.0
_FUNCTION = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")


def judged_encoder(model: str | Path | Any, *, device: str | None = None) -> Encoder:
    """Return an encoder of a model in any form.

    Args:
        model: A folder or a name of the hub; ``module:function``, whose function turns a list of texts into an array;
            the address of a server of OpenAI's protocol with a model's name, ``http://localhost:8000/v1#name``; or a
            loaded model, or anything with `encode`.
        device: Where a model that is loaded here computes.

    Raises:
        DataError: The model cannot be had, or the server does not answer as it should.
        UsageError: The name means nothing of these.
    """
    if isinstance(model, str) and model.startswith(("http://", "https://")):
        return as_encoder(EmbeddingServer(model))
    if isinstance(model, str) and not Path(model).exists() and (found := _FUNCTION.fullmatch(model)):
        return as_encoder(_Function(_imported(found["module"], found["name"])))
    return as_encoder(model, device=device)


def is_stored(model: str | Path | Any) -> bool:
    """Tell whether a model is a folder or a name of the hub, whose fingerprint says what its vectors depend on."""
    if isinstance(model, str):
        return Path(model).exists() or not (model.startswith(("http://", "https://")) or _FUNCTION.fullmatch(model))
    return isinstance(model, Path)


class EmbeddingServer:
    """Encode by a server that speaks OpenAI's protocol: ``POST <address>/embeddings``.

    Args:
        address: The server's, such as ``http://localhost:8000/v1``, with ``#`` and the model's name. A key is taken
            from ``OPENAI_API_KEY``.

    Raises:
        UsageError: The address names no model.
    """

    def __init__(self, address: str) -> None:
        self.address, _, self.model = address.partition("#")
        if not self.model or not urlsplit(self.address).hostname:
            raise UsageError(
                f"'{address}' names no model.", next_step="Put it behind a #: http://localhost:8000/v1#name."
            )

    def encode(self, texts: Sequence[str]) -> Float32[ndarray, "n dim"]:
        """Encode texts, some at a time.

        Raises:
            DataError: The server refuses, or answers something else than a vector a text.
        """
        import httpx

        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        rows: list[list[float]] = []
        with httpx.Client(headers=headers, timeout=_SECONDS) as client:
            for start in range(0, len(texts), INPUTS_AT_ONCE):
                rows += self._asked(client, list(texts[start : start + INPUTS_AT_ONCE]))
        return np.asarray(rows, dtype=np.float32)

    def _asked(self, client: Any, texts: list[str]) -> list[list[float]]:
        import httpx

        where = f"{self.address.rstrip('/')}/embeddings"
        try:
            answer = client.post(where, json={"model": self.model, "input": texts, "encoding_format": "float"})
            answer.raise_for_status()
            data = sorted(answer.json()["data"], key=lambda each: each["index"])
            rows = [each["embedding"] for each in data]
        except httpx.HTTPStatusError as error:
            raise DataError(
                f"the server answered {error.response.status_code}: {error.response.text[:200]}", where=where
            ) from error
        except httpx.HTTPError as error:
            raise DataError(f"cannot be reached ({error}).", where=where, next_step="Is it running?") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"not an answer of OpenAI's protocol ({error!r}).", where=where) from error
        if len(rows) != len(texts):
            raise DataError(f"{len(rows)} vectors for {len(texts)} texts.", where=where)
        return rows


class _Function:
    """Encode by a function of texts."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self.function = function

    def encode(self, texts: list[str]) -> Any:
        return self.function(texts)


def _imported(module: str, name: str) -> Callable[[list[str]], Any]:
    """Import a function, from the folder that one is in too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"'{module}:{name}' cannot be imported: {error}.", next_step="Give a folder, a name, or module:function."
        ) from error
    if not callable(found):
        raise UsageError(f"'{module}:{name}' is no function.")
    function: Callable[[list[str]], Any] = found
    return function
