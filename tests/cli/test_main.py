"""The frame of the command line: verbs, errors, stops, closed pipes."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest

from mling_embed import __version__, cli
from mling_embed.errors import DamagedFileError, DataError, Interrupted, MlingEmbedError, UsageError

Give = Callable[..., None]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Put a function in the place of the verb ``demo``."""

    def give(function: Callable[..., Any]) -> None:
        module = type(sys)("verb_under_test")
        module.command = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "verb_under_test", module)
        monkeypatch.setitem(cli.VERBS, "demo", ("verb_under_test:command", "Stand in."))

    return give


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        """Raise."""
        raise error

    return command


def test_help_lists_every_verb_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, line) in cli.VERBS.items():
        assert f"  {name} " in out
        assert line in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mling-embed {__version__}\n"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("evalute", "Did you mean 'evaluate'?"), ("dist", "Did you mean 'distill'?"), ("x", "The verbs are demo,")],
)
def test_an_unknown_verb_names_the_nearest(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: there is no verb '{word}'. {hint}")


def test_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--nope"]) == 2
    assert "--nope" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(MlingEmbedError, 1), (UsageError, 2), (DataError, 3), (DamagedFileError, 4)]
)
def test_errors_become_a_line_and_a_code(
    error: type[MlingEmbedError], code: int, verb: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(error("two columns, expected three.", where="a.tsv:7", next_step="Mend it.")))
    assert cli.main(["demo"]) == code
    assert capsys.readouterr() == ("", "error: a.tsv:7: two columns, expected three. Mend it.\n")


def test_a_failed_check_is_code_one_in_silence(verb: Give, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    verb(raising(typer.Exit(1)))
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr() == ("", "")


def test_operating_system_errors_name_the_file(verb: Give, capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(PermissionError(errno.EACCES, "Permission denied", "/out")))
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "error: /out: Permission denied.\n"


def test_faults_of_ours_keep_their_traceback(verb: Give) -> None:
    verb(raising(ZeroDivisionError("a fault")))
    with pytest.raises(ZeroDivisionError, match="a fault"):
        cli.main(["demo"])


def test_ctrl_c_says_how_to_go_on(verb: Give, capsys: pytest.CaptureFixture[str]) -> None:
    def command(name: str) -> None:
        """Stop."""
        raise KeyboardInterrupt

    verb(command)
    assert cli.main(["demo", "a b"]) == 75
    expected = "\nstopped by SIGINT. To go on, run the same command again: mling-embed demo 'a b'\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("step", "end"),
    [("Run it with --resume.", "Run it with --resume.\n"), (None, "run the same command again: mling-embed demo\n")],
)
def test_interrupted_is_not_called_an_error(
    step: str | None, end: str, verb: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    verb(raising(Interrupted("3 of 9 shards are done.", next_step=step)))
    assert cli.main(["demo"]) == 75
    err = capsys.readouterr().err
    assert err.startswith("\nstopped: 3 of 9 shards are done. ")
    assert err.endswith(end)


def test_a_single_verb_keeps_its_help_and_arguments(verb: Give, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def command(name: str, count: int = 2) -> None:
        """Do the thing."""
        seen.append((name, count))

    verb(command)
    assert cli.main(["demo", "x", "--count", "5"]) == 0
    assert seen == [("x", 5)]
    assert cli.main(["demo", "-h"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: mling-embed demo ")
    assert "Do the thing." in out


def test_sub_verbs_stay_sub_verbs_even_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    module = type(sys)("verb_under_test")
    module.app = typer.Typer()  # type: ignore[attr-defined]
    module.app.command("list")(lambda: print("listed"))
    monkeypatch.setitem(sys.modules, "verb_under_test", module)
    monkeypatch.setitem(cli.VERBS, "data", ("verb_under_test:app", "Stand in."))
    assert cli.main(["data", "list"]) == 0
    assert cli.main(["data", "list"]) == 0
    assert capsys.readouterr().out == "listed\nlisted\n"


STAND_IN = textwrap.dedent(
    """
    import signal, sys, time
    from mling_embed import cli
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    module = type(sys)("stand_in")
    def command() -> None:
        {body}
    module.command = command
    sys.modules["stand_in"] = module
    cli.VERBS["demo"] = ("stand_in:command", "Stand in.")
    sys.exit(cli.main(["demo"]))
    """
)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave_with_75(number: signal.Signals) -> None:
    script = STAND_IN.format(body="print('ready', flush=True); time.sleep(30)")
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        if process.stdout is None or process.stderr is None:
            pytest.fail("no pipes")
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        process.send_signal(number)
        err = process.stderr.read()
        assert process.wait() == 75
    assert time.monotonic() - started < 10
    assert err == f"\nstopped by {number.name}. To go on, run the same command again: mling-embed demo\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("flushed", [True, False])
def test_a_closed_pipe_is_quiet(flushed: bool) -> None:
    script = STAND_IN.format(
        body=f"[print('x' * 100, flush={flushed}) for _ in range({100_000 if flushed else 10_000})]"
    )
    line = f"{shlex.join([sys.executable, '-c', script])} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "x" * 100 + "\n141\n"
    assert done.stderr == ""


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mling_embed", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"mling-embed {__version__}\n"
