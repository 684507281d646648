"""Export an encoder: for ONNX Runtime or OpenVINO, compared with its source; or with its teacher, as one router."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.exports import openvino_model, quantization, tracing
from mling_embed.encoders.exports.card import export_card, router_card
from mling_embed.encoders.exports.check_texts import check_texts, graded_pairs
from mling_embed.encoders.exports.exported import ExportedEncoder
from mling_embed.encoders.exports.parity import Parity
from mling_embed.encoders.exports.record import ExportRecord, Runtime
from mling_embed.encoders.loading import encoder_of_model, load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.routed import RoutedEncoder, router_of, shared_space
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import replacing_folder, sha256_of
from mling_embed.progress import Progress, silent

logger = logging.getLogger(__name__)

_ONNX_GRAPH = "onnx/model.onnx"
_OPENVINO_GRAPH = "openvino/openvino_model.xml"
_TOKENIZER = "tokenizer.json"
_TRACING, _QUANTIZING, _CHECKING = "tracing the graph", "quantising", "comparing with the source"
_EXACT = 0.9999  # mean cosine below which a graph in fp32 is not that of its source
_LEAST_TEXTS = 3

# A graph in fp32, the export's folder, the tokens that a text is cut off after -> the files written there.
_Write = Callable[[Path, Path, int | None], list[str]]


def export_onnx(
    model: str | Path,
    out: str | Path,
    *,
    int8: bool = False,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> ExportedEncoder:
    """Export an encoder as an ONNX graph, in a folder that `load` runs with ONNX Runtime.

    Its layout is that of sentence-transformers' ``backend="onnx"``.

    Args:
        model: A folder, or a name of the Hugging Face hub.
        out: The new folder; an earlier export there is replaced.
        int8: Multiply in int8: a quarter of the size, and faster.
        texts: On which export and source are compared; a thousand sentences of the phrasebook by default.
        progress: Told of the work done.

    Raises:
        UsageError: The encoder is no transformer, or what writes and runs the graph is not installed.
        DataError: The export's vectors are not those of its source.
    """

    def write(graph: Path, folder: Path, _: int | None) -> list[str]:
        target = folder / _ONNX_GRAPH
        target.parent.mkdir()
        if int8:
            progress(_QUANTIZING, 0, 1)
            quantization.quantize(graph, target)
            progress(_QUANTIZING, 1, 1)
        else:
            graph.replace(target)
        return [_ONNX_GRAPH]

    return _exported(str(model), Path(out), Runtime.ONNX, write, int8=int8, texts=texts, progress=progress)


def export_openvino(
    model: str | Path,
    out: str | Path,
    *,
    int8: bool = False,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> ExportedEncoder:
    """Export an encoder for OpenVINO, in a folder that `load` runs with it.

    Its layout is that of sentence-transformers' ``backend="openvino"``.

    Args:
        model: A folder, or a name of the Hugging Face hub.
        out: The new folder; an earlier export there is replaced.
        int8: Multiply in int8, with the scales of activations calibrated on sentences of the phrasebook.
        texts: On which export and source are compared; a thousand sentences of the phrasebook by default.
        progress: Told of the work done.

    Raises:
        UsageError: The encoder is no transformer, or what writes and runs the graph is not installed.
        DataError: The export's vectors are not those of its source.
    """

    def write(graph: Path, folder: Path, longest: int | None) -> list[str]:
        progress(_QUANTIZING, 0, 1)
        target = folder / _OPENVINO_GRAPH
        if int8:
            openvino_model.write_int8(graph, target, folder / _TOKENIZER, longest=longest)
        else:
            openvino_model.write(graph, target)
        progress(_QUANTIZING, 1, 1)
        return [_OPENVINO_GRAPH, str(Path(_OPENVINO_GRAPH).with_suffix(".bin"))]

    return _exported(str(model), Path(out), Runtime.OPENVINO, write, int8=int8, texts=texts, progress=progress)


def export_router(
    teacher: str | Path, student: str | Path, out: str | Path, *, progress: Progress = silent
) -> RoutedEncoder:
    """Export a teacher and its student as one model: the student encodes queries, the teacher documents.

    The folder is a plain sentence-transformers `Router`: ``encode_query`` and ``encode_document`` take the two ways.

    Args:
        teacher: A folder, or a name of the Hugging Face hub.
        student: Of that teacher: a folder, or a name.
        out: The new folder; an earlier one there is replaced.
        progress: Told of the work done.

    Raises:
        UsageError: Their vectors are of different widths.
        DataError: The student's vectors of English sentences are not near the teacher's.
    """
    models = [load_sentence_transformer(name, device="cpu") for name in (teacher, student)]
    router = router_of(*models)
    progress(_CHECKING, 0, 1)
    texts = graded_pairs().first
    encoders = [encoder_of_model(model, precision=Precision.FP32) for model in models]
    found = shared_space(*(encoder.encode(texts) for encoder in encoders))
    progress(_CHECKING, 1, 1)
    card = router_card(str(teacher), str(student), found=found, n=len(texts))
    write_model(router, Path(out), model_card=card, teacher=encoders[0].fingerprint)
    routed = encoder_of_model(router, precision=Precision.FP32)
    if not isinstance(routed, RoutedEncoder):
        raise UsageError(f"a router of a {type(models[1][0]).__name__} and a {type(models[0][0]).__name__} is none.")
    return routed


def int8_of(source: TransformerEncoder, name: str, folder: Path) -> ExportedEncoder:
    """Return an encoder's export in int8, for ONNX Runtime, made in a folder unless it is there.

    Args:
        source: The encoder, on a processor; its own prompt is the export's.
        name: What it is called.
        folder: Named for the encoder.
    """
    try:
        found = ExportRecord.read(folder)
        if found is not None and found.source == source.fingerprint:
            return ExportedEncoder(folder, prompt=source.prompt)
    except DamagedFileError as error:
        logger.warning("%s", error)

    def write(graph: Path, part: Path, _: int | None) -> list[str]:
        (part / _ONNX_GRAPH).parent.mkdir()
        quantization.quantize(graph, part / _ONNX_GRAPH)
        return [_ONNX_GRAPH]

    return _export(source, name, folder, Runtime.ONNX, write, int8=True)


def _exported(
    name: str,
    out: Path,
    runtime: Runtime,
    write: _Write,
    *,
    int8: bool,
    texts: Sequence[str] | None,
    progress: Progress,
) -> ExportedEncoder:
    texts = check_texts() if texts is None else texts
    if len(set(texts)) < _LEAST_TEXTS:
        raise DataError(f"{len(set(texts))} sentences to compare the export on; expected {_LEAST_TEXTS} or more.")
    source = TransformerEncoder(load_sentence_transformer(name, device="cpu"), precision=Precision.FP32)
    return _export(source, name, out, runtime, write, int8=int8, texts=texts, progress=progress)


def _export(
    source: TransformerEncoder,
    name: str,
    out: Path,
    runtime: Runtime,
    write: _Write,
    *,
    int8: bool,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> ExportedEncoder:
    """Write an export's folder, see how near it comes to its source, and put it in its place."""
    texts = list(check_texts() if texts is None else texts)
    with replacing_folder(out) as folder, TemporaryDirectory(dir=folder.parent) as work:
        source.model.save(str(folder), create_model_card=False)
        for weights in folder.rglob("*.safetensors"):
            weights.unlink()
        progress(_TRACING, 0, 1)
        graph = Path(work) / "model.onnx"
        tracing.trace(source.model, graph)
        progress(_TRACING, 1, 1)
        written = write(graph, folder, source.max_seq_length)
        record = ExportRecord(
            source=source.fingerprint,
            source_name=name,
            runtime=runtime,
            precision=Precision.INT8 if int8 else Precision.FP32,
            graph=written[0],
            files={each: sha256_of(folder / each) for each in [*written, _TOKENIZER]},
            dim=source.dim,
            max_seq_length=source.max_seq_length,
            pad_token_id=source.model.tokenizer.pad_token_id or 0,
            prompt=source.prompt,
            prompts={role.value: source.prompts[role] for role in PromptRole},
        )
        record.write(folder)
        progress(_CHECKING, 0, 1)
        parity = Parity.of(source.encode(texts), ExportedEncoder(folder).encode(texts))
        progress(_CHECKING, 1, 1)
        if not int8 and parity.mean_cosine < _EXACT:
            raise DataError(
                f"the graph's vectors are not the model's: mean cosine {parity.mean_cosine:.4f}, expected {_EXACT}.",
                where=name,
                next_step="Use the model as it is, and report its architecture.",
            )
        record = replace(record, parity=parity.figures())
        record.write(folder)
        (folder / "README.md").write_text(export_card(record), encoding="utf-8")
    return ExportedEncoder(out)
