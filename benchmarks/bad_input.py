"""What the scripts of bad input share: the program is run, and what it says is judged and written down."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, redirect_stdout

from measure import Measurement, say

from mling_embed import cli


def tried(words: Sequence[str], around: Callable[[], AbstractContextManager[object]] = nullcontext) -> tuple[int, str]:
    """Run the program within a context; return its exit code and what it said."""
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()), around():
        code = cli.main(list(words))
    return code, told.getvalue().strip()


def judge(
    result: Measurement,
    task: str,
    words: Sequence[str],
    answer: tuple[int, str],
    expected: tuple[int, str],
    *,
    names: Mapping[str, str],
) -> None:
    """Write down whether the program ended and spoke as expected, and its last two lines.

    Args:
        result: Takes the row.
        task: Name of the case.
        words: Of the command line, as the row shows it.
        answer: Exit code and what was said.
        expected: Exit code, and what is part of what is said.
        names: Places of this machine -> what stands for them in the row.
    """
    code, said = answer
    good = code == expected[0] and expected[1] in said and "Traceback" not in said
    for place, name in names.items():
        said = said.replace(place, name)
    lines = [line for line in said.splitlines() if line.strip()]
    add_row(result, task, " ".join(words), good=good, code=code, message=" ".join(lines[-2:]))


def add_row(result: Measurement, task: str, command: str, *, good: bool, code: int, message: str) -> None:
    """Write down a case."""
    row = {"task": task, "n": 1, "score": float(good), "command": command, "exit code": code, "said": message}
    result.scores.append(row)
    say(f"{'ok' if good else 'WRONG'}: {task}: {code}: {message}")
