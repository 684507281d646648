"""The sample of a head: even over languages and sources, from the training split, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.students.head_sample import english_sample, even_shares, sample_pairs

SIZES = {"news": {"de": 300, "nl": 40}, "talk": {"de": 30, "nl": 400, "es": 6}}


def built(folder: Path, *, dev_fraction: float) -> ParallelCorpus:
    inputs = []
    for source, sizes in SIZES.items():
        for language, n in sizes.items():
            lines = [f"This is sentence {k} of the {source}.\t{language} {source} Satz {k}\n" for k in range(n)]
            path = folder / f"{source}-{language}.tsv"
            path.write_text("".join(lines), encoding="utf-8")
            inputs.append(guess_input(f"{path}:{language}"))
    return build_corpus(inputs, folder / "corpus", dev_fraction=dev_fraction, decontaminate=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> ParallelCorpus:
    return built(tmp_path_factory.mktemp("corpus"), dev_fraction=0.1)


def test_languages_and_sources_are_even(tmp_path: Path) -> None:
    sample = sample_pairs(built(tmp_path, dev_fraction=0.0), pairs=146)
    drawn = Counter(tuple(text.split()[:2]) for text in sample.texts if not text.startswith("This"))
    assert drawn == {
        ("es", "talk"): 6,  # all there are; 70 each are left for the others
        ("de", "talk"): 30,
        ("de", "news"): 40,
        ("nl", "talk"): 35,
        ("nl", "news"): 35,
    }


def test_each_sentence_has_its_own_row_of_the_training_split(corpus: ParallelCorpus) -> None:
    sample = sample_pairs(corpus, pairs=90)
    english = [text for text in sample.texts if text.startswith("This")]
    assert len(english) == len(set(english)) == len(set(sample.rows.tolist()))
    assert len(sample) - len(english) == 90
    assert not corpus.english_split[sample.rows].any()  # none of dev
    for text, row in zip(sample.texts, corpus.english_texts(sample.rows), strict=True):
        assert text == row or text.split()[-1] == row.split()[3]


def test_all_there_is_is_taken_where_more_is_asked_for(corpus: ParallelCorpus) -> None:
    sample = sample_pairs(corpus, pairs=10**6)
    pairs = sum(len(corpus.pairs(language, Split.TRAIN)) for language in corpus.languages)
    assert len(sample) == pairs + len(corpus.english_rows(Split.TRAIN))


def test_the_same_seed_draws_the_same(corpus: ParallelCorpus) -> None:
    first, again, other = (sample_pairs(corpus, pairs=50, seed=seed) for seed in (1, 1, 2))
    assert (first.texts, first.rows.tolist()) == (again.texts, again.rows.tolist())
    assert first.texts != other.texts


def test_english_sentences_are_taken_once() -> None:
    sample = english_sample(["b", "a", "b", "", "a\u2028"])
    assert sample.texts == ("b", "a", "", "a\u2028")
    assert sample.rows.tolist() == [0, 1, 2, 3]


@given(sizes=st.lists(st.integers(0, 60), max_size=8), total=st.integers(0, 400))
def test_shares_are_as_even_as_can_be(sizes: list[int], total: int) -> None:
    shares = even_shares(sizes, total)
    assert sum(shares) == min(total, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    unfilled = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    if unfilled:
        assert max(shares) - min(unfilled) <= 1
