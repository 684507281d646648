"""The command line: one module per verb, loaded when the verb is called.

The rule for a verb module ``mling_embed/cli/<verb>.py``:

- A single verb is a plain function named ``command`` with typer annotations; its docstring is its help.
  A verb with sub-verbs is a ``typer.Typer`` named ``app``. `VERBS` lists them with one line of help each.
- The top of the module imports the standard library, typer and floor 0 only; the rest inside functions.
- It parses, calls one library function, and prints through `mling_embed.cli.console`: data to stdout,
  talk to stderr. It returns, or raises ``typer.Exit(1)`` when a check failed.
- It lets `MlingEmbedError`, `KeyboardInterrupt` (Ctrl-C, and SIGTERM too) and `BrokenPipeError` pass:
  `main` turns them into a line on stderr and an exit code.

Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 bad data, 4 damaged files, 75 stopped but
resumable, 141 the reader of stdout went away.
"""

from __future__ import annotations

import difflib
import importlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mling_embed.errors import DiskFullError, Interrupted, MlingEmbedError, UsageError
from mling_embed.files import is_disk_full

PROGRAM = "mling-embed"
BROKEN_PIPE_EXIT_CODE = 128 + 13

# verb -> (module:attribute, help)
VERBS: dict[str, tuple[str, str]] = {
    "demo": ("mling_embed.cli.demo:command", "Go the whole way on the built-in phrasebook, offline."),
    "data": ("mling_embed.cli.data:app", "List, show, fetch, build and verify parallel text."),
    "distill": ("mling_embed.cli.distill:command", "Make a multilingual student of an English teacher."),
    "encode": ("mling_embed.cli.encode:command", "Encode sentences, one a line, into vectors."),
    "index": ("mling_embed.cli.index:app", "Search texts of any language by queries in any."),
    "evaluate": ("mling_embed.cli.evaluate:command", "Measure an encoder on bitext and similarity tasks."),
    "mine": ("mling_embed.cli.mine:command", "Find translations in two sets of sentences, or paraphrases."),
    "align": ("mling_embed.cli.align:command", "Align documents sentence by sentence with their translations."),
    "score": ("mling_embed.cli.score:command", "Score the pairs of a parallel text, and tell the bad ones."),
    "summarize": ("mling_embed.cli.summarize:command", "Print the sentences of a text that say most of it."),
    "serve": ("mling_embed.cli.serve:command", "Serve vectors, search and a page over HTTP."),
    "export": ("mling_embed.cli.export:app", "Write a model for ONNX, OpenVINO, as static, or as a router."),
    "doctor": ("mling_embed.cli.doctor:command", "Check versions, processor, cache, mirrors and hub."),
}


class _StoppedError(MlingEmbedError):
    """Carry a stop from outside past typer, which would turn it into exit code 130."""


class _PipeClosedError(MlingEmbedError):
    """Carry a closed stdout past typer, which would turn it into exit code 1."""


def load_verb(verb: str) -> Any:
    """Import a verb's module and return its click command, named `verb`."""
    module, _, attribute = VERBS[verb][0].partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        app = target
    else:
        app = typer.Typer()
        app.command(verb)(target)
    app.rich_markup_mode = None
    app.pretty_exceptions_enable = False
    app._add_completion = False
    if not app.registered_callback and len(app.registered_commands) == 1 and app is target:
        app.callback()(lambda: None)  # one sub-verb must stay a sub-verb
    command = get_command(app)
    command.name = verb
    command.help = command.help or VERBS[verb][1]
    return command


class LazyVerbs(TyperGroup):
    """Know the verbs by name and import one only when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order of `VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the click command of a verb, or `None` when there is no such verb."""
        return load_verb(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs and their one-line helps without importing any of them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, help_line) for verb, (_, help_line) in VERBS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that `args` begins with.

        Raises:
            UsageError: No such verb; the nearest one is named.
        """
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            hint = f"Did you mean '{near[0]}'?" if near else f"The verbs are {', '.join(VERBS)}."
            raise UsageError(f"there is no verb '{args[0]}'.", next_step=hint)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb, keeping stops and closed pipes apart from errors."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _StoppedError(str(stop) or "SIGINT") from stop
        except BrokenPipeError as error:
            raise _PipeClosedError("stdout was closed.") from error


app = typer.Typer(
    cls=LazyVerbs,
    name=PROGRAM,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> bool:
    if wanted:
        from mling_embed import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what the library does, to stderr.")] = False,
) -> None:
    """Turn an English sentence encoder into a multilingual one, and measure it."""
    if verbose:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Make SIGTERM arrive as `KeyboardInterrupt`, so that one clean way out serves both."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(arguments: list[str]) -> int:
    """Run one command line and return its exit code, having told every known failure on stderr."""
    again = shlex.join([PROGRAM, *arguments])
    try:
        with _terminate_as_interrupt():
            get_command(app).main(args=arguments, prog_name=PROGRAM)
            sys.stdout.flush()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (_PipeClosedError, BrokenPipeError):
        return BROKEN_PIPE_EXIT_CODE
    except (_StoppedError, KeyboardInterrupt) as stop:
        _talk(f"\nstopped by {stop or 'SIGINT'}. To go on, run the same command again: {again}")
        return Interrupted.exit_code
    except Interrupted as stop:
        _talk(f"\nstopped: {stop}" + ("" if stop.next_step else f" To go on, run the same command again: {again}"))
        return stop.exit_code
    except MlingEmbedError as error:
        _talk(f"error: {error}")
        return error.exit_code
    except Exception as error:
        if (told := _told(error)) is None:
            raise
        _talk(f"error: {told}")
        return MlingEmbedError.exit_code
    return 0


def _told(error: Exception) -> str | None:
    """Return what the system says in an error that is no fault of ours: a full disk, a file that cannot be opened."""
    place = getattr(error, "filename", None)
    if is_disk_full(error):
        return str(DiskFullError(place))
    if isinstance(error, OSError) and error.errno is not None:
        return f"{place}: {error.strerror}." if place is not None else f"{error.strerror}."
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: The words after the program's name; those of the process when `None`.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8")
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE_EXIT_CODE
    if code == BROKEN_PIPE_EXIT_CODE:
        # What is still buffered has no reader; without this the interpreter complains about it as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
