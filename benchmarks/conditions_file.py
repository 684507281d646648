"""Conditions: what a benchmark runs on, how it is run, and which figures are promised.

A promise is written by hand; what a run found stands in ``results/``, and no recorder writes a condition.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from enum import StrEnum
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from measure import FOLDER, ROOT, say
from packaging.requirements import Requirement
from pydantic import Field, model_validator

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, load_manifest, manifest_folder
from mling_embed.errors import MlingEmbedError
from mling_embed.files import cache_root, sha256_of
from mling_embed.hardware import default_device
from mling_embed.toml_models import TomlModel, checked, read_toml

CONDITIONS = FOLDER / "conditions"
RESULTS = FOLDER / "results"
DATA_VARIABLE = "MLING_EMBED_BENCH_DATA"
MODELS_VARIABLE = "MLING_EMBED_BENCH_MODELS"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Verdict(StrEnum):
    """How a figure compares with what is expected of it."""

    OK = "OK"
    OKISH = "OKISH"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"


class Data(TomlModel):
    """What a benchmark needs: a manifest's test files, the phrasebook, a file of the shared data, a model, a variable.

    Attributes:
        manifest: Name of a manifest; its test files must be there, with the SHA-256 that it gives them.
        phrasebook: SHA-256 of the phrasebook's ``sentences.tsv``; empty while it may still change.
        file: A path below the shared data, ``$MLING_EMBED_BENCH_DATA`` or ``../shared/data`` beside the checkout.
        sha256: Of that file.
        model: A folder in that of models, ``$MLING_EMBED_BENCH_MODELS``; its fingerprint stands in the result.
        variable: Of the environment, that names what its script asks for.
    """

    manifest: str | None = None
    phrasebook: Sha256 | Literal[""] | None = None
    file: str | None = None
    sha256: Sha256 | None = None
    model: str | None = None
    variable: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Data:
        kinds = (self.manifest, self.phrasebook, self.file, self.model, self.variable)
        if sum(value is not None for value in kinds) != 1:
            raise ValueError("give one of manifest, phrasebook, file, model and variable")
        if (self.file is None) != (self.sha256 is None):
            raise ValueError("a file has its sha256")
        return self


class Promise(TomlModel):
    """A figure and what is promised of it.

    Attributes:
        metric: Name of the figure in the result.
        promised: Its value, written by hand.
        tolerance: How much worse it may be: up to this it is OK, up to twice this OKISH, else FAIL.
        better: Which way is better; a better figure is OK, by more than the tolerance OKISH, for it wants recording.
            ``at_least`` and ``at_most`` are for figures that only have a limit: anything beyond it is OK.
            What was recorded is compared in the same way, but for limits of what is no count (`beside`).
    """

    metric: str
    promised: float
    tolerance: Annotated[float, Field(ge=0)]
    better: Literal["higher", "lower", "at_least", "at_most"] = "higher"

    def verdict(self, found: float | None, *, against: float | None = None) -> Verdict:
        """Compare a figure with the promise, or with another value, such as what was recorded."""
        promised = self.promised if against is None else against
        if found is None or found != found:
            return Verdict.FAIL
        gain = (found - promised) * (1 if self.better in ("higher", "at_least") else -1)
        if gain < -2 * self.tolerance:
            return Verdict.FAIL
        if gain < -self.tolerance or (gain > self.tolerance and self.better in ("higher", "lower")):
            return Verdict.OKISH
        return Verdict.OK

    def beside(self, found: float | None, recorded: float) -> Verdict:
        """Compare a figure with what was recorded of it.

        Times, ratios and rounding errors are never the same twice: where they only have a limit, one that keeps it is
        OKISH at worst, if half of what lay between record and limit is gone. Counts are held to what was recorded.
        """
        if found is None or (float(found).is_integer() and float(recorded).is_integer()):
            return self.verdict(found, against=recorded)
        if self.better in ("higher", "lower") or found != found:
            return self.verdict(found, against=recorded)
        worse = (recorded - found) * (1 if self.better == "at_least" else -1)
        return Verdict.OKISH if worse > (abs(recorded - self.promised) + self.tolerance) / 2 else Verdict.OK


class Condition(TomlModel):
    """A benchmark.

    Attributes:
        name: That of its file and of its result.
        title: What it shows, as a heading.
        minutes: About how long it takes on two cores.
        group: ``short`` ones take half an hour together, from a clone.
        command: Script and options; ``{out}`` is the result's file, ``{corpus}`` the built corpus, ``{data}`` the
            folder of the shared data.
        corpus: How the corpus is built: the words behind ``mling-embed data build FOLDER``; ``{data}`` is the folder of
            the shared data. Each condition builds its own, once.
        data: What it needs.
        extras: Of the package, that it needs.
        gpu: Whether it runs on a GPU.
        promise: The figures compared.
    """

    name: str
    title: str
    minutes: Annotated[float, Field(gt=0)]
    group: Literal["short", "long"] = "long"
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    corpus: tuple[str, ...] = ()
    data: tuple[Data, ...] = ()
    extras: tuple[str, ...] = ()
    gpu: bool = False
    promise: Annotated[tuple[Promise, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _runnable(self) -> Condition:
        if not (FOLDER / self.command[0]).is_file():
            raise ValueError(f"command: there is no {self.command[0]} beside the conditions")
        if "{out}" not in self.command:
            raise ValueError("command: without {out} it writes no result")
        if ("{corpus}" in self.command) != bool(self.corpus):
            raise ValueError("command: {corpus} and the words that build it go together")
        return self

    @property
    def result(self) -> Path:
        """The file of its recorded result."""
        return RESULTS / f"{self.name}.json"

    def missing(self) -> str | None:
        """Say which data, GPU or extra are not here, or `None`."""
        if self.gpu and default_device() != "cuda":
            return "there is no GPU"
        if lacking := [extra for extra in self.extras if not _is_installed(extra)]:
            return f"needs the extra {', '.join(lacking)}: pip install -c constraints.txt -e '.[{','.join(lacking)}]'"
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


def build_corpus(condition: Condition) -> Path | None:
    """Build the corpus of a condition, unless one of the same words and files is there; `None` if it needs none.

    Raises:
        CalledProcessError: The build failed.
    """
    if not condition.corpus:
        return None
    words = [word.format(data=data_folder()) for word in condition.corpus]
    made_of = [*condition.corpus, *(data.sha256 or "" for data in condition.data)]
    folder = cache_root() / "benchmarks" / sha256("\n".join(made_of).encode()).hexdigest()[:16]
    if not (folder / "corpus.json").exists():
        say(f"building the corpus: mling-embed data build {folder} {' '.join(words)}")
        command = [sys.executable, "-m", "mling_embed", "data", "build", str(folder), *words]
        subprocess.run(command, check=True, stdout=sys.stderr.fileno())
    return folder


def data_folder() -> Path:
    """Return the folder of the shared data: ``$MLING_EMBED_BENCH_DATA``, or beside the checkout."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else ROOT.parent / "shared" / "data"


