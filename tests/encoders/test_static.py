"""The static encoder: hand-computed vectors, and parity with the folder that it saves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from mling_embed.encoders.loading import encoder_of_model, load_sentence_transformer
from mling_embed.encoders.static import StaticEncoder, count_words
from mling_embed.errors import DataError
from mling_embed.tokenizers.vocabulary import train_unigram

TEXTS = ["a b", "b", "", "a a b", "👩‍👩‍👧‍👦 a\x00b", "مرحبا", "a " * 10_000]
PLAIN = """
import json, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mling_embed":
            raise ImportError("blocked")
sys.meta_path.insert(0, Blocker())
try:
    import mling_embed
    sys.exit("mling_embed could be imported")
except ImportError:
    pass
from sentence_transformers import SentenceTransformer
folder, texts = json.load(sys.stdin)
print(json.dumps(SentenceTransformer(folder, device="cpu").encode(texts).tolist()))
"""


def words(*names: str) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({name: place for place, name in enumerate(["[UNK]", *names])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


@pytest.fixture(scope="module")
def student() -> StaticEncoder:
    tokenizer = train_unigram(["a b c", "some words of text", "b c d"] * 5, size=600)
    size = tokenizer.get_vocab_size()
    return StaticEncoder(tokenizer, np.random.default_rng(0).standard_normal((size, 24), dtype=np.float32))


def test_vectors_are_unit_sums_of_token_vectors() -> None:
    table = np.asarray([[0, 0], [3, 0], [0, 4]], dtype=np.float32)
    encoder = StaticEncoder(words("a", "b"), table)
    vectors = encoder.encode(["a b", "a", "a a b", "?", ""])
    expected = [[0.6, 0.8], [1, 0], [6 / 52**0.5, 4 / 52**0.5], [0, 0], [0, 0]]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert encoder.dim == 2
    assert encoder.encode([]).shape == (0, 2)


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_and_batches_change_nothing(student: StaticEncoder, threads: int) -> None:
    texts = [f"a b {'c ' * (n % 9)}" for n in range(3000)]
    one_by_one = np.concatenate([student.encode([text]) for text in texts[:20]])
    vectors = StaticEncoder(student.tokenizer, student.table.numpy(), threads=threads).encode(texts)
    np.testing.assert_array_equal(vectors[:20], one_by_one)
    np.testing.assert_array_equal(vectors, student.encode(texts))


def test_table_and_vocabulary_must_agree() -> None:
    with pytest.raises(DataError, match="the tokenizer has 3 entries; the token table 4 rows"):
        StaticEncoder(words("a", "b"), np.zeros((4, 2), dtype=np.float32))


def test_plain_sentence_transformers_gives_the_same(student: StaticEncoder, tmp_path: Path) -> None:
    student.save(tmp_path / "model", model_card="# A card\n")
    done = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN],
        input=json.dumps([str(tmp_path / "model"), TEXTS]),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), student.encode(TEXTS), atol=1e-6)
    assert (tmp_path / "model/README.md").read_text() == "# A card\n"


def test_saving_and_loading_keeps_every_bit(student: StaticEncoder, tmp_path: Path) -> None:
    for name in ("first", "second", "second"):
        student.save(tmp_path / name, model_card="")
    loaded = load_sentence_transformer(tmp_path / "first")
    again = encoder_of_model(loaded)
    assert isinstance(again, StaticEncoder)
    np.testing.assert_array_equal(again.encode(TEXTS), student.encode(TEXTS))
    assert again.tokenizer.to_str() == student.tokenizer.to_str()
    assert loaded.similarity_fn_name == "cosine"
    for path in (path for path in (tmp_path / "first").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_another_kind_of_model_stays_as_it_is(tiny_teacher: Path) -> None:
    model = load_sentence_transformer(tiny_teacher)
    assert encoder_of_model(model).model is model
    with pytest.raises(DataError, match="starts with a Transformer; expected a static encoder"):
        StaticEncoder.of(model)


def test_a_static_model_that_does_not_normalise_keeps_its_vectors() -> None:
    table = np.asarray([[0, 0], [3, 0], [0, 4]], dtype=np.float32)
    bare = SentenceTransformer(modules=[StaticEmbedding(words("a", "b"), embedding_weights=table)], device="cpu")
    np.testing.assert_allclose(encoder_of_model(bare).encode(["a b"]), [[1.5, 2.0]])
    modules = [StaticEmbedding(words("a", "b"), embedding_weights=table), Normalize()]
    prompted = SentenceTransformer(modules=modules, prompts={"query": "a "}, default_prompt_name="query", device="cpu")
    np.testing.assert_allclose(encoder_of_model(prompted).encode(["b"]), [[0.6, 0.8]], atol=1e-6)


def test_words_are_counted_once() -> None:
    assert count_words(iter([["One two", "two"], [], ["THREE one"]])) == 3
