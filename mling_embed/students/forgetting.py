"""The forgetting table: what a student knew of each language before it learned another, and what it knows after."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mling_embed.errors import DamagedFileError
from mling_embed.files import read_json, write_json
from mling_embed.languages import ENGLISH
from mling_embed.tokenizers.extension import changed_share
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.state import TrainingState

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

FORGETTING_FILE = "forgetting.json"
_SCORES = ("before", "after")


class LanguageRole(StrEnum):
    """What a language is to a student that learns another."""

    NEW = "new"
    OLD = "old"
    ENGLISH = "english"


@dataclass(frozen=True, slots=True)
class LanguageChange:
    """How a student's knowledge of a language changed.

    Attributes:
        language: Its code.
        role: What it is to the student.
        n: Dev sentences.
        before: Share of them whose English is found among the teacher's vectors, before.
        after: And after.
        changed_share: Share of them that the extended vocabulary cuts otherwise.
    """

    language: str
    role: LanguageRole
    n: int
    before: float
    after: float
    changed_share: float

    @property
    def change(self) -> float:
        """Return after - before; below zero something was forgotten."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Hold the changes of all languages: the new ones, the old ones, English."""

    languages: tuple[LanguageChange, ...]

    @classmethod
    def of(
        cls,
        new_languages: Sequence[str],
        sizes: Mapping[str, int],
        before: Mapping[str, float],
        after: Mapping[str, float],
        changed: Mapping[str, float],
    ) -> Forgetting:
        """Put together what was measured of each language."""
        changes = (
            LanguageChange(
                language, _role(language, new_languages), sizes[language], before[language], after[language], share
            )
            for language, share in changed.items()
        )
        return cls(tuple(sorted(changes, key=lambda change: (list(LanguageRole).index(change.role), change.language))))

    @classmethod
    def read(cls, folder: Path) -> Forgetting | None:
        """Return the table of a run, or `None` where it has none.

        Raises:
            DamagedFileError: Its file is no such table.
        """
        path = folder / FORGETTING_FILE
        if not path.exists():
            return None
        try:
            records = read_json(path)["languages"]
            return cls(tuple(LanguageChange(**{**record, "role": LanguageRole(record["role"])}) for record in records))
        except (TypeError, KeyError, ValueError) as error:
            raise DamagedFileError(f"no forgetting table ({error}).", where=path, next_step="Delete it.") from error

    def write(self, folder: Path) -> None:
        """Write the table into a run's folder."""
        write_json(folder / FORGETTING_FILE, self.record())

    def record(self) -> dict[str, Any]:
        """Return the table as JSON takes it: the languages, and the means of the new and the old ones."""
        means: dict[str, Any] = {}
        for role in (LanguageRole.NEW, LanguageRole.OLD):
            members = [each for each in self.languages if each.role is role]
            if members:
                means[role] = {name: float(np.mean([getattr(each, name) for each in members])) for name in _SCORES}
        return {"languages": [asdict(each) for each in self.languages], "means": means}


class NewBesideOld:
    """Score a student that learns new languages: their mean accuracy beside that of the old ones, one to one.

    However many old languages there are, what the new ones gain weighs as much as what the old ones lose. English
    stands for them where no other was measured.

    Args:
        dev: Measures each language.
        new_languages: All others are old.
    """

    def __init__(self, dev: DevAccuracy, new_languages: Sequence[str]) -> None:
        self.dev, self.new = dev, new_languages

    def __call__(self, student: SentenceTransformer, state: TrainingState) -> float:
        """Return the score of a student."""
        parts: dict[LanguageRole, list[float]] = {role: [] for role in LanguageRole}
        for language, score in self.dev.by_language(student).items():
            parts[_role(language, self.new)].append(score)
        sides = [parts[LanguageRole.NEW], parts[LanguageRole.OLD] or parts[LanguageRole.ENGLISH]]
        return float(np.mean([np.mean(side) for side in sides if side]))


def changed_shares(
    dev: DevAccuracy, before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase
) -> dict[str, float]:
    """Return the share of each language's dev sentences that two tokenizers cut otherwise."""
    return {language: changed_share(before, after, texts) for language, (texts, _, _) in dev.languages.items()}


def _role(language: str, new_languages: Sequence[str]) -> LanguageRole:
    if language == ENGLISH:
        return LanguageRole.ENGLISH
    return LanguageRole.NEW if language in new_languages else LanguageRole.OLD
