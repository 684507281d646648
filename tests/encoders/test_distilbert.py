"""BERT to DistilBERT: with all layers the same vectors, with half of them every other layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Normalize

from mling_embed.encoders.anatomy import encoder_layers, encoder_of
from mling_embed.encoders.distilbert import distilbert_student
from mling_embed.encoders.pruning import prune_layers
from mling_embed.errors import UsageError


def test_with_all_layers_the_vectors_are_the_teachers(
    tiny_model: Callable[..., Any], reloaded: Callable[[Any], Any], sentences: dict[str, list[str]]
) -> None:
    teacher, texts = tiny_model("bert"), [*sentences["english"], *sentences["hostile"]]
    student = distilbert_student(teacher, layers=range(4))
    assert type(encoder_of(student)).__name__ == "DistilBertModel"
    np.testing.assert_allclose(student.encode(texts), teacher.encode(texts), atol=1e-5)
    again = reloaded(student)
    np.testing.assert_allclose(again.encode(texts), teacher.encode(texts), atol=1e-5)
    assert again.tokenizer(texts)["input_ids"] == teacher.tokenizer(texts)["input_ids"]
    assert again.max_seq_length == teacher.max_seq_length == 48


def test_every_other_layer_by_default(tiny_model: Callable[..., Any], sentences: dict[str, list[str]]) -> None:
    student = distilbert_student(tiny_model("bert", 6))
    pruned = prune_layers(tiny_model("bert", 6), [0, 3, 5])
    np.testing.assert_allclose(student.encode(sentences["english"]), pruned.encode(sentences["english"]), atol=1e-5)
    assert len(encoder_layers(student)) == 3


def test_the_head_comes_along_and_the_teacher_stays(tiny_model: Callable[..., Any]) -> None:
    teacher = tiny_model("bert")
    teacher.append(Normalize())
    teacher.prompts = {"query": "query: "}
    before = teacher.encode(["bread"])
    student = distilbert_student(teacher)
    assert (type(student[-1]).__name__, student.prompts["query"]) == ("Normalize", "query: ")
    assert student[-1] is not teacher[-1]
    with torch.no_grad():
        for weight in student.parameters():
            weight.zero_()
    np.testing.assert_array_equal(teacher.encode(["bread"]), before)


def test_only_a_bert_becomes_a_distilbert(tiny_model: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="starts from a BertModel; the teacher is a RobertaModel"):
        distilbert_student(tiny_model("roberta"))
    with pytest.raises(UsageError, match="expected ascending numbers from 0 to 3"):
        distilbert_student(tiny_model("bert"), layers=[0, 9])
