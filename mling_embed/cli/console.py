"""What the command line prints: rows and JSON lines to stdout, talk and progress bars to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from mling_embed.progress import Progress

if TYPE_CHECKING:
    import rich.progress

_BREAKS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


def say(text: str) -> None:
    """Print talk to stderr."""
    print(text, file=sys.stderr, flush=True)


def write_rows(rows: Iterable[Sequence[object]], *, header: Sequence[str] | None = None) -> None:
    """Print rows to stdout as TSV.

    Args:
        rows: The cells; `None` is an empty cell. A tab or line end inside a cell becomes a space.
        header: The names of the columns, printed first.
    """
    if header is not None:
        sys.stdout.write("\t".join(header) + "\n")
    for row in rows:
        sys.stdout.write("\t".join("" if cell is None else str(cell).translate(_BREAKS) for cell in row) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> Any:
    """Turn what `json` does not know into what it does: paths, sets, numpy scalars, pydantic models."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    for method in ("model_dump", "tolist"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def write_json_line(value: object) -> None:
    """Print one value to stdout as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


class _Bars:
    """Show each piece of work as a bar; the same name begun again starts its bar anew."""

    def __init__(self, display: rich.progress.Progress) -> None:
        self._display = display
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._done: dict[str, int] = {}

    def __call__(self, work: str, done: int, total: int | None, /) -> None:
        if work not in self._tasks:
            self._tasks[work] = self._display.add_task(work, total=total)
        elif done < self._done[work]:
            self._display.reset(self._tasks[work], total=total)
        self._done[work] = done
        self._display.update(self._tasks[work], completed=done, total=total)


class _Lines:
    """Say each piece of work in a line when it is done."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._open: dict[str, tuple[int, float]] = {}  # how much is done, and since when

    def __call__(self, work: str, done: int, total: int | None, /) -> None:
        now = time.perf_counter()
        self._begun.setdefault(work, now)
        self._open[work] = done, now
        if done == total:
            self._tell(work)

    def close(self) -> None:
        """Tell the work whose end nobody knew beforehand."""
        for work in list(self._open):
            self._tell(work)

    def _tell(self, work: str) -> None:
        done, since = self._open.pop(work)
        say(f"{work}: {done:,} in {since - self._begun.pop(work):.1f} s")


@contextmanager
def progress() -> Iterator[Progress]:
    """Give a `Progress` that draws bars on stderr if that is a terminal, and elsewhere writes a line for each step."""
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lines
        lines.close()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # stdout is left alone: rich would send what is printed there to stderr.
    with Display(*columns, console=Console(stderr=True), redirect_stdout=False) as display:
        yield _Bars(display)