def _is_installed(extra: str) -> bool:
    """Tell whether all that an extra of the checkout's pyproject.toml names is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in map(Requirement, project["optional-dependencies"][extra]):
        if requirement.name == project["name"]:
            if not all(map(_is_installed, requirement.extras)):
                return False
        elif requirement.marker is None or requirement.marker.evaluate():
            try:
                metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                return False
    return True


def _missing(data: Data) -> str | None:
    try:
        if data.manifest is not None:
            manifest = load_manifest(data.manifest)
            for file in manifest.files(Role.TEST):
                resolve(file, download=False)
        elif data.phrasebook is not None:
            return _missing_phrasebook(data.phrasebook)
        elif data.file is not None:
            return _missing_file(data_folder() / data.file, data.sha256 or "")
        elif data.model is not None:
            return _missing_model(data.model)
        elif data.variable is not None and not os.environ.get(data.variable):
            return f"${data.variable} is not set: --help of its script says what it names"
    except MlingEmbedError as error:
        return str(error).partition("\n")[0]
    return None


def _missing_phrasebook(expected: str) -> str | None:
    path = manifest_folder() / "phrasebook" / "sentences.tsv"
    if not path.is_file():
        return "no phrasebook"
    return f"the phrasebook is another one than {expected[:16]}" if expected not in ("", sha256_of(path)) else None


def _missing_file(path: Path, expected: str) -> str | None:
    if not path.is_file():
        return f"{path} is not there; ${DATA_VARIABLE} names the folder of the shared data"
    return f"{path} is another one than {expected[:16]}" if sha256_of(path) != expected else None


def _missing_model(name: str) -> str | None:
    folder = os.environ.get(MODELS_VARIABLE)
    if folder is None:
        return f"the model {name}: ${MODELS_VARIABLE} is to name the folder of models"
    return None if (Path(folder) / name).is_dir() else f"{Path(folder) / name} is not there"
