"""Small real checkpoints of every family, with fast tokenizers trained on a few sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE, Unigram, WordPiece

from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.tokenizers.vocabulary import train_unigram, with_special_tokens

FAMILIES = ["bert", "distilbert", "roberta", "xlm-roberta", "mpnet", "modernbert"]
ENGLISH = [
    "Where is the railway station, please?",
    "The station is behind the old market.",
    "She bought bread, cheese and two apples.",
    "Reading books is better than watching television.",
    "It has been raining since yesterday evening.",
    "Could you tell me the way to the museum?",
    "The museum opens at nine in the morning.",
    "My brother is reading in the old railway museum.",
]
GERMAN = [
    "Wo ist der Bahnhof, bitte?",
    "Der Bahnhof liegt hinter dem alten Markt.",
    "Sie kaufte Brot, Käse und zwei Äpfel.",
    "Bücher lesen ist besser als fernsehen.",
    "Seit gestern Abend regnet es schon wieder.",
    "Das Museum öffnet um neun Uhr morgens.",
]
RUSSIAN = [
    "Где находится вокзал, скажите пожалуйста?",
    "Вокзал находится за старым рынком.",
    "Она купила хлеб, сыр и два яблока.",
    "Читать книги лучше, чем смотреть телевизор.",
    "Дождь идёт со вчерашнего вечера.",
    "Музей открывается в девять часов утра.",
]
ALL = [*ENGLISH, *GERMAN, *RUSSIAN] * 4
HOSTILE = [
    "",
    " ",
    "日本語 の 駅",
    "\u202bمرحبا\u202c",
    "👩‍👩‍👧‍👦",
    "a\x00b",
    "e\u0301\u0323",
    "line\u2028and\rlone",
    "x" * 300,
]


def wordpiece(specials: list[str], unknown: str) -> dict[str, int]:
    tokenizer = Tokenizer(WordPiece(unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=420, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(ALL, trainer)
    return tokenizer.get_vocab()


def byte_level(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=560, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(ALL, trainer)
    return tokenizer


def sentencepiece(specials: list[str], unknown: str) -> list[tuple[str, float]]:
    tokenizer = Tokenizer(Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=360, special_tokens=specials, unk_token=unknown, show_progress=False, max_piece_length=8
    )
    tokenizer.train_from_iterator(ALL, trainer)
    return [(piece, score) for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def tokenizer_of(family: str) -> Any:
    square = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    angled = ["<s>", "<pad>", "</s>", "<unk>"]
    if family == "bert":
        return transformers.BertTokenizer(vocab=wordpiece(square, "[UNK]"), model_max_length=48)
    if family == "distilbert":
        return transformers.DistilBertTokenizer(vocab=wordpiece(square, "[UNK]"), model_max_length=48)
    if family == "mpnet":
        vocabulary = wordpiece([*angled, "[UNK]"], "[UNK]")
        return transformers.MPNetTokenizer(vocab={**vocabulary, "<mask>": len(vocabulary)}, model_max_length=48)
    if family == "roberta":
        model = json.loads(byte_level([*angled, "<mask>"]).to_str())["model"]
        merges = [tuple(pair) for pair in model["merges"]]
        return transformers.RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=48)
    if family == "xlm-roberta":
        pieces = [*sentencepiece(angled, "<unk>"), ("<mask>", 0.0)]
        return transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=48)
    if family == "modernbert":
        backend = byte_level(["<|endoftext|>"])
        backend.normalizer = normalizers.NFC()
        backend.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
        places = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
        backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=places)
        names = {f"{token.strip('[]').lower()}_token": token for token in square}
        return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=48, **names)
    if family == "transplanted":  # our own Unigram vocabulary with byte fallback, in a BERT
        bert = tokenizer_of("bert")
        return with_special_tokens(train_unigram(ALL, size=600), like=bert)
    raise ValueError(family)


def encoder_of(family: str, tokenizer: Any, layers: int) -> Any:
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "bos", "eos", "cls", "sep")}
    bert = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,  # so that texts have vectors far from each other
    }
    spans = {name: ids[name] for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    if family in ("bert", "transplanted"):
        return transformers.BertModel(transformers.BertConfig(**bert, pad_token_id=tokenizer.pad_token_id))
    if family == "roberta":
        return transformers.RobertaModel(transformers.RobertaConfig(**bert, **spans))
    if family == "xlm-roberta":
        return transformers.XLMRobertaModel(transformers.XLMRobertaConfig(**bert, **spans))
    if family == "mpnet":
        return transformers.MPNetModel(transformers.MPNetConfig(**bert, **spans))
    if family == "modernbert":
        config = transformers.ModernBertConfig(**bert, **ids, local_attention=8, global_attn_every_n_layers=2)
        return transformers.ModernBertModel(config)
    shape = {"n_layers": layers, "n_heads": 2, "dim": 32, "hidden_dim": 48, "max_position_embeddings": 64}
    config = transformers.DistilBertConfig(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, initializer_range=0.3, **shape
    )
    return transformers.DistilBertModel(config)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a maker of plain checkpoints, seeded and untrained, of a few layers and a few hundred tokens."""
    made: dict[tuple[str, int], Path] = {}

    def make(family: str, layers: int = 4) -> Path:
        if (family, layers) not in made:
            folder = tmp_path_factory.mktemp(family) / "checkpoint"
            tokenizer = tokenizer_of(family)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                encoder_of(family, tokenizer, layers).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            made[family, layers] = folder
        return made[family, layers]

    return make


@pytest.fixture
def tiny_model(tiny_checkpoint: Callable[..., Path]) -> Callable[..., Any]:
    """Return a loader of such checkpoints, with mean pooling."""
    return lambda family, layers=4: load_sentence_transformer(tiny_checkpoint(family, layers), device="cpu")


@pytest.fixture
def model_around(tmp_path: Path) -> Callable[[str, Any], Any]:
    """Return a maker of models of a family around a tokenizer of one's own."""

    def make(family: str, tokenizer: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            encoder_of(family, tokenizer, 1).save_pretrained(tmp_path / "around")
        tokenizer.save_pretrained(tmp_path / "around")
        return load_sentence_transformer(tmp_path / "around", device="cpu")

    return make


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[*FAMILIES, "transplanted"])
def vocabulary_family(request: pytest.FixtureRequest) -> str:
    """Name a family by its tokenizer: the transplanted student's is one more."""
    return request.param


@pytest.fixture
def sentences() -> dict[str, list[str]]:
    return {"english": ENGLISH, "german": GERMAN, "russian": RUSSIAN, "hostile": HOSTILE}


@pytest.fixture
def reloaded(tmp_path: Path) -> Callable[[Any], Any]:
    """Return a function that saves a model and loads it with plain sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    def reload(model: Any) -> Any:
        model.save(str(tmp_path / "saved"), create_model_card=False)
        return SentenceTransformer(str(tmp_path / "saved"), device="cpu")

    return reload
