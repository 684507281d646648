"""Input rows from parallel text: new words find their English ones, what is right stays, a stopped fit goes on."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.anatomy import replace_token_embedding, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.vocabulary_change import extend_vocabulary
from mling_embed.students.input_fit import fit_input_rows, fit_new_rows, joined_rows
from mling_embed.tokenizers.vocabulary import train_unigram, with_special_tokens

ENGLISH = ["cat", "dog", "house", "water", "red", "cold", "runs", "sleeps", "big", "small", "street", "morning"]
OTHER = [word[::-1] for word in ENGLISH]
HOMOGRAPH = OTHER.index("god")  # "god" is a word of the teacher too, of another meaning


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> ParallelCorpus:
    folder, chance = tmp_path_factory.mktemp("corpus"), random.Random(0)
    with (folder / "pairs.tsv").open("w", encoding="utf-8") as file:
        for _ in range(400):
            places = [chance.randrange(len(ENGLISH)) for _ in range(chance.randint(3, 6))]
            file.write("\t".join(" ".join(side[place] for place in places) for side in (ENGLISH, OTHER)) + "\n")
    inputs = [guess_input(f"{folder / 'pairs.tsv'}:de")]
    return build_corpus(inputs, folder / "corpus", dev_fraction=0.1, decontaminate=False)


@pytest.fixture(scope="module")
def teacher(tiny_teacher: Path) -> Any:
    """Return the tiny teacher with whole words, of both languages, in its vocabulary."""
    model = load_sentence_transformer(tiny_teacher, device="cpu")
    tokenizer = with_special_tokens(train_unigram([*ENGLISH, *OTHER] * 4, size=600), like=model.tokenizer)
    replace_token_embedding(model, torch.zeros(len(tokenizer), 32), tokenizer)
    extend_vocabulary(model, [f"▁{word}" for word in [*ENGLISH, *OTHER]])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        rows = token_embedding(model).weight
        rows.copy_(torch.randn(rows.shape, generator=generator))
    return model


def rows_of(model: Any, words: list[str]) -> torch.Tensor:
    ids = model.tokenizer.convert_tokens_to_ids([f"▁{word}" for word in words])
    return token_embedding(model).weight.detach()[ids]


def test_new_words_find_their_english(teacher: Any, corpus: ParallelCorpus) -> None:
    student, untouched = copy.deepcopy(teacher), token_embedding(teacher).weight.detach().clone()
    fit_input_rows(student, teacher, corpus)
    english, other = rows_of(teacher, ENGLISH), rows_of(student, OTHER)
    before = functional.normalize(rows_of(teacher, OTHER)) @ functional.normalize(english).T
    found = functional.normalize(other) @ functional.normalize(english).T
    assert (before.diagonal() < 0.5).all()
    assert found.argmax(dim=1).tolist() == list(range(len(ENGLISH)))
    assert found[HOMOGRAPH, HOMOGRAPH] > before[HOMOGRAPH, HOMOGRAPH] + 0.3
    torch.testing.assert_close(rows_of(student, ENGLISH), english, rtol=0, atol=0)  # they agree already
    special = student.tokenizer.all_special_ids
    torch.testing.assert_close(token_embedding(student).weight[special].detach(), untouched[special], rtol=0, atol=0)
    torch.testing.assert_close(token_embedding(teacher).weight.detach(), untouched, rtol=0, atol=0)


def test_a_fit_with_checkpoints_ends_in_the_same_rows(teacher: Any, corpus: ParallelCorpus, tmp_path: Path) -> None:
    students = [copy.deepcopy(teacher) for _ in range(3)]
    fit_input_rows(students[0], teacher, corpus, seed=1)
    for student in students[1:]:  # the second time from the state before the last epoch
        fit_input_rows(student, teacher, corpus, seed=1, checkpoints=tmp_path)
    first, *others = (token_embedding(student).weight.detach().numpy() for student in students)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_new_rows_are_fitted_and_no_others(teacher: Any, corpus: ParallelCorpus) -> None:
    student, new = copy.deepcopy(teacher), [f"▁{word}" for word in OTHER]
    pairs = corpus.pairs("de", Split.TRAIN)
    texts, english = pairs.text_list(np.arange(len(pairs))), corpus.english_texts(pairs.english_rows)
    fit_new_rows(student, new, texts, english)
    cosines = functional.normalize(rows_of(student, OTHER)) @ functional.normalize(rows_of(teacher, ENGLISH)).T
    assert cosines.argmax(dim=1).tolist() == list(range(len(ENGLISH)))
    others = np.delete(np.arange(len(student.tokenizer)), student.tokenizer.convert_tokens_to_ids(new))
    before, after = (token_embedding(model).weight.detach()[others] for model in (teacher, student))
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_rows_are_joined_halfway_or_stay() -> None:
    center = torch.tensor([1.0, 0.0])
    rows = center + torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 0.2], [3.0, 0.0]])
    fitted = torch.tensor([[0.0, 5.0], [4.0, 1.0], [-1.0, 0.0], [0.0, 0.0]])
    half = 0.5**0.5
    expected = center + torch.tensor([[2 * half, 2 * half], [3.0, 0.0], [-2 * half, 2 * half], [3.0, 0.0]])
    torch.testing.assert_close(joined_rows(rows, fitted, center=center, length=2.0), expected)
