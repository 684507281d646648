"""Tasks from a user's own files: two line-aligned files, or a table of scored sentence pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mling_embed.corpora.archives import open_plain, plain_name
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.errors import DataError
from mling_embed.evaluation.suites.table_rows import read_table
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE

STS_COLUMNS = ("sentence1", "sentence2", "score")


def bitext_from_files(
    source: Path, target: Path, *, language: str = UNKNOWN_LANGUAGE, target_language: str = ENGLISH
) -> BitextTask:
    """Make a task of two files whose lines translate each other; .gz .xz .bz2 .zst are unpacked.

    Raises:
        DataError: The files differ in their number of lines, one is empty, or a line is empty or not UTF-8.
    """
    sides = [aligned_lines(path) for path in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{source} has {len(sides[0]):,} lines and {target} has {len(sides[1]):,}; expected as many.",
            next_step="Line n of one file must translate line n of the other.",
        )
    name = source.name if source.name != target.name else str(source)
    label = TaskLabel("bitext", f"{name} {target.name}", (language, target_language))
    return BitextTask(label, sides[0], sides[1])


def aligned_lines(path: Path) -> list[str]:
    """Read one side of line-aligned files.

    Raises:
        DataError: There is no such file, it is empty, or a line is empty or not UTF-8.
    """
    texts = []
    with open_plain(path) as stream:
        for line in read_lines(stream, decoding=Decoding.STRICT, where=path):
            if line.reason is not None:
                raise DataError(f"cannot be used ({line.reason}).", where=f"{path}:{line.number}")
            if not line.text.strip():
                raise DataError(
                    "the line is empty.", where=f"{path}:{line.number}", next_step="Remove the pair from both files."
                )
            texts.append(line.text)
    if not texts:
        raise DataError("the file is empty.", where=path, next_step="Give one sentence a line.")
    return texts


def sts_from_file(path: Path, *, languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE)) -> StsTask:
    """Make a task of a TSV or CSV file with the columns sentence1, sentence2 and score.

    The columns are found by the names in the first row; without these names there must be exactly three, in this
    order. A file named .csv is read as RFC 4180 has it; others are split at tabs, without quoting.

    Raises:
        DataError: The columns are wrong, a score is not a number, or the file is empty or not UTF-8.
    """
    delimiter = "," if Path(plain_name(path)).suffix.lower() == ".csv" else "\t"
    rows = read_table(path, delimiter=delimiter)
    first = [cell.strip().lower() for cell in rows[0][1]]
    if set(STS_COLUMNS) <= set(first):
        columns = [first.index(name) for name in STS_COLUMNS]
        rows = rows[1:]
    elif len(first) == len(STS_COLUMNS) and _is_number(first[2]):
        columns = [0, 1, 2]
    else:
        shown = ", ".join(first[:8])
        raise DataError(
            f"{len(first)} columns ({shown}); expected a header with {', '.join(STS_COLUMNS)}, or these three "
            "columns without one.",
            where=f"{path}:1",
            next_step=f"Columns are split at {'commas' if delimiter == ',' else 'tabs'} in this file.",
        )
    label = TaskLabel("sts", path.name, languages)
    return sts_task(label, rows, columns, where=path)


def sts_task(
    label: TaskLabel, rows: Sequence[tuple[int, Sequence[str]]], columns: Sequence[int], *, where: Path
) -> StsTask:
    """Make a task of the rows of a table.

    Args:
        label: The task's name.
        rows: Line number and cells of each row.
        columns: Which cells are sentence1, sentence2 and score.
        where: The file, for errors.

    Raises:
        DataError: A row is too short, or a score is not a number.
    """
    firsts, seconds, scores = [], [], []
    for number, cells in rows:
        if len(cells) <= max(columns):
            raise DataError(f"{len(cells)} columns, expected {max(columns) + 1}.", where=f"{where}:{number}")
        first, second, score = (cells[column] for column in columns)
        if not _is_number(score):
            raise DataError(f"score '{score}' is not a number.", where=f"{where}:{number}")
        firsts.append(first)
        seconds.append(second)
        scores.append(float(score))
    if not rows:
        raise DataError("a header and no rows.", where=where)
    return StsTask(label, firsts, seconds, scores)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
