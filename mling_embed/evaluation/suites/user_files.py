"""Tasks from a user's own files: aligned lines, scored pairs, labelled texts, or a folder as BEIR has it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from mling_embed.corpora.archives import open_plain, plain_name
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.errors import DataError
from mling_embed.evaluation.suites.table_rows import read_table
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.classification import ClassificationTask
from mling_embed.evaluation.tasks.contract import TaskLabel
from mling_embed.evaluation.tasks.retrieval import RetrievalTask
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.languages import ENGLISH, UNKNOWN_LANGUAGE

STS_COLUMNS = ("sentence1", "sentence2", "score")
LABELLED_COLUMNS = ("text", "label")


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
    delimiter = _delimiter(path)
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


def classification_from_files(
    train: Path, test: Path, *, languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE)
) -> ClassificationTask:
    """Make a task of two TSV or CSV files with the columns text and label: one to learn from, one to test on.

    The columns are found by the names in the first row; without these names there must be exactly two, in this order.

    Raises:
        DataError: The columns are wrong, or a file is empty or not UTF-8.
    """
    parts = [_labelled(path) for path in (train, test)]
    label = TaskLabel("classification", f"{train.name} {test.name}", languages)
    return ClassificationTask(label, *parts[0], *parts[1])


def _labelled(path: Path) -> tuple[list[str], list[str]]:
    """Read the texts and labels of a table."""
    rows = read_table(path, delimiter=_delimiter(path))
    first = [cell.strip().lower() for cell in rows[0][1]]
    if set(LABELLED_COLUMNS) <= set(first):
        columns, rows = [first.index(name) for name in LABELLED_COLUMNS], rows[1:]
    elif len(first) == len(LABELLED_COLUMNS):
        columns = [0, 1]
    else:
        raise DataError(
            f"{len(first)} columns; expected a header with text and label, or these two columns without one.",
            where=f"{path}:1",
            next_step=f"Columns are split at {'commas' if _delimiter(path) == ',' else 'tabs'} in this file.",
        )
    for number, cells in rows:
        if len(cells) <= max(columns):
            raise DataError(f"{len(cells)} columns, expected {max(columns) + 1}.", where=f"{path}:{number}")
    return [cells[columns[0]] for _, cells in rows], [cells[columns[1]].strip() for _, cells in rows]


def retrieval_from_folder(
    folder: Path, *, languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE), split: str = "test"
) -> RetrievalTask:
    """Make a task of a folder as BEIR has it: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/test.tsv``.

    A passage is its title and its text; queries without judgments are left out, as BEIR leaves them out.

    Raises:
        DataError: A file is not there or not of this form, or a judged passage or query is not there.
    """
    corpus = {
        row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in _json_rows(folder / "corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in _json_rows(folder / "queries.jsonl")}
    path = folder / "qrels" / f"{split}.tsv"
    qrels: dict[str, dict[str, int]] = {}
    for number, cells in read_table(path, delimiter="\t"):
        if number == 1 and cells[-1].strip() == "score":
            continue
        if len(cells) != 3 or not _is_number(cells[2]):
            raise DataError("expected query-id, corpus-id and score.", where=f"{path}:{number}")
        qrels.setdefault(cells[0], {})[cells[1]] = round(float(cells[2]))
    label = TaskLabel("retrieval", folder.name, languages, split)
    asked = {query: text for query, text in queries.items() if query in qrels}
    return RetrievalTask(label, corpus, asked, qrels)


def _json_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the objects of a file of JSON lines, each with ``_id`` and ``text``."""
    with open_plain(path) as stream:
        for line in read_lines(stream, decoding=Decoding.STRICT, where=path):
            try:
                row = json.loads(line.text)
                if not (isinstance(row, dict) and isinstance(row["_id"], str) and isinstance(row["text"], str)):
                    raise TypeError
            except (ValueError, KeyError, TypeError):
                what = 'expected an object with "_id" and "text", both strings.'
                raise DataError(what, where=f"{path}:{line.number}") from None
            yield row


def _delimiter(path: Path) -> str:
    return "," if Path(plain_name(path)).suffix.lower() == ".csv" else "\t"


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
