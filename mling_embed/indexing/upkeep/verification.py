"""Looking after an index: what it is, and whether all of it is what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mling_embed.errors import MlingEmbedError
from mling_embed.files import sha256_of
from mling_embed.indexing.harmonization import Harmonization, searched_vectors
from mling_embed.indexing.published import generations
from mling_embed.indexing.published.generations import Generation
from mling_embed.indexing.storage import full_text
from mling_embed.indexing.storage.rows import COLUMNS, Row, content_sum, row_of, vector_sum
from mling_embed.indexing.storage.state import MODULUS, State, added_to, deletion_sum
from mling_embed.indexing.storage.store import WORDS, Store
from mling_embed.progress import Progress, silent

_AT_ONCE = 1024
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Verification:
    """Hold what a check of everything found.

    Attributes:
        rows: Rows that are whole.
        files: Files of the generation that are whole.
        problems: What is wrong, in words; empty if nothing is.
    """

    rows: int
    files: int
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(folder: Path, *, progress: Progress = silent) -> Verification:
    """Check every row, every file, and all against each other; nothing is changed.

    Args:
        folder: The index.
        progress: Told of rows done.
    """
    problems: list[str] = []
    try:
        store = Store(folder)
    except MlingEmbedError as error:
        return Verification(0, 0, (str(error),))
    try:
        with store.reading():
            rows = _verify_rows(store, problems, progress)
            files = _verify_generation(folder, store, problems)
    except MlingEmbedError as error:
        problems.append(str(error))
        rows = files = 0
    finally:
        store.close()
    return Verification(rows, files, tuple(problems))


def _verify_rows(store: Store, problems: list[str], progress: Progress) -> int:
    connection, state = store.connection, store.state()
    found = [line for (line,) in connection.execute("PRAGMA integrity_check(20)")]
    if found != ["ok"]:
        problems.extend(f"{store.path}: {line}" for line in found)
    whole, digest, damaged = 0, 0, []
    query = f"SELECT {COLUMNS} FROM rows ORDER BY row"
    for place, each in enumerate(connection.execute(query), 1):
        row = row_of(each, store.number_format)
        if row is None or len(row.vector) != store.settings["dim"]:
            damaged.append(each[1])
        else:
            whole += 1
            sums = content_sum(row.number, row.entry.columns()) + vector_sum(row.number, row.vector.tobytes())
            digest += int.from_bytes(sums, "little")
        if place % _AT_ONCE == 0:
            progress("verifying rows", place, state.live)
    progress("verifying rows", state.live, state.live)
    problems.extend(f"{store.path}: id {id_!r} is damaged" for id_ in damaged[:_MOST_NAMED])
    if len(damaged) > _MOST_NAMED:
        problems.append(f"{store.path}: {len(damaged) - _MOST_NAMED:,} more rows are damaged")
    if not damaged and (whole, f"{digest % MODULUS:x}") != (state.live, state.digest):
        problems.append(f"{store.path}: {whole:,} rows are not the {state.live:,} that were written")
    _verify_deletions(store, state, problems)
    store.read("names")
    if full_text.page_sums(connection) != store.read(WORDS):
        problems.append(f"{store.path}: the full-text table is not what was written")
    texts = connection.execute("SELECT row, text FROM rows ORDER BY row")
    if fault := full_text.fault(connection, texts):
        problems.append(f"{store.path}: {fault}")
    return whole


def _verify_deletions(store: Store, state: State, problems: list[str]) -> None:
    digest, count, numbers = "0", 0, set()
    for sequence, row in store.deletions():
        digest, count = added_to(digest, deletion_sum(sequence, row)), count + 1
        numbers.add(row)
    if (count, digest) != (state.deleted, state.deleted_digest):
        problems.append(f"{store.path}: the deletions are not those that were written")
    elif state.live + len(numbers) != state.last_row:
        lost = state.last_row - state.live - len(numbers)
        problems.append(f"{store.path}: {lost:,} rows are neither there nor deleted")


def _verify_generation(folder: Path, store: Store, problems: list[str]) -> int:
    try:
        generation = generations.open_current(folder)
    except MlingEmbedError as error:
        problems.append(str(error))
        return 0
    if generation is None:
        return 0
    whole = 0
    for name, facts in generation.manifest.files.items():
        if sha256_of(generation.folder / name) == facts["sha256"]:
            whole += 1
        else:
            problems.append(f"{generation.folder / name}: its bytes are not those that were published")
    state, settings, manifest = store.state(), store.settings, generation.manifest
    if manifest.index != settings["index"] or manifest.epoch > state.epoch or manifest.commit > state.commit:
        problems.append(f"{generation.folder}: is not of these rows")
    elif whole == len(manifest.files) and manifest.epoch == state.epoch:
        _verify_vectors(generation, store, problems)
    return whole


def _verify_vectors(generation: Generation, store: Store, problems: list[str]) -> None:
    """Compare the vectors of a generation with those of the rows."""
    offsets = store.settings["harmonization"]
    harmonization = Harmonization.from_json(offsets) if offsets else None
    numbers = generation.columns.numbers
    for start in range(0, len(numbers), 500):
        part = numbers[start : start + 500]
        try:
            rows: dict[int, Row] = store.rows(part.tolist())
        except MlingEmbedError:
            return  # told of already
        here = [place for place, number in enumerate(part.tolist()) if number in rows]
        if not here:
            continue
        stored = searched_vectors([rows[int(part[place])] for place in here], harmonization)
        searched = generation.vectors[start : start + 500][here]
        if not np.allclose(stored, searched, rtol=1e-5, atol=1e-6):
            problems.append(f"{generation.folder}: its vectors are not those of the rows")
            return
