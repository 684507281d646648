"""New tokens: they are used, start from what they meant before, and leave the rest as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from mling_embed.encoders.anatomy import encoder_of, token_embedding
from mling_embed.encoders.vocabulary_change import extend_vocabulary
from mling_embed.errors import UsageError
from mling_embed.tokenizers.extension import changed_share, new_pieces
from mling_embed.tokenizers.vocabulary import train_unigram

GREEK = [
    "πού είναι ο σταθμός του τρένου;",
    "ο σταθμός είναι πίσω από την παλιά αγορά.",
    "αγόρασε ψωμί, τυρί και δύο μήλα.",
    "το μουσείο ανοίγει στις εννέα το πρωί.",
    "βρέχει από χθες το βράδυ.",
    "το διάβασμα βιβλίων είναι καλύτερο από την τηλεόραση.",
] * 4
UNIGRAM_FAMILIES = ["xlm-roberta", "transplanted"]


def algorithm(model: Any) -> str:
    return str(json.loads(model.tokenizer.backend_tokenizer.to_str())["model"]["type"])


def written(model: Any, word: str) -> str:
    """Return a word as the token that would stand for it."""
    return f"▁{word}" if algorithm(model) == "Unigram" else word


def parts_of(model: Any, word: str) -> list[int]:
    """Return the ids that stand for a word in the middle of a text."""
    head, whole = (model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("the", f"the {word}"))
    assert whole[: len(head)] == head
    return list(whole[len(head) :])


def test_a_new_word_is_one_token_that_means_its_old_parts(
    vocabulary_family: str,
    tiny_model: Callable[..., Any],
    sentences: dict[str, list[str]],
    reloaded: Callable[[Any], Any],
) -> None:
    model = tiny_model(vocabulary_family, 2)
    old, table, texts = model.tokenizer, token_embedding(model).weight.detach().clone(), sentences["english"]
    before, words = model.encode(texts), ["kettle", "brambles"]
    parts = {word: parts_of(model, word) for word in words}
    assert all(len(part) > 1 for part in parts.values())
    extended = extend_vocabulary(model, [written(model, word) for word in words])
    assert (extended.rows_before, extended.rows_after) == (len(table), len(table) + 2)
    assert (extended.composed, extended.averaged) == (2, 0)
    again = reloaded(model)
    for one in (model, again):
        rows = token_embedding(one).weight
        for word in words:
            number = one.tokenizer.convert_tokens_to_ids(written(one, word))
            assert parts_of(one, word) == [number]
            torch.testing.assert_close(rows[number], table[parts[word]].mean(dim=0))
        assert len(one.tokenizer) == len(rows) == encoder_of(one).config.vocab_size == len(table) + 2
        for token, number in old.get_vocab().items():
            assert torch.equal(rows[one.tokenizer.convert_tokens_to_ids(token)], table[number])
        np.testing.assert_allclose(one.encode(texts), before, atol=1e-6)
    assert changed_share(old, model.tokenizer, texts) == 0
    assert changed_share(old, model.tokenizer, [*texts, "a kettle"]) == pytest.approx(1 / 9)
    assert again.tokenizer(["the kettle"])["input_ids"] == model.tokenizer(["the kettle"])["input_ids"]


def test_the_inside_of_a_word(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert", 2)
    table, ids = token_embedding(model).weight.detach().clone(), model.tokenizer.get_vocab()
    parts = model.tokenizer.tokenize("kettle")[1:]
    assert len(parts) > 1
    assert "[UNK]" not in parts
    extend_vocabulary(model, ["##ettle"])
    assert model.tokenizer.tokenize("kettle") == ["k", "##ettle"]
    row = token_embedding(model).weight[model.tokenizer.convert_tokens_to_ids("##ettle")]
    torch.testing.assert_close(row, table[[ids[part] for part in parts]].mean(dim=0))


@pytest.mark.parametrize("byte_level", ["roberta", "modernbert"])
def test_a_bpe_word_is_matched_whole(byte_level: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(byte_level, 2)
    before = model.tokenizer.tokenize("the kettles")
    extend_vocabulary(model, ["kettle"])
    assert model.tokenizer.tokenize("the kettles") == before
    assert model.tokenizer.tokenize("the kettle.")[-2] == " kettle"  # with the space that it took


def test_a_piece_without_a_score_replaces_its_parts_and_nothing_else(
    tiny_model: Callable[..., Any], sentences: dict[str, list[str]]
) -> None:
    model, texts = tiny_model("xlm-roberta", 2), sentences["english"]
    old, vocabulary = model.tokenizer, model.tokenizer.get_vocab()
    cut = [old.tokenize(text) for text in texts]
    pairs = {left + right for tokens in cut for left, right in pairwise(tokens)}
    new = sorted(pair for pair in pairs if pair not in vocabulary and "▁" not in pair[1:])[0]
    extend_vocabulary(model, [new])
    for text, before in zip(texts, cut, strict=True):
        held = any(left + right == new for left, right in pairwise(before))
        assert (model.tokenizer.tokenize(text) != before) == held
        assert (new in model.tokenizer.tokenize(text)) == held


def test_a_token_of_which_nothing_is_known_starts_in_the_middle(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert", 2)
    mean = token_embedding(model).weight.detach().mean(dim=0)
    extended = extend_vocabulary(model, ["σταθμος"])
    assert (extended.composed, extended.averaged) == (0, 1)
    torch.testing.assert_close(token_embedding(model).weight[-1], mean)


@pytest.mark.parametrize("unigram", UNIGRAM_FAMILIES)
def test_a_new_language(
    unigram: str,
    tiny_model: Callable[..., Any],
    sentences: dict[str, list[str]],
    reloaded: Callable[[Any], Any],
) -> None:
    model = tiny_model(unigram, 2)
    old, english = model.tokenizer, model.encode(sentences["english"])
    pieces = new_pieces(old, GREEK, size=600)
    assert pieces == sorted(pieces, key=lambda entry: (-entry[1], entry[0]))
    assert not {piece for piece, _ in pieces} & old.get_vocab().keys()
    extended = extend_vocabulary(model, [piece for piece, _ in pieces], scores=[score for _, score in pieces])
    assert extended.rows_after == extended.rows_before + len(pieces)
    assert (extended.averaged > 0) == (unigram == "xlm-roberta")  # ours knows every letter by its bytes
    used = {token for text in GREEK for token in model.tokenizer.tokenize(text)}
    assert {piece for piece, _ in pieces} <= used
    assert model.tokenizer.unk_token not in used
    lengths = [sum(len(tokenizer.tokenize(text)) for text in GREEK) for tokenizer in (old, model.tokenizer)]
    if unigram == "transplanted":
        assert lengths[1] < lengths[0] / 2
    assert changed_share(old, model.tokenizer, GREEK) == 1
    assert changed_share(old, model.tokenizer, sentences["english"]) == 0
    again = reloaded(model)
    assert again.tokenizer(GREEK)["input_ids"] == model.tokenizer(GREEK)["input_ids"]
    np.testing.assert_allclose(again.encode(GREEK), model.encode(GREEK), atol=1e-6)
    np.testing.assert_allclose(again.encode(sentences["english"]), english, atol=1e-6)


@pytest.mark.parametrize("unigram", UNIGRAM_FAMILIES)
def test_scores_are_on_the_old_scale(unigram: str, tiny_model: Callable[..., Any]) -> None:
    tokenizer = tiny_model(unigram, 2).tokenizer
    lowest = min(score for _, score in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    alone = train_unigram(GREEK, size=600, lowercase=unigram == "transplanted")
    own = dict(json.loads(alone.to_str())["model"]["vocab"])
    for share in (0.5, 0.01):
        found = new_pieces(tokenizer, GREEK, size=600, share=share)
        assert len(found) > 10
        for piece, score in found:
            assert score == pytest.approx(max(own[piece] + math.log(share), lowest))
    assert any(score == lowest for _, score in new_pieces(tokenizer, GREEK, size=600, share=1e-9))


def test_a_changed_text_is_one_with_other_tokens(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("xlm-roberta", 2)
    old = model.tokenizer
    extend_vocabulary(model, ["▁stationery"], scores=[-1.0])
    texts = ["stationery", "the station", "bread", "old stationery"]
    assert changed_share(old, model.tokenizer, texts) == 0.5
    assert changed_share(old, old, texts) == 0
    assert changed_share(old, model.tokenizer, []) == 0


def test_no_token_is_no_change(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model("bert", 2)
    before = model.tokenizer
    extended = extend_vocabulary(model, [])
    assert extended.rows_before == extended.rows_after
    assert model.tokenizer is before


def test_every_problem_is_named(tiny_model: Callable[..., Any]) -> None:
    bert, unigram = tiny_model("bert", 2), tiny_model("xlm-roberta", 2)
    known = bert.tokenizer.tokenize("station")[0]
    with pytest.raises(UsageError) as caught:
        extend_vocabulary(bert, [known, "two words", "##", "Capital", "x1x1", "x1x1"], scores=[0.0])
    for problem in (
        f"'{known}' is in the vocabulary already",
        "'two words' is no token",
        "'##' is no token",
        "'Capital' never occurs: the tokenizer makes it 'capital'",
        "given twice",
        "a WordPiece vocabulary has none",
        "1 scores are given for 6 tokens",
    ):
        assert problem in str(caught.value)
    with pytest.raises(UsageError, match="for a Unigram vocabulary; this one is WordPiece"):
        new_pieces(bert.tokenizer, GREEK, size=600)
    with pytest.raises(UsageError, match=r"share of the new language is 1\.0"):
        new_pieces(unigram.tokenizer, GREEK, size=600, share=1.0)


@pytest.mark.parametrize("unigram", UNIGRAM_FAMILIES)
def test_scores_that_are_not_given(unigram: str, tiny_model: Callable[..., Any]) -> None:
    model = tiny_model(unigram, 2)
    old = dict(json.loads(model.tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    lowest = min(old.values())
    left, right = sorted((piece for piece, score in old.items() if score < 0), key=old.__getitem__)[-2:]
    pair = left + right if left + right not in old else right + left
    extend_vocabulary(model, [pair, "▁σταθμός"])
    new = dict(json.loads(model.tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    assert new[pair] == pytest.approx(max(lowest, old[left] + old[right] + 0.1), abs=1e-6)
    assert new["▁σταθμός"] == lowest  # its letters are unknown, or bytes
