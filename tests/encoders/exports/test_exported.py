"""Exports: the vectors of their source, the contract, the index of the source, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.encoders.contract import Encoder, PromptRole
from mling_embed.encoders.exporting import export_onnx, export_openvino
from mling_embed.encoders.exports.check_texts import check_texts, graded_pairs
from mling_embed.encoders.exports.exported import ExportedEncoder
from mling_embed.encoders.exports.parity import Parity
from mling_embed.encoders.exports.quantization import int8_rows
from mling_embed.encoders.exports.record import Runtime
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.model_folder import EXPORT_FILE
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.indexing.index import Index
from mling_embed.indexing.model_match import Relation

TEXTS = ["Where is the station?", "", "x" * 300, "a\x00b\u2028c", "the dog, the cat", "the station", "no"]
EXPORTERS = {Runtime.ONNX: export_onnx, Runtime.OPENVINO: export_openvino}


@pytest.fixture(scope="module")
def source(tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the tiny teacher prompts, one of which is its default."""
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    model.prompts = {"query": "query: ", "document": "passage: "}
    model.default_prompt_name = "query"
    folder = tmp_path_factory.mktemp("source") / "model"
    model.save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="module")
def exported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of exports, each made once."""
    made: dict[tuple[Runtime, bool], Path] = {}
    folder = tmp_path_factory.mktemp("exports")

    def make(runtime: Runtime, *, int8: bool = False) -> Path:
        if (runtime, int8) not in made:
            out = folder / f"{runtime}-{int8}"
            EXPORTERS[runtime](source, out, int8=int8, texts=check_texts(40))
            made[runtime, int8] = out
        return made[runtime, int8]

    return make


@pytest.mark.parametrize("runtime", list(Runtime))
def test_an_export_gives_the_vectors_of_its_source(
    runtime: Runtime, exported: Callable[..., Path], source: Path
) -> None:
    export, wanted = load(exported(runtime)), load(source, device="cpu", precision=Precision.FP32)
    assert isinstance(export, ExportedEncoder)
    assert isinstance(export, Encoder)
    assert (export.dim, export.max_seq_length, export.precision) == (32, 48, Precision.FP32)
    assert export.prompts == wanted.prompts
    for role in (None, *PromptRole):
        np.testing.assert_allclose(export.encode(TEXTS, role=role), wanted.encode(TEXTS, role=role), atol=1e-5)
        np.testing.assert_array_equal(export.token_counts(TEXTS, role=role), wanted.token_counts(TEXTS, role=role))
    np.testing.assert_allclose(export.encode(TEXTS[0]), wanted.encode(TEXTS[0]), atol=1e-5)
    assert export.encode([]).shape == (0, 32)
    assert export.record.parity["n"] == 40
    assert export.record.parity["least_cosine"] == pytest.approx(1, abs=1e-5)
    assert export.record.parity["top1"] == 1


def test_batches_are_told_of_and_threads_change_nothing(exported: Callable[..., Path]) -> None:
    folder, texts = exported(Runtime.ONNX), check_texts(300)
    told: dict[int, np.ndarray] = {}
    one, three = (ExportedEncoder(folder, threads=threads) for threads in (1, 3))
    vectors = three.encode(texts, done=lambda rows, part: told.update(zip(rows.tolist(), part, strict=True)))
    np.testing.assert_array_equal(np.stack([told[row] for row in range(300)]), vectors)
    np.testing.assert_allclose(one.encode(texts), vectors, atol=1e-6)


def test_int8_is_a_quarter_of_the_size_and_near_its_source(exported: Callable[..., Path]) -> None:
    exact, small = (exported(Runtime.ONNX, int8=int8) for int8 in (False, True))
    weights = 32 * (84 + 64 + 2 + 2 * (4 * 32 + 2 * 64))  # tables and matrices: bytes in int8, four times that in fp32
    saved = (exact / "onnx/model.onnx").stat().st_size - (small / "onnx/model.onnx").stat().st_size
    assert saved > 1.5 * weights
    assert load(small).precision is Precision.INT8
    assert ExportedEncoder(small).record.parity["mean_cosine"] == pytest.approx(1, abs=0.005)
    assert ExportedEncoder(small).fingerprint != ExportedEncoder(exact).fingerprint


def test_no_pair_of_products_overflows_16_bits(exported: Callable[..., Path]) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported(Runtime.ONNX, int8=True) / "onnx/model.onnx").graph
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    multiplied = [weights[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"]
    assert {each.dtype for each in multiplied} == {np.dtype(np.int8)}
    assert 2 * 255 * max(np.abs(each.astype(np.int64)).max() for each in multiplied) < 2**15
    in_fp32 = [
        weights[node.input[1]].shape for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights
    ]
    assert in_fp32 == [(64, 32)]  # the first layer's output


def test_rows_in_int8() -> None:
    rows, scales = int8_rows(np.asarray([[1.27, -0.5, 0.0], [0, 0, 0]], dtype=np.float32))
    assert rows.tolist() == [[127, -50, 0], [0, 0, 0]]
    assert scales.tolist() == [[np.float32(0.01)], [1.0]]


def test_parity_by_hand() -> None:
    one = np.asarray([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    other = np.asarray([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    found = Parity.of(one, other)
    assert (found.n, found.least_cosine) == (3, pytest.approx(0.96))
    assert found.mean_cosine == pytest.approx((1 + 0.96 + 1) / 3)
    # nearest others: by the one 1, 0, 1; by the other 1, 2, 1
    assert found.top1 == pytest.approx(2 / 3)
    assert Parity.of(one, one).spearman == pytest.approx(1)


def test_an_index_of_the_source_takes_its_export(
    exported: Callable[..., Path], source: Path, tiny_teacher: Path, tmp_path: Path
) -> None:
    index = Index.create(tmp_path / "index", model=str(source))
    index.add(["the station", "the dog"], ["a", "b"])
    index.close()
    for given in (str(exported(Runtime.ONNX)), load(exported(Runtime.ONNX))):
        with Index.open(tmp_path / "index", model=given) as opened:
            assert opened.search("the station", 1)[0].id == "a"
            assert opened.relation is Relation.EXPORT
    other = Index.create(tmp_path / "other", model=str(tiny_teacher))
    other.close()
    with (
        Index.open(tmp_path / "other", model=str(exported(Runtime.ONNX))) as opened,
        pytest.raises(UsageError, match="nor a student or an export"),
    ):
        opened.search("the station", 1)


def test_a_copy_is_the_same_and_a_changed_file_is_told(exported: Callable[..., Path], tmp_path: Path) -> None:
    export = ExportedEncoder(exported(Runtime.ONNX))
    export.save(tmp_path / "copy")
    copy = ExportedEncoder(tmp_path / "copy")
    assert copy.fingerprint == export.fingerprint
    assert "ONNX Runtime" in (tmp_path / "copy/README.md").read_text(encoding="utf-8")
    path = tmp_path / "copy/onnx/model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"model\.onnx: SHA-256"):
        load(tmp_path / "copy")
    path.unlink()
    with pytest.raises(DamagedFileError, match="no file"):
        load(tmp_path / "copy")
    (tmp_path / "copy" / EXPORT_FILE).write_text(json.dumps({"source": "x"}), encoding="utf-8")
    with pytest.raises(DamagedFileError, match="not the record of an export"):
        load(tmp_path / "copy")


def test_what_cannot_be_exported(tiny_teacher: Path, exported: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an export"):
        export_onnx(exported(Runtime.ONNX), tmp_path / "twice")
    with pytest.raises(DataError, match="2 sentences to compare"):
        export_onnx(tiny_teacher, tmp_path / "few", texts=["a", "b", "a"])
    assert not (tmp_path / "few").exists()
    with pytest.raises(UsageError, match="an export alone has them"):
        load(tiny_teacher, precision=Precision.INT8)
    with pytest.raises(DataError, match="not an export"):
        ExportedEncoder(tiny_teacher)


def test_the_sentences_of_the_check_are_of_every_language() -> None:
    texts = check_texts()
    assert (len(texts), len(set(texts))) == (1000, 1000)
    assert len(graded_pairs().first) == 80


@pytest.mark.slow
@pytest.mark.parametrize("int8", [False, True])
def test_every_family(family: str, int8: bool, tiny_model: Callable[..., Any], tmp_path: Path) -> None:
    model = tiny_model(family, 2)
    model.save(str(tmp_path / "model"), create_model_card=False)
    wanted = TransformerEncoder(model, precision=Precision.FP32).encode(TEXTS)
    found = export_onnx(tmp_path / "model", tmp_path / "export", int8=int8, texts=check_texts(40)).encode(TEXTS)
    assert Parity.of(wanted, found).mean_cosine == pytest.approx(1, abs=0.005 if int8 else 1e-5)
