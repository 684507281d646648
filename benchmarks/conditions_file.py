"""Conditions: what a benchmark runs on, how it is run, and which figures are expected."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from measure import FOLDER
from pydantic import Field, model_validator

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, load_manifest, manifest_folder
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.errors import MlingEmbedError
from mling_embed.files import sha256_of
from mling_embed.toml_models import TomlModel, checked, read_toml

CONDITIONS = FOLDER / "conditions"
RESULTS = FOLDER / "results"
CORPUS_VARIABLE = "MLING_EMBED_BENCH_CORPUS"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Verdict(StrEnum):
    """How a figure compares with what is expected of it."""

    OK = "OK"
    OKISH = "OKISH"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"


class Data(TomlModel):
    """What a benchmark needs: a manifest's test files, the phrasebook, or a built corpus.

    Attributes:
        manifest: Name of a manifest; its test files must be there, with the SHA-256 that it gives them.
        phrasebook: SHA-256 of the phrasebook's ``sentences.tsv``; empty while it may still change.
        corpus: SHA-256 over the Arrow files of a built corpus (its fingerprint), whose folder is named by
            ``$MLING_EMBED_BENCH_CORPUS``; empty for any.
    """

    manifest: str | None = None
    phrasebook: Sha256 | Literal[""] | None = None
    corpus: Sha256 | Literal[""] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Data:
        if sum(value is not None for value in (self.manifest, self.phrasebook, self.corpus)) != 1:
            raise ValueError("give one of manifest, phrasebook and corpus")
        return self


class Expectation(TomlModel):
    """A figure and what is expected of it.

    Attributes:
        metric: Name of the figure in the result.
        expected: Its value, of a recorded run.
        tolerance: How much worse it may be: up to this it is OK, up to twice this OKISH, else FAIL.
        better: Which way is better; a better figure is OK, by more than the tolerance OKISH, for it wants recording.
            ``at_least`` and ``at_most`` are for figures that only have a limit: anything beyond it is OK.
    """

    metric: str
    expected: float
    tolerance: Annotated[float, Field(ge=0)]
    better: Literal["higher", "lower", "at_least", "at_most"] = "higher"

    def verdict(self, found: float | None) -> Verdict:
        """Compare a figure with the expectation."""
        if found is None or found != found:
            return Verdict.FAIL
        gain = (found - self.expected) * (1 if self.better in ("higher", "at_least") else -1)
        if gain < -2 * self.tolerance:
            return Verdict.FAIL
        if gain < -self.tolerance or (gain > self.tolerance and self.better in ("higher", "lower")):
            return Verdict.OKISH
        return Verdict.OK


class Condition(TomlModel):
    """A benchmark.

    Attributes:
        name: That of its file and of its result.
        title: What it shows, as a heading.
        minutes: About how long it takes on two cores.
        command: Script and options; ``{out}`` is the result's file, ``{corpus}`` the built corpus.
        data: What it needs.
        expect: The figures compared.
    """

    name: str
    title: str
    minutes: Annotated[float, Field(gt=0)]
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    data: tuple[Data, ...] = ()
    expect: Annotated[tuple[Expectation, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _runnable(self) -> Condition:
        if not (FOLDER / self.command[0]).is_file():
            raise ValueError(f"command: there is no {self.command[0]} beside the conditions")
        if "{out}" not in self.command:
            raise ValueError("command: without {out} it writes no result")
        if "{corpus}" in self.command and not any(data.corpus is not None for data in self.data):
            raise ValueError("command: {corpus} is used, but no corpus is among the data")
        return self

    @property
    def result(self) -> Path:
        """The file of its recorded result."""
        return RESULTS / f"{self.name}.json"

    def missing(self) -> str | None:
        """Say which data are not here, or `None`."""
        reasons = (_missing(data) for data in self.data)
        return next((reason for reason in reasons if reason), None)


def read_conditions(names: tuple[str, ...] = ()) -> list[Condition]:
    """Read the conditions, all or those named, in the order of their names.

    Raises:
        DataError: There is none of a name.
        UsageError: A file has problems.
    """
    paths = [CONDITIONS / f"{name}.toml" for name in names] or sorted(CONDITIONS.glob("*.toml"))
    found = []
    for path in paths:
        values: dict[str, Any] = {"name": path.stem, **read_toml(path)}
        found.append(checked(Condition, values, what="the condition", where=path))
    return found


def _missing(data: Data) -> str | None:
    try:
        if data.manifest is not None:
            manifest = load_manifest(data.manifest)
            for file in manifest.files(Role.TEST):
                resolve(file, download=False)
        elif data.phrasebook is not None:
            return _missing_phrasebook(data.phrasebook)
        elif data.corpus is not None:
            return _missing_corpus(data.corpus)
    except MlingEmbedError as error:
        return str(error).partition("\n")[0]
    return None


def _missing_phrasebook(expected: str) -> str | None:
    path = manifest_folder() / "phrasebook" / "sentences.tsv"
    if not path.is_file():
        return "no phrasebook"
    return f"the phrasebook is another one than {expected[:16]}" if expected not in ("", sha256_of(path)) else None


def _missing_corpus(expected: str) -> str | None:
    folder = os.environ.get(CORPUS_VARIABLE)
    if not folder:
        return f"${CORPUS_VARIABLE} names no corpus"
    fingerprint = ParallelCorpus.open(folder).fingerprint
    return f"{folder} is {fingerprint[:16]}, not {expected[:16]}" if expected not in ("", fingerprint) else None
