"""The verb ``score``: how well the pairs of an existing parallel text fit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from mling_embed.mining.scored import ScoredBitext, ScoredPair

_MOST_UNEXPECTED = 0.05  # of the pairs, flagged beyond twice what is expected to be wrong
_File = Annotated[str, typer.Argument(help="What distill --pairs takes: FILE[:lang], or ENGLISH,OTHER:lang.")]
_Second = Annotated[str | None, typer.Argument(hidden=True)]  # there to be refused with a word
_Model = Annotated[str, typer.Option(help="The encoder: a folder, or a name of the hub.")]
_Margin = Annotated[str, typer.Option(help="ratio, distance or absolute.")]
_K = Annotated[int, typer.Option("--k", "-k", help="Size of the neighborhoods.")]
_MinScore = Annotated[
    float | None,
    typer.Option(help="Pairs with this score and above stay. [default: those that nothing speaks against]"),
]
_Numbers = Annotated[bool, typer.Option("--same-numbers", help="Flag pairs with different numbers.")]
_Confidence = Annotated[
    float | None, typer.Option(help="Flag translations that lingua takes for another language so confidently.")
]
_Keep = Annotated[Path | None, typer.Option(help="Write what stays, as TSV that distill --pairs takes.")]
_Rejects = Annotated[Path | None, typer.Option(help="Write the rest as JSON lines, with reasons.")]
_Worst = Annotated[int | None, typer.Option(help="Print so many of the worst pairs alone, the worst first.")]
_Work = Annotated[Path | None, typer.Option(help="Folder of vectors and tiles. [default: mining in the cache]")]
_Memory = Annotated[str | None, typer.Option(help="The most memory, such as 4G.")]
_Engine = Annotated[str | None, typer.Option(help="Where the work is done: local, or ray. [default: local]")]
_Shard = Annotated[str | None, typer.Option(help="Do the share i/n of the work, as one of n processes.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of TSV.")]


def command(
    file: _File,
    model: _Model,
    second: _Second = None,
    margin: _Margin = "ratio",
    k: _K = 4,
    min_score: _MinScore = None,
    same_numbers: _Numbers = False,
    min_language_confidence: _Confidence = None,
    keep: _Keep = None,
    rejects: _Rejects = None,
    worst: _Worst = None,
    work: _Work = None,
    memory: _Memory = None,
    engine: _Engine = None,
    shard: _Shard = None,
    json: _Json = False,
) -> None:
    """Score each pair among the sentences around it, flag the bad ones with reasons, and find shifted lines."""
    from mling_embed.corpora.filters import FilterOptions
    from mling_embed.engines.kinds import engine_of
    from mling_embed.files import cache_root
    from mling_embed.mining.memory import parse_size
    from mling_embed.mining.score import score_bitext
    from mling_embed.mining.scored import write_kept, write_scored
    from mling_embed.mining.sides import MiningOptions

    if second is not None:
        raise UsageError(
            f"'{second}' is one file too many: a parallel text is scored.",
            next_step="Give two files that go line by line as one word, the English one first: a.en,a.de:de.",
        )
    for path in (keep, rejects):
        if path is not None and path.is_dir():
            raise UsageError("is a folder, expected a file.", where=path)
    if worst is not None and worst < 1:
        raise UsageError(f"--worst {worst}: expected at least 1.")
    limit = None if memory is None else parse_size(memory)
    with console.progress() as progress:
        scored = score_bitext(
            file,
            model=model,
            margin=margin,
            k=k,
            min_score=min_score,
            same_numbers=same_numbers,
            filters=FilterOptions(min_language_confidence=min_language_confidence),
            options=MiningOptions(work=work or cache_root() / "mining", memory=limit, engine=engine_of(engine, shard)),
            progress=progress,
        )
    kept, rest = scored.split(min_score)
    if keep is not None:
        write_kept(kept, keep)
    if rejects is not None:
        write_scored(rest, rejects)
    if worst is not None or (keep is None and rejects is None):
        _print(scored.worst_first()[:worst] if worst is not None else list(scored), json=json)
    elif json:
        console.write_json_line({**scored.summary(), "kept": len(kept)})
    _tell(scored, len(kept))


def _print(pairs: list[ScoredPair], *, json: bool) -> None:
    from dataclasses import asdict

    if json:
        for pair in pairs:
            console.write_json_line(asdict(pair))
        return
    rows = (
        (
            pair.line,
            None if pair.score is None else f"{pair.score:.6f}",
            ",".join(pair.reasons),
            pair.language,
            pair.english,
            pair.other,
        )
        for pair in pairs
    )
    console.write_rows(rows, header=("line", "score", "reasons", "language", "english", "other"))


def _tell(scored: ScoredBitext, n_kept: int) -> None:
    """Say what came out."""
    summary = scored.summary()
    reasons = "".join(f", {count:,} {reason}" for reason, count in summary["reasons"].items())
    console.say(f"{summary['rows']:,} rows, {n_kept:,} stay{'; against the others:' + reasons[1:] if reasons else ''}")
    for language, figures in summary["languages"].items():
        share, threshold = figures["expected_wrong_share"], figures["threshold"]
        if threshold == float("-inf"):
            console.say(f"{language}: too few pairs to tell from their scores which are wrong")
        else:
            console.say(f"{language}: {share:.1%} expected to be wrong; flagged below the margin {threshold:.4f}")
    if _flags_too_many(scored):
        console.say(
            "many more are flagged than are expected to be wrong: the encoder seems to know these languages little. "
            "--min-score keeps pairs by their score alone"
        )
    for shift in scored.shifts:
        way = "low" if shift.shift > 0 else "high"
        console.say(
            f"{shift.file}, lines {shift.first_line} to {shift.last_line} ({shift.language}): the translations stand "
            f"{abs(shift.shift)} line(s) too {way}."
        )


def _flags_too_many(scored: ScoredBitext) -> bool:
    """Say whether pairs fit better elsewhere far more often than their scores let expect."""
    from mling_embed.mining.scored import Flag

    elsewhere = sum(Flag.BETTER_ELSEWHERE in pair.reasons for pair in scored)
    languages = Counter(pair.language for pair in scored if pair.score is not None)
    expected = sum(scored.calibrations[language].wrong_share * count for language, count in languages.items())
    return elsewhere > 2 * expected + _MOST_UNEXPECTED * len(scored)
