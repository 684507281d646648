"""The verb ``export``: a model for ONNX Runtime or OpenVINO, as a static one, or beside its teacher as a router."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mling_embed.cli import console

if TYPE_CHECKING:
    from mling_embed.encoders.exports.exported import ExportedEncoder

app = typer.Typer(no_args_is_help=True)

_LEAST_COSINE = 0.99  # mean cosine below which an int8 export is not what its source is

Model = Annotated[str, typer.Argument(help="The encoder: a folder, or a name of the Hugging Face hub.")]
Out = Annotated[Path, typer.Argument(help="The new folder.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Multiply in int8: a quarter of the size, and faster.")]
Check = Annotated[
    Path | None,
    typer.Option(help="Compare with the source on these sentences, one a line. [default: 1,000 of the phrasebook]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON line instead of TSV.")]


@app.command("onnx")
def onnx(model: Model, out: Out, int8: Int8 = False, check: Check = None, json: Json = False) -> None:
    """Write a folder that load, encode, index and serve run with ONNX Runtime."""
    from mling_embed.encoders.exporting import export_onnx

    with console.progress() as progress:
        made = export_onnx(model, out, int8=int8, texts=_sentences(check), progress=progress)
    _show(made, out, json=json)


@app.command("openvino")
def openvino(model: Model, out: Out, int8: Int8 = False, check: Check = None, json: Json = False) -> None:
    """Write a folder that load, encode, index and serve run with OpenVINO."""
    from mling_embed.encoders.exporting import export_openvino

    with console.progress() as progress:
        made = export_openvino(model, out, int8=int8, texts=_sentences(check), progress=progress)
    _show(made, out, json=json)


@app.command("router")
def router(
    teacher: Annotated[str, typer.Argument(help="Encodes documents: a folder, or a name of the hub.")],
    student: Annotated[str, typer.Argument(help="Encodes queries; a student of that teacher.")],
    out: Out,
) -> None:
    """Write teacher and student as one sentence-transformers folder: queries by the one, documents by the other."""
    from mling_embed.encoders.exporting import export_router

    with console.progress() as progress:
        made = export_router(teacher, student, out, progress=progress)
    console.say(f"Queries by {student}, documents by {teacher}, {made.dim} dimensions: {out}")


@app.command("static")
def static(
    model: Model,
    out: Out,
    text: Annotated[list[str], typer.Option(help="A file of sentences, one a line, as FILE:fi. May be repeated.")],
    vocabulary: Annotated[int | None, typer.Option(help="Entries of the vocabulary. [default: by the texts]")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 4,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps. [default: the best there is]")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
) -> None:
    """Write the static student of a multilingual encoder: of its labels of a vocabulary and of sentences."""
    from mling_embed.students.static_of_encoder import export_static
    from mling_embed.training.settings import FitSettings

    with console.progress() as progress:
        made = export_static(
            model,
            out,
            text,
            size=vocabulary or "auto",
            fit=FitSettings(epochs=epochs),
            device=device,
            seed=seed,
            progress=progress,
        )
    console.say(f"{len(made.table):,} tokens, {made.dim} dimensions: {out}")


def _sentences(path: Path | None) -> list[str] | None:
    """Return the sentences of a file, one a line."""
    from mling_embed.corpora.archives import open_plain
    from mling_embed.corpora.lines import Decoding, read_lines
    from mling_embed.errors import DataError

    if path is None:
        return None
    if not path.is_file():
        raise DataError("no such file.", where=path, next_step="Give a file with a sentence on each line.")
    with open_plain(path) as stream:
        lines = read_lines(stream, decoding=Decoding.STRICT, where=str(path))
        return [line.text for line in lines if line.reason is None and line.text.strip()]


def _show(made: ExportedEncoder, out: Path, *, json: bool) -> None:
    """Print how near an export came to its source.

    Raises:
        typer.Exit: It came not near enough.
    """
    record, size = made.record, sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    figures = {"megabytes": size / 1e6, **record.parity}
    if json:
        console.write_json_line({"out": out, "runtime": record.runtime, "precision": record.precision, **figures})
    else:
        rows = ((name, value if isinstance(value, int) else f"{value:.4f}") for name, value in figures.items())
        console.write_rows(rows, header=("figure", "value"))
    console.say(f"{record.runtime}, {record.precision}: {out}")
    if record.parity["mean_cosine"] < _LEAST_COSINE:
        console.say(
            f"warning: mean cosine {record.parity['mean_cosine']:.4f} beside the source, expected {_LEAST_COSINE} or "
            "more. Measure it on your own task before you use it, or export without --int8."
        )
        raise typer.Exit(1)
