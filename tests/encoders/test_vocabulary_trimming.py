"""A trimmed vocabulary: fewer rows, and every text of the corpus as it was, in tokens and in vectors."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import processors

from mling_embed.encoders.anatomy import encoder_of, token_embedding
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.errors import DataError, UsageError

ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")


def tokens_of(tokenizer: Any, texts: list[str]) -> list[list[str]]:
    return [tokenizer.convert_ids_to_tokens(ids) for ids in tokenizer(texts)["input_ids"]]


def test_the_corpus_is_unchanged(
    vocabulary_family: str,
    tiny_model: Callable[..., Any],
    sentences: dict[str, list[str]],
    reloaded: Callable[[Any], Any],
) -> None:
    model = tiny_model(vocabulary_family, 2)
    old, texts = model.tokenizer, [*sentences["english"], *sentences["german"], *sentences["hostile"]]
    tokens, vectors, table = tokens_of(old, texts), model.encode(texts), token_embedding(model).weight.detach().clone()
    trimmed = trim_vocabulary(model, texts)

    assert trimmed.model is model
    assert (trimmed.rows_before, trimmed.rows_after) == (len(table), len(token_embedding(model).weight))
    assert trimmed.rows_saved > 50
    assert trimmed.megabytes_after == pytest.approx(trimmed.rows_after * 32 * 4 / 1e6)
    assert trimmed.megabytes_saved == pytest.approx(trimmed.rows_saved * 32 * 4 / 1e6)
    again = reloaded(model)
    for one in (model, again):
        new = one.tokenizer
        assert tokens_of(new, texts) == tokens
        np.testing.assert_allclose(one.encode(texts), vectors, atol=1e-6)
        assert len(new) == trimmed.rows_after == encoder_of(one).config.vocab_size
        assert encoder_of(one).config.pad_token_id == token_embedding(one).padding_idx == new.pad_token_id
        assert [getattr(new, role) for role in ROLES] == [getattr(old, role) for role in ROLES]
        assert sorted(new.get_vocab().values()) == list(range(len(new)))
    assert again.tokenizer(texts)["input_ids"] == model.tokenizer(texts)["input_ids"]
    assert type(model.tokenizer) is type(old)
    old_ids = old.get_vocab()
    for token, number in model.tokenizer.get_vocab().items():
        torch.testing.assert_close(token_embedding(model).weight[number], table[old_ids[token]], rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_any_corpus_is_unchanged(
    vocabulary_family: str, seed: int, tiny_model: Callable[..., Any], sentences: dict[str, list[str]]
) -> None:
    chance = random.Random(seed)
    words = " ".join([*sentences["english"], *sentences["russian"]]).split()
    texts = []
    for _ in range(12):
        letters = list(" ".join(chance.sample(words, 4)))
        letters[chance.randrange(len(letters))] = chance.choice("xzé語 #<▁Ġ")
        texts.append("".join(letters))
    model = tiny_model(vocabulary_family, 2)
    before = tokens_of(model.tokenizer, texts)
    assert trim_vocabulary(model, texts).rows_saved > 0
    assert tokens_of(model.tokenizer, texts) == before


def test_other_texts_are_cut_finer_but_not_lost(
    vocabulary_family: str, tiny_model: Callable[..., Any], sentences: dict[str, list[str]]
) -> None:
    model = tiny_model(vocabulary_family, 2)
    trim_vocabulary(model, sentences["english"])
    other = "noitats eht si erehw"
    assert model.tokenizer.unk_token not in model.tokenizer.tokenize(other)
    assert not any("\u0400" <= letter <= "\u04ff" for token in model.tokenizer.get_vocab() for letter in token)


def test_bytes_stay(tiny_model: Callable[..., Any], sentences: dict[str, list[str]]) -> None:
    model = tiny_model("transplanted", 2)
    trim_vocabulary(model, sentences["english"])
    assert model.tokenizer.tokenize("ⵣ")[-3:] == ["<0xE2>", "<0xB5>", "<0xA3>"]
    roberta = tiny_model("roberta", 2)
    trim_vocabulary(roberta, ["a"])
    assert roberta.tokenizer.decode(roberta.tokenizer("ⵣ 語")["input_ids"], skip_special_tokens=True) == "ⵣ 語"


def test_texts_come_singly_or_in_lists(tiny_model: Callable[..., Any], sentences: dict[str, list[str]]) -> None:
    one, other, calls = tiny_model("bert", 2), tiny_model("bert", 2), []
    trim_vocabulary(one, iter(sentences["english"]), progress=lambda *call: calls.append(call))
    trim_vocabulary(other, (sentences["english"][start : start + 3] for start in range(0, 8, 3)))
    assert one.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    assert calls == [("count tokens", 8, None), ("count tokens", 8, 8)]


def test_added_and_named_tokens_stay(vocabulary_family: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(vocabulary_family, 2)
    model.tokenizer.add_tokens(["<user>"])
    with torch.no_grad():
        encoder_of(model).resize_token_embeddings(len(model.tokenizer), mean_resizing=False)
    named = max(model.tokenizer.tokenize("находится"), key=len)
    before, row = model.tokenizer.tokenize("hello <user>!"), token_embedding(model).weight[-1].detach().clone()
    trim_vocabulary(model, ["hello!", " !"], keep=[named])
    assert named in model.tokenizer.get_vocab()
    assert "<user>" in before
    assert model.tokenizer.tokenize("hello <user>!") == before
    assert torch.equal(token_embedding(model).weight[model.tokenizer.convert_tokens_to_ids("<user>")], row)


def test_rare_tokens_go_when_asked(vocabulary_family: str, tiny_model: Callable[..., Any]) -> None:
    strict, model = tiny_model(vocabulary_family, 2), tiny_model(vocabulary_family, 2)
    texts = ["the station the station", "the museum"]
    trim_vocabulary(model, texts)
    trim_vocabulary(strict, texts, min_count=2)
    assert set(strict.tokenizer.get_vocab()) < set(model.tokenizer.get_vocab())
    assert strict.tokenizer.tokenize("the station") == model.tokenizer.tokenize("the station")


def test_a_text_behind_a_prompt_is_part_of_the_corpus(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("roberta", 2)  # after a space a word is another token than at the start
    model.prompts = {"query": "Where is the"}
    texts = [" museum", " station"]
    starts = [f"{model.prompts['query']}{text}" for text in texts]
    tokens, vectors = tokens_of(model.tokenizer, starts), model.encode(texts, prompt_name="query")
    trim_vocabulary(model, texts)
    assert tokens_of(model.tokenizer, starts) == tokens
    np.testing.assert_allclose(model.encode(texts, prompt_name="query"), vectors, atol=1e-6)


def test_wordpiece_gives_up_on_the_same_words(model_around: Callable[[str, Any], Any]) -> None:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "q", "ab", "a", "x", "##bc"]
    model = model_around("bert", transformers.BertTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}))
    assert model.tokenizer.tokenize("abc a xbc") == ["[UNK]", "a", "x", "##bc"]  # "ab" fits, and then nothing
    assert trim_vocabulary(model, ["abc", "a xbc"]).rows_saved == 1  # q
    assert model.tokenizer.tokenize("abc a xbc") == ["[UNK]", "a", "x", "##bc"]


def test_unigram_scores_the_unknown_as_before(model_around: Callable[[str, Any], Any]) -> None:
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [("q", -30.0), ("w", -25.0), ("▁", -1.0), ("a", -20.0), ("bz", -20.0), ("ab", -1.0), ("<mask>", 0.0)]
    model = model_around("xlm-roberta", transformers.XLMRobertaTokenizer(vocab=[*special, *pieces]))
    assert model.tokenizer.tokenize("abz ab") == ["▁", "a", "bz", "▁", "ab"]  # not "ab" and an unknown z at -40
    assert trim_vocabulary(model, ["abz ab"]).rows_saved == 1  # w; q has the lowest score
    assert model.tokenizer.tokenize("abz ab") == ["▁", "a", "bz", "▁", "ab"]


def test_bpe_keeps_what_a_token_is_merged_from(model_around: Callable[[str, Any], Any]) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokens = [*special, "a", "b", "c", "d", "ab", "cd", "abcd", "da", "dab"]
    tokenizer = transformers.RobertaTokenizer(
        vocab={token: place for place, token in enumerate(tokens)},
        merges=[("a", "b"), ("c", "d"), ("ab", "cd"), ("d", "a"), ("d", "ab")],
    )
    model = model_around("roberta", tokenizer)
    assert model.tokenizer.tokenize("abcd") == ["abcd"]
    trim_vocabulary(model, ["abcd"])
    assert sorted(set(model.tokenizer.get_vocab()) - set(special)) == ["a", "ab", "abcd", "b", "c", "cd", "d"]
    assert model.tokenizer.tokenize("abcd") == ["abcd"]


def test_padding_keeps_the_id_that_positions_are_counted_from(model_around: Callable[[str, Any], Any]) -> None:
    tokens = ["bc", "<pad>", "<s>", "</s>", "<unk>", "<mask>", "a", "b", "c"]  # a word before padding
    vocabulary = {token: place for place, token in enumerate(tokens)}
    model = model_around("roberta", transformers.RobertaTokenizer(vocab=vocabulary, merges=[("b", "c")]))
    before = model.encode(["a", "aaaa"])
    trim_vocabulary(model, ["a"])
    assert model.tokenizer.pad_token_id == 1
    np.testing.assert_allclose(model.encode(["a", "aaaa"]), before, atol=1e-6)


def test_a_word_put_around_every_text_stays(
    tiny_model: Callable[..., Any], sentences: dict[str, list[str]], reloaded: Callable[[Any], Any]
) -> None:
    model, texts = tiny_model("bert", 2), sentences["english"]
    ids = model.tokenizer.get_vocab()
    word = max((token for token in ids if token.isalpha() and token[0] > "я"), default="я")
    places = [(token, ids[token]) for token in ("[CLS]", word, "[SEP]")]
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"[CLS] {word} $A [SEP]", special_tokens=places
    )
    tokens, vectors = tokens_of(model.tokenizer, texts), model.encode(texts)
    assert tokens[0][:2] == ["[CLS]", word]
    trim_vocabulary(model, texts)
    again = reloaded(model)
    assert tokens_of(again.tokenizer, texts) == tokens
    np.testing.assert_allclose(again.encode(texts), vectors, atol=1e-6)


def test_what_cannot_be_trimmed_is_said(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert", 2)
    with pytest.raises(UsageError, match=r"cannot keep \['nowhere'\]: not in the vocabulary of \d+ tokens"):
        trim_vocabulary(model, ["a"], keep=["station", "nowhere"])
    model.tokenizer.add_tokens(["<extra>"])
    rows = len(token_embedding(model).weight)
    with pytest.raises(DataError, match=rf"the tokenizer has ids up to {rows}; the token embedding {rows} rows"):
        trim_vocabulary(model, ["a"])
