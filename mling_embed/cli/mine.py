"""The verb ``mine``: translations in two sets of sentences, or paraphrases in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mling_embed.cli import console
from mling_embed.errors import UsageError

if TYPE_CHECKING:
    from numpy import ndarray

    from mling_embed.mining.mine import Threshold
    from mling_embed.mining.pairs import MinedPairs
    from mling_embed.progress import Progress

_PURE = 0.9  # pairs that are less often right want a threshold
_Source = Annotated[str, typer.Argument(help="Sentences, as FILE[:lang], or a folder: text lines, JSONL, Parquet.")]
_Target = Annotated[str | None, typer.Argument(help="The other side; without it, paraphrases are mined.")]
_Model = Annotated[str | None, typer.Option(help="The encoder: a folder, or a name of the hub.")]
_Vectors = Annotated[
    list[Path] | None,
    typer.Option(
        help="Instead of a model, vectors of each line: .npy, or .f16 or .f32 with --dim. Once for each side."
    ),
]
_Dim = Annotated[int | None, typer.Option(help="The width of raw vectors.")]
_Out = Annotated[
    Path | None, typer.Option(help=".tsv, .jsonl, .parquet, .tmx, or .moses for two files. [default: TSV to stdout]")
]
_Margin = Annotated[
    str | None, typer.Option(help="ratio, distance or absolute. [default: ratio; for paraphrases absolute]")
]
_Selection = Annotated[str, typer.Option(help="max, intersection, forward or backward.")]
_K = Annotated[int, typer.Option("--k", "-k", help="Size of the neighborhoods.")]
_Threshold = Annotated[float | None, typer.Option(help="Take pairs above this margin.")]
_Precision = Annotated[float | None, typer.Option(help="Take pairs down to this expected precision, such as 0.9.")]
_Gold = Annotated[
    Path | None, typer.Option(help="Right pairs, 'source id<TAB>target id': take the threshold with the best F1.")
]
_All = Annotated[bool, typer.Option("--all-candidates", help="Give every candidate with its scores, not selected.")]
_Ids = Annotated[bool, typer.Option("--ids", help="Give the ids of both sides in a TSV too.")]
_Layout = Annotated[str, typer.Option(help="What lines of text files are: auto, text or id-text.")]
_TextColumn = Annotated[str | None, typer.Option(help="The text's column of JSONL and Parquet.")]
_IdColumn = Annotated[str | None, typer.Option(help="The id's column of JSONL and Parquet.")]
_MaxRatio = Annotated[float, typer.Option(help="Leave out pairs that differ more in length.")]
_Confidence = Annotated[
    float | None, typer.Option(help="Leave out sentences that lingua takes for another language so confidently.")
]
_Numbers = Annotated[bool, typer.Option("--same-numbers", help="Leave out pairs with different numbers.")]
_Rejects = Annotated[Path | None, typer.Option(help="Write what is left out, with reasons, as JSON lines.")]
_Work = Annotated[Path | None, typer.Option(help="Folder of vectors and tiles. [default: mining in the cache]")]
_Memory = Annotated[str | None, typer.Option(help="The most memory, such as 4G.")]
_Engine = Annotated[str | None, typer.Option(help="Where the work is done: local, or ray. [default: local]")]
_Shard = Annotated[str | None, typer.Option(help="Do the share i/n of the work, as one of n processes.")]
_Search = Annotated[str, typer.Option(help="exact, approximate, or auto: exact as far as that is a matter of hours.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON lines: the pairs, or with --out what was done.")]


def command(
    source: _Source,
    target: _Target = None,
    model: _Model = None,
    vectors: _Vectors = None,
    dim: _Dim = None,
    out: _Out = None,
    margin: _Margin = None,
    selection: _Selection = "max",
    k: _K = 4,
    threshold: _Threshold = None,
    precision: _Precision = None,
    gold: _Gold = None,
    all_candidates: _All = False,
    ids: _Ids = False,
    layout: _Layout = "auto",
    text_column: _TextColumn = None,
    id_column: _IdColumn = None,
    max_length_ratio: _MaxRatio = 4.0,
    min_language_confidence: _Confidence = None,
    same_numbers: _Numbers = False,
    rejects: _Rejects = None,
    work: _Work = None,
    memory: _Memory = None,
    engine: _Engine = None,
    shard: _Shard = None,
    search: _Search = "auto",
    json: _Json = False,
) -> None:
    """Find translations in two sets of sentences, or paraphrases in one, best first; run again to go on."""
    from mling_embed.choices import choice
    from mling_embed.engines.kinds import engine_of
    from mling_embed.mining.outputs import format_of
    from mling_embed.mining.sides import Search

    if out is not None:
        format_of(out)
    words = [source] if target is None else [source, target]
    rejected = _Rejected()
    options = replace(
        _options(work, memory, rejected, max_length_ratio, min_language_confidence, same_numbers),
        engine=engine_of(engine, shard),
        search=choice(Search, search),
    )
    given, found = _opened(vectors or [], dim, len(words)), _threshold(threshold, precision, gold)
    sides = [_side(word, layout, text_column, id_column) for word in words]
    settings: dict[str, Any] = {"model": model, "k": k, "options": options, "threshold": found}
    if margin is not None:
        settings["margin"] = margin
    if target is None and found is not None and threshold is None:
        raise UsageError("--precision and --gold are for two sides.", next_step="Give --threshold.")
    with console.progress() as progress:
        mined = _mined(sides, given, None if all_candidates else selection, settings, progress)
    if rejects is not None:
        rejected.write(rejects)
    _show(mined, out, ids=ids, json=json)


def _mined(
    sides: Sequence[Any], given: Sequence[Any], selection: str | None, settings: dict[str, Any], progress: Progress
) -> MinedPairs:
    """Mine two sides, or one for paraphrases."""
    from mling_embed.mining.mine import mine_bitext, mine_paraphrases

    if len(sides) == 1:
        return mine_paraphrases(sides[0], vectors=given[0] if given else None, progress=progress, **settings)
    pair = (given[0], given[1]) if given else None
    return mine_bitext(*sides, vectors=pair, selection=selection, progress=progress, **settings)


class _Rejected:
    """Collect what is left out."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def sentence(self, row: Any) -> None:
        """Take a sentence."""
        self.records.append({"file": row.file, "line": row.line, "reason": row.reason, "text": row.text})

    def pair(self, pair: Any, reason: str) -> None:
        """Take a pair."""
        ids = {"source_ids": pair.source_ids, "target_ids": pair.target_ids}
        sides = {"source": pair.source, "target": pair.target}
        self.records.append({"reason": reason, "score": pair.score, **sides, **ids})

    def write(self, path: Path) -> None:
        """Write all as JSON lines."""
        from json import dumps

        from mling_embed.files import write_text

        write_text(path, "".join(dumps(record, ensure_ascii=False) + "\n" for record in self.records))


