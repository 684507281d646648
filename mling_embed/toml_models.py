"""TOML files checked by pydantic models: unknown keys are refused, the nearest one is named, problems come together."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from mling_embed.errors import DataError, report_together


class TomlModel(BaseModel):
    """Be the base of every model that is read from TOML: no unknown keys, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Model = TypeVar("Model", bound=TomlModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        DataError: There is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError("no such file.", where=path) from None
    except IsADirectoryError:
        raise DataError("is a folder; expected a TOML file.", where=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not TOML ({error}).", where=path) from None


def checked(model: type[Model], values: dict[str, Any], *, what: str, where: Path | str | None = None) -> Model:
    """Check values against a model.

    Args:
        model: The model.
        values: As read from TOML.
        what: What they are, for the error: ``the manifest``.
        where: Their file; a validator finds its folder in the context under ``folder``.

    Raises:
        UsageError: There are problems; all are listed.
    """
    folder = where.absolute().parent if isinstance(where, Path) else Path.cwd()
    try:
        return model.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        found = error.errors()
        # A list that is too short only because an item of it has a problem is no problem of its own.
        deep = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
        problems = [
            _problem(model, each["loc"], each["type"], each["msg"])
            for each in found
            if each["type"] != "too_short" or each["loc"] not in deep
        ]
        report_together(problems, heading=f"{what} has problems:", where=where)
        raise


def _problem(model: type[BaseModel], location: tuple[int | str, ...], kind: str, message: str) -> str:
    place = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, location)))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known: dict[str, list[str]] = {}
        for field in _fields(model):
            known.setdefault(field.rpartition(".")[2], []).append(field)
        near = difflib.get_close_matches(str(location[-1]), sorted(known), n=1, cutoff=0.5)
        if not near:
            return f"{place}: unknown key."
        # A key of the same name may stand elsewhere: say where, unless it is right here.
        parent = "".join(f"{part}." for part in location[:-1] if isinstance(part, str))
        here = f"{parent}{near[0]}" in known[near[0]]
        return f"{place}: unknown key. Did you mean {near[0] if here else known[near[0]][0]}?"
    text = message.removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


def _fields(model: type[BaseModel]) -> Iterator[str]:
    """Yield the names of a model's fields, and those of the models and dataclasses in them behind a dot."""
    for name, field in model.model_fields.items():
        yield name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from (f"{name}.{inner}" for inner in _fields(part))
            elif isinstance(part, type) and dataclasses.is_dataclass(part):
                yield from (f"{name}.{inner.name}" for inner in dataclasses.fields(part))
