"""The configuration of a distillation run, as it stands in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from mling_embed.encoders.loading import DEFAULT_TEACHER
from mling_embed.encoders.teacher import Precision
from mling_embed.errors import UsageError
from mling_embed.languages import language_code
from mling_embed.settings import Settings, checked, read_toml


def _language(name: str) -> str:
    try:
        return language_code(name)
    except UsageError as error:
        raise ValueError(str(error)) from None


Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Language = Annotated[str, AfterValidator(_language)]


class TeacherConfig(Settings):
    """Which teacher, and how it is run."""

    name: str = DEFAULT_TEACHER
    prompt: Annotated[str, StringConstraints(strip_whitespace=False)] | None = None
    precision: Precision = Precision.AUTO


class DataConfig(Settings):
    """What is learned from: a built corpus, or what one is built from."""

    corpus: Path | None = None
    pairs: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    languages: tuple[Language, ...] = ()
    dev_fraction: Share = 0.01
    decontaminate: bool = True

    @model_validator(mode="after")
    def _one_origin(self) -> DataConfig:
        if self.corpus is not None and (self.pairs or self.manifests):
            raise ValueError("give either corpus, or pairs and manifests to build one from")
        if self.corpus is None and not self.pairs and not self.manifests:
            raise ValueError("names no data: give corpus, pairs or manifests")
        return self


class StudentConfig(Settings):
    """What is made: a static encoder over a Unigram vocabulary.

    Attributes:
        kind: The only one so far.
        vocabulary_size: Entries; ``auto`` chooses by the corpus.
        lowercase: Merge cases.
        finer: Longest piece, in characters, of further segmentations to learn from; pays where text is scarce.
    """

    kind: Literal["static"] = "static"
    vocabulary_size: Literal["auto"] | Annotated[int, Field(ge=1024, le=1_000_000)] = "auto"
    lowercase: bool = True
    finer: tuple[Count, ...] = ()


class FitConfig(Settings):
    """How the student is fitted; `mling_embed.distillation.static_solver.StaticFit` says what each means."""

    epochs: Count = 4
    batch_size: Count = 4096
    learning_rate: Positive = 0.02
    contrastive_weight: Annotated[float, Field(ge=0)] = 0.3
    temperature: Positive = 0.05
    token_dropout: Share = 0.0


class DistillConfig(Settings):
    """A whole run."""

    out: Path
    seed: int = 0
    teacher: TeacherConfig = TeacherConfig()
    data: DataConfig
    student: StudentConfig = StudentConfig()
    fit: FitConfig = FitConfig()

    def to_toml(self) -> str:
        """Return the configuration as TOML, every value written out."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def read_config(path: Path | None, overrides: dict[str, Any], settings: Sequence[str] = ()) -> DistillConfig:
    """Read a run's configuration: a file's values, below command-line values, below ``a.b=c`` settings.

    Args:
        path: A TOML file, or `None` for the defaults.
        overrides: Nested values; a `None` overrides nothing.
        settings: Texts such as ``fit.epochs=3``; the value is TOML, or else a string.

    Raises:
        UsageError: The values make no sense; every problem is listed.
        DataError: The file is missing or not TOML.
    """
    values = read_toml(path) if path is not None else {}
    _merge(values, _without_none(overrides))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting}: expected section.name=value, such as fit.epochs=3.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        _merge(values, nested)
    values.setdefault("data", {})
    return checked(DistillConfig, values, what="the configuration", where=path)


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }
