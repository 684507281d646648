"""Where a transformer student starts from, how it is measured, and a BERT that becomes a DistilBERT."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizer

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.anatomy import encoder_layers, encoder_of
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets

PAIRS = {
    "cat": "katze",
    "dog": "hund",
    "house": "haus",
    "water": "wasser",
    "red": "rot",
    "cold": "kalt",
    "sleeps": "ruht",
    "small": "klein",
    "street": "gasse",
    "sees": "sieht",
    "drinks": "trinkt",
    "bread": "brot",
}

RECIPE = """
from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import run
from mling_embed.encoders.distilbert import distilbert_student
from mling_embed.encoders.loading import load_sentence_transformer

teacher = load_sentence_transformer("bert-base-uncased")  # a plain checkpoint: mean pooling
distilbert_student(teacher).save("distilbert-start")  # every other layer, DistilBERT's names
config = read_config(None, {
    "out": "distilbert-run",
    "teacher": {"name": "bert-base-uncased"},
    "data": {"pairs": ["pairs.tsv:de"]},
    "student": {"kind": "pretrained", "name": "distilbert-start"},
    "train": {"num_train_epochs": 3, "loss": "mse"},
})
student = run(config).student
"""


def write_pairs(path: Path, n: int = 300) -> Path:
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        for row in range(n):
            words = chance.choices(list(PAIRS), k=chance.randint(3, 8))
            german = " ".join(PAIRS[word] for word in words)
            file.write(f"{' '.join(words)} number {row}\t{german} nummer {row}\n")
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))


@pytest.fixture
def corpus(tmp_path: Path) -> ParallelCorpus:
    pairs = guess_input(f"{write_pairs(tmp_path / 'pairs.tsv')}:de")
    return build_corpus([pairs], tmp_path / "corpus", dev_fraction=0.2, decontaminate=False)


@pytest.fixture
def student(tiny_teacher: Path) -> SentenceTransformer:
    return load_sentence_transformer(tiny_teacher, device="cpu")


def targets_of(matrix: np.ndarray) -> Targets:
    rows = np.arange(len(matrix))
    return Targets((matrix.astype(np.float16),), np.zeros_like(rows), rows, matrix.shape[1])


def own_targets(student: SentenceTransformer, corpus: ParallelCorpus, *, shift: int = 0) -> Targets:
    """Give each English row of the dev split what the student gives a translation: its own, or that of another."""
    table = corpus.pairs("de", Split.DEV)
    matrix = np.zeros((corpus.n_english, 32), dtype=np.float32)
    matrix[np.roll(table.english_rows, shift)] = TransformerEncoder(student).encode(table.text_list())
    return targets_of(matrix)


def test_dev_accuracy_by_hand(student: SentenceTransformer, corpus: ParallelCorpus) -> None:
    perfect = DevAccuracy(corpus, own_targets(student, corpus))
    assert (len(perfect), set(perfect.languages)) == (1, {"de"})
    assert perfect(student, TrainingState()) == 1.0
    assert DevAccuracy(corpus, own_targets(student, corpus, shift=1))(student, TrainingState()) == 0.0


def test_dev_accuracy_of_chance(student: SentenceTransformer, corpus: ParallelCorpus) -> None:
    matrix = np.random.default_rng(0).standard_normal((corpus.n_english, 32))
    dev = DevAccuracy(corpus, targets_of(matrix))
    n = len(dev.languages["de"][0])
    assert 40 < n == len(corpus.pairs("de", Split.DEV))
    assert dev.by_language(student)["de"] < 5 / n
    again = DevAccuracy(corpus, targets_of(matrix))
    assert again.languages["de"][0] == dev.languages["de"][0]


def test_a_language_with_few_dev_sentences_is_not_measured(tmp_path: Path) -> None:
    pairs = guess_input(f"{write_pairs(tmp_path / 'few.tsv', 60)}:de")
    corpus = build_corpus([pairs], tmp_path / "few", dev_fraction=0.1, decontaminate=False)
    assert not DevAccuracy(corpus, targets_of(np.ones((corpus.n_english, 32))))


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """Save a plain checkpoint of transformers: a BERT of four layers, untrained."""
    letters = [*string.ascii_lowercase, *string.digits]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*special, *letters, *(f"##{letter}" for letter in letters), *PAIRS, *PAIRS.values()]
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}, model_max_length=48)
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=len(tokens), initializer_range=0.3, **shape))
        model.embeddings.word_embeddings.weight.data *= 5  # so that texts have vectors far from each other
    model.save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def test_the_recipe_of_bert_to_distilbert(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs.tsv")
    small = '"max_steps": 200, "bf16": False, "logging_steps": 10, "tokens_per_batch": 256, "learning_rate": 1e-3'
    recipe = RECIPE.replace("bert-base-uncased", "./bert").replace('"num_train_epochs": 3', small)
    assert recipe.count("./bert") == 2
    names: dict[str, Any] = {}
    exec(recipe, names)
    plain = SentenceTransformer(str(tmp_path / "distilbert-run/model"), device="cpu")
    assert type(encoder_of(plain)).__name__ == "DistilBertModel"
    assert len(encoder_layers(plain)) == 2
    assert [type(module).__name__ for module in plain] == ["Transformer", "Pooling", "Dense"]
    assert names["teacher"][1].pooling_mode == "mean"
    assert plain[1].pooling_mode == ("mean", "cls")  # what its head reads
    np.testing.assert_allclose(plain.encode(["the cat"]), names["student"].encode(["the cat"]), atol=1e-6)

    (log,) = (tmp_path / "distilbert-run").glob("checkpoints/*/log.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [line["total"] for line in lines if "total" in line]
    assert len(losses) == 20
    assert np.mean(losses[-3:]) < 0.8 * losses[0], losses  # the head has done most before the first step
