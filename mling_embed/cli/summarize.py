"""The verb ``summarize``: the sentences of a text that say most of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mling_embed.cli import console
from mling_embed.errors import DataError, UsageError
from mling_embed.languages import UNKNOWN_LANGUAGE, language_code

if TYPE_CHECKING:
    from io import BufferedIOBase

STDIN = "-"

_Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Texts in UTF-8; - is stdin.")]
_Model = Annotated[str, typer.Option(help="The encoder: a folder, or a name of the hub.")]
_Size = Annotated[int | None, typer.Option("--sentences", "-n", help="Sentences to choose. [default: 3]")]
_Share = Annotated[float | None, typer.Option(help="Sentences to choose, as a share of all, such as 0.2.")]
_Redundancy = Annotated[
    float, typer.Option(help="The weight of not repeating what is chosen, from 0 (most central alone) to 1.")
]
_Language = Annotated[str | None, typer.Option(help="Of the texts, for their sentence ends. [default: as English]")]
_Lines = Annotated[bool, typer.Option("--lines", help="A line is a sentence: do not split.")]
_Json = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each chosen sentence.")]


def command(
    files: _Files,
    model: _Model,
    sentences: _Size = None,
    share: _Share = None,
    redundancy: _Redundancy = 0.3,
    language: _Language = None,
    lines: _Lines = False,
    json: _Json = False,
) -> None:
    """Print the sentences that say most of a text: central ones that do not repeat each other, in their order."""
    if sentences is not None and share is not None:
        raise UsageError("--sentences and --share are both given.", next_step="Give one of them.")
    code = UNKNOWN_LANGUAGE if language is None else language_code(language)
    texts = {name: _read(name, lines=lines) for name in dict.fromkeys(files)}

    from dataclasses import asdict

    from mling_embed.encoders.loading import load
    from mling_embed.summarization.summarize import summarize

    encoder = load(model)
    for place, (name, text) in enumerate(texts.items()):
        try:
            found = summarize(text, encoder, size=sentences, share=share, redundancy=redundancy, language=code)
        except DataError as error:
            raise DataError(error.what, where=name, next_step="Give a file that holds a text.") from error
        if json:
            for sentence in found.sentences:
                console.write_json_line({"file": name, **asdict(sentence)})
        else:
            if len(texts) > 1:
                sys.stdout.write(f"{'' if not place else chr(10)}{name}\n")
            sys.stdout.write(f"{found}\n")
        console.say(f"{name}: {len(found.sentences)} of {found.n_sentences} sentences")


def _read(name: str, *, lines: bool) -> str | list[str]:
    """Read a text, or its lines."""
    from mling_embed.corpora.archives import open_plain
    from mling_embed.corpora.lines import Decoding, read_lines

    if name == STDIN:
        found = list(read_lines(cast("BufferedIOBase", sys.stdin.buffer), decoding=Decoding.STRICT, where="stdin"))
    else:
        with open_plain(Path(name)) as stream:
            found = list(read_lines(stream, decoding=Decoding.STRICT, where=name))
    for line in found:
        if line.reason is not None:
            raise DataError(f"cannot be used ({line.reason}).", where=f"{name}:{line.number}")
    texts = [line.text for line in found]
    return texts if lines else "\n".join(texts)
