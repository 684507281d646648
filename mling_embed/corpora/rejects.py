"""What became of the rows of each input: told, warned of above a tenth lost, refused above nine tenths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mling_embed.corpora.parallel import REJECTS_FILE, ParallelCorpus
from mling_embed.corpora.records import Reason
from mling_embed.errors import DataError

WARNED = 0.1
REFUSED = 0.9
# Rows that are left out because of what was asked for, or because nobody has translated them, are no loss.
_NO_LOSS = frozenset({Reason.NOT_WANTED, Reason.DUPLICATE_PAIR, Reason.FUZZY, Reason.OBSOLETE, Reason.UNTRANSLATED})
_ADVICE = {
    Reason.UNDECODABLE: "Is it UTF-8? Convert it, if it is Western European: iconv -f WINDOWS-1252 -t UTF-8.",
    Reason.MALFORMED: "Look at that one: is it cut, badly quoted, or of other columns than the rest?",
    Reason.UNKNOWN_LANGUAGE: "Mend what it calls its languages; for rows that name none, say FILE:de.",
    Reason.NO_ENGLISH: "Pairs with English are learned from, and no others.",
    Reason.WRONG_SCRIPT: "Is it in the language that is named?",
    Reason.WRONG_LANGUAGE: "Is it in the language that is named?",
    Reason.COPY_OF_SOURCE: "Do both columns hold the same?",
    Reason.LENGTH_RATIO: "Do the lines of both sides correspond?",
    Reason.IN_EVALUATION_SET: "Is it a test set? Nothing can be measured on what was learned from.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Count what became of the rows of one input.

    Attributes:
        name: The input's name.
        read: Rows that were read.
        kept: Rows that were kept.
        rejected: Reason -> rows that were not.
        first: Reason -> the file and line of the first of them.
        not_languages: What was said to be a language and is none -> its rows.
    """

    name: str
    read: int
    kept: int
    rejected: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    not_languages: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> float:
        """The share of rows that were rejected, from 0 to 1; without those that nobody would miss."""
        lost = sum(count for reason, count in self.rejected.items() if reason not in _NO_LOSS)
        return lost / self.read if self.read else 0.0

    def described(self) -> str:
        """Return the reasons with their rows, the most usual first, and where the first row of that one stands."""
        parts = []
        for reason, count in self.rejected.most_common():
            names = ", ".join(f"'{name}'" for name in self.not_languages) if reason == Reason.UNKNOWN_LANGUAGE else ""
            parts.append(f"{count:,} {reason}{f' ({names})' if names else ''}")
        usual = next((reason for reason, _ in self.rejected.most_common(1)), "")
        place = f", first at {self.first[usual]}" if usual in self.first else ""
        return f"{', '.join(parts)}{place}" if parts else "none"

    def line(self) -> str:
        """Return the outcome as one line."""
        share = f" ({self.kept / self.read:.1%})" if self.read else ""
        return f"{self.name}: read {self.read:,}, kept {self.kept:,}{share}; rejected: {self.described()}"


def outcomes(corpus: ParallelCorpus) -> list[Outcome]:
    """Return what became of the rows of each input of a corpus."""
    found = []
    for source in corpus.info["inputs"]:
        outcome = Outcome(
            source["name"],
            read=sum(tally["read"] for tally in source["languages"].values()),
            kept=sum(tally["kept"] for tally in source["languages"].values()),
        )
        for tally in source["languages"].values():
            outcome.rejected.update(tally["rejected"])
            outcome.first.update({key: place for key, place in tally["first"].items() if key not in outcome.first})
            outcome.not_languages.update(tally.get("not_languages", {}))
        found.append(outcome)
    return found


def tell_rejects(corpus: ParallelCorpus, tell: Callable[[str], None], *, allow_rejects: bool = True) -> None:
    """Tell what became of the rows of each input, and warn of each that lost more than a tenth of them.

    Args:
        corpus: The corpus, just built or opened.
        tell: Is given each line.
        allow_rejects: Whether an input may lose more than nine tenths of its rows.

    Raises:
        DataError: An input lost more than nine tenths of its rows, and that is not allowed.
    """
    refused = []
    for outcome in outcomes(corpus):
        tell(outcome.line())
        if outcome.lost <= WARNED and (outcome.kept or not outcome.read):
            continue
        usual = outcome.rejected.most_common(1)[0][0]
        advice = _ADVICE.get(Reason(usual), "")
        tell(
            f"warning: {outcome.name}: {1 - outcome.kept / outcome.read:.0%} of its rows were rejected, "
            f"most of them as {usual}. {advice} All are in {corpus.path / REJECTS_FILE}.".replace("  ", " ")
        )
        if outcome.lost > REFUSED:
            refused.append(f"{outcome.name}: {outcome.lost:.1%} of its {outcome.read:,} rows ({outcome.described()})")
    if refused and not allow_rejects:
        raise DataError(
            f"more than nine tenths of an input were rejected: {'; '.join(refused)}.",
            where=corpus.path / REJECTS_FILE,
            next_step="Mend or name it otherwise (format, language, columns), or allow it: --allow-rejects.",
        )
