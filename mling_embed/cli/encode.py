"""The verb ``encode``: sentences in, vectors out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mling_embed.cli import console
from mling_embed.errors import DataError, UsageError

if TYPE_CHECKING:
    from io import BufferedIOBase

_STDIN = Path("-")


def command(
    model: Annotated[str, typer.Argument(help="The encoder: a folder, or a name of the Hugging Face hub.")],
    texts: Annotated[Path, typer.Argument(help="A sentence a line, also compressed; - is standard input.")] = _STDIN,
    out: Annotated[Path | None, typer.Option(help="Write the vectors as .npy: float32, a row a line.")] = None,
    role: Annotated[
        str | None, typer.Option(help="query or passage: put the model's prompt of that role before each sentence.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps. [default: the best there is]")] = None,
) -> None:
    """Encode sentences: into an .npy file, or as JSON lines {"text", "vector"} on standard output."""
    import io

    import numpy as np

    from mling_embed.corpora.archives import open_plain
    from mling_embed.encoders.contract import PromptRole
    from mling_embed.encoders.loading import load
    from mling_embed.files import write_bytes

    if out is not None:
        _check_out(out)
    if texts == _STDIN:
        loaded = load(model, device=device)  # a wrong one is told of before anyone types
        if sys.stdin.isatty():
            console.say("Reading sentences from the terminal, one a line; Ctrl-D ends them.")
        lines = _lines(cast("BufferedIOBase", sys.stdin.buffer), "standard input")
    else:
        if not texts.exists():
            raise DataError(
                "no such file.", where=texts, next_step="Give a file with a sentence on each line, or pipe them in."
            )
        with open_plain(texts) as stream:
            lines = _lines(stream, str(texts))
        loaded = load(model, device=device)
    vectors = loaded.encode(lines, role=None if role is None else PromptRole(role))
    if out is None:
        for text, vector in zip(lines, vectors, strict=True):
            console.write_json_line({"text": text, "vector": [round(float(value), 6) for value in vector]})
        return
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(vectors, dtype=np.float32), allow_pickle=False)
    write_bytes(out, buffer.getvalue())
    console.say(f"{len(lines):,} vectors of {vectors.shape[1]} dimensions: {out}")


def _check_out(out: Path) -> None:
    """Refuse a place where the vectors cannot go before they are computed."""
    if out.is_dir():
        raise UsageError("is a folder, expected a file.", where=out, next_step=f"Give --out {out / 'vectors.npy'}.")
    if out.suffix != ".npy":
        raise UsageError(
            "vectors are written as .npy.",
            where=out,
            next_step=f"Give --out {out.with_suffix('.npy')}, or none for JSON lines on standard output.",
        )


def _lines(stream: BufferedIOBase, where: str) -> list[str]:
    """Return the lines of a stream; an empty one counts, so that row n is always line n."""
    from mling_embed.corpora.lines import Decoding, read_lines

    lines = []
    for line in read_lines(stream, decoding=Decoding.STRICT, where=where):
        if line.reason is not None:
            raise DataError(f"cannot be used ({line.reason}).", where=f"{where}:{line.number}")
        lines.append(line.text)
    if not any(line.strip() for line in lines):
        raise DataError("no sentences.", where=where, next_step="Give one sentence a line.")
    return lines
