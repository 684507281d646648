"""The verb ``encode``: sentences in, vectors out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mling_embed.cli import console
from mling_embed.errors import DataError

_STDIN = Path("-")


def command(
    model: Annotated[str, typer.Argument(help="The encoder: a folder, or a name of the Hugging Face hub.")],
    texts: Annotated[Path, typer.Argument(help="A sentence a line, also compressed; - is standard input.")] = _STDIN,
    out: Annotated[Path | None, typer.Option(help="Write the vectors as .npy: float32, a row a line.")] = None,
) -> None:
    """Encode sentences: into an .npy file, or as JSON lines {"text", "vector"} on standard output."""
    import io

    import numpy as np

    from mling_embed.encoders.loading import load_encoder
    from mling_embed.encoders.static import fast_encoder
    from mling_embed.evaluation.files import aligned_lines
    from mling_embed.files import write_bytes

    if texts == _STDIN:
        try:
            lines = sys.stdin.buffer.read().decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise DataError(f"not UTF-8 ({error}).", where="standard input") from None
    else:
        lines = aligned_lines(texts)
    if not any(lines):
        raise DataError("no sentences.", where=texts, next_step="Give a file with a sentence on each line.")
    loaded = load_encoder(model)
    vectors = fast_encoder(loaded).encode(lines)
    if out is None:
        for text, vector in zip(lines, vectors, strict=True):
            console.write_json_line({"text": text, "vector": [round(float(value), 6) for value in vector]})
        return
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(vectors, dtype=np.float32), allow_pickle=False)
    write_bytes(out, buffer.getvalue())
    console.say(f"{len(lines):,} vectors of {vectors.shape[1]} dimensions: {out}")