def _options(
    work: Path | None,
    memory: str | None,
    rejected: _Rejected,
    max_length_ratio: float,
    min_language_confidence: float | None,
    same_numbers: bool,
) -> Any:
    from mling_embed.files import cache_root
    from mling_embed.mining.memory import parse_size
    from mling_embed.mining.pair_filters import PairFilter
    from mling_embed.mining.sentences import SentenceFilter
    from mling_embed.mining.sides import MiningOptions

    return MiningOptions(
        work=work or cache_root() / "mining",
        memory=None if memory is None else parse_size(memory),
        sentences=SentenceFilter(min_language_confidence=min_language_confidence),
        pairs=PairFilter(max_length_ratio=max_length_ratio, same_numbers=same_numbers),
        rejected_sentence=rejected.sentence,
        rejected_pair=rejected.pair,
    )


def _side(word: str, layout: str, text_column: str | None, id_column: str | None) -> Any:
    from mling_embed.choices import choice
    from mling_embed.mining.sources import Layout, sentence_source

    return sentence_source(word, layout=choice(Layout, layout), columns=(text_column, id_column))


def _opened(paths: list[Path], dim: int | None, n_sides: int) -> tuple[ndarray, ...]:
    from mling_embed.mining.shards import open_vectors

    if paths and len(paths) != n_sides:
        raise UsageError(
            f"--vectors is given {len(paths)} time(s), for {n_sides} side(s).",
            next_step="Give it once for each side, in their order.",
        )
    return tuple(open_vectors(path, dim=dim) for path in paths)


def _threshold(threshold: float | None, precision: float | None, gold: Path | None) -> Threshold | None:
    from mling_embed.mining.calibration import ByPrecision, read_gold

    if sum(each is not None for each in (threshold, precision, gold)) > 1:
        raise UsageError("--threshold, --precision and --gold: give one of them.")
    if gold is not None:
        return read_gold(gold)
    return threshold if precision is None else ByPrecision(precision)


def _show(mined: MinedPairs, out: Path | None, *, ids: bool, json: bool) -> None:
    """Print the pairs, or write them and say what was done."""
    from mling_embed.mining.outputs import pair_record, tsv_rows

    languages, summary = (mined.source.language, mined.target.language), mined.summary()
    if out is not None:
        summary["files"] = list(map(str, mined.write(out, with_ids=ids)))
    if json:
        records: Iterable[Any] = (pair_record(pair, languages=languages) for pair in mined)
        for record in records if out is None else [summary]:
            console.write_json_line(record)
    elif out is None:
        console.write_rows(tsv_rows(mined, languages=languages, with_ids=ids))
    for line in _told(summary):
        console.say(line)


def _told(summary: dict[str, Any]) -> Iterable[str]:
    """Yield what a mining came to, in words."""
    for side in summary["sides"]:
        left_out = "".join(f", {count:,} {reason}" for reason, count in side["rejected"].items())
        yield f"{side['language']}: {side['read']:,} read, {side['distinct']:,} distinct{left_out}"
    if (search := summary["search"]) is not None:
        yield (
            f"approximate search ({'; '.join(search['kinds'])}): {search['recall']:.1%} of the neighbors are found, "
            f"by the estimate of {search['n_queries']:,} sentences searched exactly"
        )
    threshold = summary["threshold"]
    at = "" if threshold is None else f" from the margin {threshold:.4f} on"
    at = ": no margin has what was asked for" if threshold == float("inf") else at
    right = summary["expected_precision"]
    expected = "" if right is None else f", of which {right:.1%} are expected to be right"
    left_out = "".join(f", {count:,} {reason}" for reason, count in summary["pairs_rejected"].items())
    yield f"{summary['pairs']:,} pairs{at}{expected}{'; left out' + left_out[1:] if left_out else ''}"
    if threshold is None and right is not None and right < _PURE:
        yield f"the best of them, right nine times in ten as is expected: --precision {_PURE}"
    if (gold := summary["gold"]) is not None:
        yield f"gold: precision {gold['precision']:.4f}, recall {gold['recall']:.4f}, F1 {gold['f1']:.4f}"
    for file in summary.get("files", ()):
        yield f"written: {file}"
