"""The configuration of a distillation run, as it stands in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.precision import Precision
from mling_embed.errors import UsageError
from mling_embed.languages import ENGLISH, language_tag
from mling_embed.toml_models import TomlModel, checked, read_toml
from mling_embed.training.settings import HEAD_PAIRS, Count, FitSettings, Share, TrainingSettings


def _language(name: str) -> str:
    try:
        return language_tag(name)
    except UsageError as error:
        raise ValueError(str(error)) from None


Language = Annotated[str, AfterValidator(_language)]


_TRAINING_OF_PRETRAINED = {"learning_rate": 5e-5, "embedding_learning_rate": 0.0, "contrastive_weight": 3.0}


class TeacherConfig(TomlModel):
    """Which teacher, and how it is run.

    Attributes:
        name: A folder, or a name of the Hugging Face hub.
        monolingual: Who labels sentences without translations: a multilingual encoder in the teacher's space, such as
            a transformer student of it, which labels the vocabulary too; by default the teacher itself.
        prompt: Put before every text; by default the teacher's own.
        precision: Number format of its products.
    """

    name: str = DEFAULT_TEACHER
    monolingual: str | None = None
    prompt: Annotated[str, StringConstraints(strip_whitespace=False)] | None = None
    precision: Precision = Precision.AUTO


class DataConfig(TomlModel):
    """What is learned from: a built corpus, or what one is built from; sentences without translations.

    Attributes:
        corpus: A folder that ``data build`` made.
        pairs: Files of pairs to build one from (see `guess_input`).
        monolingual: Files of sentences, one a line, as ``FILE:fi``; single words help too.
        manifests: Known corpora to build one from.
        english: Files of English sentences, one a line, to build one from; a pretrained student needs nothing else.
        languages: Keep these alone.
        dev_fraction: Share of English sentences in the dev split of what is built.
        decontaminate: Keep the sentences of all test sets out of it.
        allow_rejects: Go on though an input lost over nine tenths of its rows.
        max_pairs_per_language: Training pairs of a language, drawn at random where there are more.
        max_tokens: Leave out English sentences that are longer, in the teacher's tokens, with their translations.
    """

    corpus: Path | None = None
    pairs: tuple[str, ...] = ()
    monolingual: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    english: tuple[Path, ...] = ()
    languages: tuple[Language, ...] = ()
    dev_fraction: Share = 0.01
    decontaminate: bool = True
    allow_rejects: bool = False
    max_pairs_per_language: Count | None = None
    max_tokens: Count | None = None

    @property
    def is_english_alone(self) -> bool:
        """Whether there is not one pair to learn from, only English sentences."""
        return bool(self.english) and not self.pairs and not self.manifests and not self.monolingual

    @model_validator(mode="after")
    def _one_origin(self) -> DataConfig:
        if self.corpus is not None and (self.pairs or self.manifests or self.english):
            raise ValueError("give either corpus, or pairs, manifests and english to build one from")
        if not self.has_pairs and not self.english and not self.monolingual:
            raise ValueError("names no data: give corpus, pairs, manifests, english or monolingual")
        return self

    @property
    def has_pairs(self) -> bool:
        """Whether there is parallel text."""
        return self.corpus is not None or bool(self.pairs or self.manifests)


class StudentKind(StrEnum):
    """What is made: a token table, the teacher with a multilingual vocabulary, or an encoder that is there already.

    An extended student is one that speaks some languages in the teacher's space, and learns others.
    """

    STATIC = "static"
    TRANSPLANT = "transplant"
    PRETRAINED = "pretrained"
    EXTENDED = "extended"


class StudentConfig(TomlModel):
    """What is made.

    Attributes:
        kind: Of student.
        name: Of a pretrained or extended student: a folder, or a name of the Hugging Face hub.
        layers: Of a pretrained student: layers to keep, their number or which.
        trim_vocabulary: Of a pretrained student: leave out tokens that the corpus does not hold.
        prompt: Of a pretrained student: put before every text; by default the encoder's own for queries.
        head_pairs: Of a pretrained student: pairs to which the head is fitted that it starts with; English sentences
            where there are no pairs.
        vocabulary_size: Entries of the vocabulary of the others, and of each new language's own, from which an extended
            student takes what it lacks; ``auto`` chooses by the corpus.
        lowercase: Merge cases in it.
        finer: Of a static student: longest piece, in characters, of further segmentations to learn from; pays where
            text is scarce.
        dimensions: Width of the vectors, if fewer than the teacher's: the principal axes of its targets.
        truncatable: Order dimensions by importance, so that every prefix of a vector is the best one of its length.
            The teacher that goes with either is left beside the student.
        new_languages: Of an extended student: the languages of the corpus that it learns; the others are replayed.
        replay_ratio: Of an extended student: replayed pairs of all old languages together, over pairs of the new ones.
    """

    kind: StudentKind = StudentKind.STATIC
    name: str | None = None
    layers: Count | tuple[Annotated[int, Field(ge=0)], ...] | None = None
    trim_vocabulary: bool = False
    prompt: Annotated[str, StringConstraints(strip_whitespace=False)] | None = None
    head_pairs: Count = HEAD_PAIRS
    vocabulary_size: Literal["auto"] | Annotated[int, Field(ge=1024, le=1_000_000)] = "auto"
    lowercase: bool = True
    finer: tuple[Count, ...] = ()
    dimensions: Count | None = None
    truncatable: bool = False
    new_languages: tuple[Language, ...] = ()
    replay_ratio: Annotated[float, Field(ge=0)] = 1.0

    @model_validator(mode="after")
    def _name_of_pretrained(self) -> StudentConfig:
        if (self.kind in (StudentKind.PRETRAINED, StudentKind.EXTENDED)) != (self.name is not None):
            raise ValueError("a pretrained or extended student needs a name, and no other has one")
        if self.kind is not StudentKind.PRETRAINED and (self.layers is not None or self.trim_vocabulary):
            raise ValueError("layers and trim_vocabulary are of a pretrained student")
        if self.kind is not StudentKind.PRETRAINED and (self.prompt is not None or self.head_pairs != HEAD_PAIRS):
            raise ValueError("prompt and head_pairs are of a pretrained student")
        return self

    @model_validator(mode="after")
    def _languages_of_extended(self) -> StudentConfig:
        if self.kind is StudentKind.EXTENDED and not self.new_languages:
            raise ValueError("an extended student needs new_languages: those that it learns (--languages)")
        if self.kind is not StudentKind.EXTENDED and (self.new_languages or self.replay_ratio != 1):
            raise ValueError("new_languages and replay_ratio are of an extended student (--extend)")
        if self.kind is StudentKind.EXTENDED and (self.dimensions is not None or self.truncatable):
            raise ValueError("an extended student keeps its dimensions: dimensions and truncatable are of new ones")
        if ENGLISH in self.new_languages:
            raise ValueError("new_languages: English is the teacher's own language, and no new one")
        return self


class DistillConfig(TomlModel):
    """A whole run.

    A pretrained student has other defaults of training than those in `TrainingSettings`: it starts close to its goal,
    so that its rates are low, its token table stays as it is, and telling sentences apart counts more.
    """

    out: Path
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: Annotated[str, StringConstraints(pattern=r"^(cpu|mps|cuda(:\d+)?)$")] | None = None
    teacher: TeacherConfig = TeacherConfig()
    data: DataConfig
    student: StudentConfig = StudentConfig()
    fit: FitSettings = FitSettings()
    train: TrainingSettings = TrainingSettings()

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_start(cls, values: Any) -> Any:
        """Train what starts in the teacher's space more gently than what has yet to get there."""
        student, train = (values.get(name, {}) for name in ("student", "train"))
        if isinstance(student, dict) and isinstance(train, dict) and student.get("kind") == StudentKind.PRETRAINED:
            return {**values, "train": {**_TRAINING_OF_PRETRAINED, **_steps_of(values.get("data")), **train}}
        return values

    @model_validator(mode="after")
    def _english_alone_makes_a_head(self) -> DistillConfig:
        if self.data.is_english_alone and self.student.kind is not StudentKind.PRETRAINED:
            raise ValueError(
                "data: English alone makes a head on a multilingual encoder: give pairs, or --student ENCODER"
            )
        if self.data.is_english_alone and self.train.max_steps != 0:
            raise ValueError("train.max_steps: there are no pairs to train on; English alone makes a head (--fast)")
        return self

    @model_validator(mode="after")
    def _monolingual_text_is_of_static_students(self) -> DistillConfig:
        if self.data.monolingual and self.student.kind is not StudentKind.STATIC:
            raise ValueError(f"data.monolingual: a {self.student.kind} student takes none, a static one does")
        if self.data.monolingual and (self.student.dimensions is not None or self.student.truncatable):
            raise ValueError("data.monolingual: its labels are not rotated; leave out dimensions and truncatable")
        if self.teacher.monolingual is not None and not self.data.monolingual:
            raise ValueError("teacher.monolingual labels monolingual text: give data.monolingual")
        return self

    @model_validator(mode="after")
    def _new_languages_are_kept(self) -> DistillConfig:
        left_out = [language for language in self.student.new_languages if language not in self.data.languages]
        if self.data.languages and left_out:
            raise ValueError(f"data.languages leaves out {', '.join(left_out)}, of student.new_languages")
        return self

    def to_toml(self) -> str:
        """Return the configuration as TOML, every value written out."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def _steps_of(data: Any) -> dict[str, int]:
    """Return the steps that a training on such data has: none where there are no pairs."""
    pairs = isinstance(data, dict) and any(data.get(name) for name in ("corpus", "pairs", "manifests"))
    return {"max_steps": 0} if isinstance(data, dict) and data.get("english") and not pairs else {}


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
