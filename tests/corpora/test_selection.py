"""A part of a corpus: so many pairs a language, the English that they need, and the dev split as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.corpora.selection import select_pairs
from mling_embed.errors import UsageError

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def in_words(number: int) -> str:
    return " ".join(WORDS[int(digit)] for digit in str(number))


@pytest.fixture
def corpus(tmp_path: Path) -> ParallelCorpus:
    inputs = []
    for language, n in (("de", 60), ("fr", 8)):
        path = tmp_path / f"{language}.tsv"
        rows = (f"The number {in_words(row)} stands here\tHier steht {row} ({language})\n" for row in range(n))
        path.write_text("".join(rows), encoding="utf-8")
        inputs.append(guess_input(f"{path}:{language}"))
    alone = tmp_path / "alone.txt"
    alone.write_text("".join(f"Nobody translated sentence {in_words(row)}\n" for row in range(5)), encoding="utf-8")
    inputs.append(CorpusInput(paths=(alone,), format="lines"))
    return build_corpus(inputs, tmp_path / "corpus", dev_fraction=0.2, decontaminate=False)


def pairs_of(corpus: ParallelCorpus, language: str, split: Split | None = None) -> list[tuple[str, str]]:
    table = corpus.pairs(language, split)
    return list(zip(corpus.english_texts(table.english_rows), table.text_list(), strict=True))


def test_a_cap_draws_training_pairs_and_leaves_dev(corpus: ParallelCorpus, tmp_path: Path) -> None:
    part = select_pairs(corpus, tmp_path / "part", max_pairs_per_language=10)
    german = pairs_of(part, "de", Split.TRAIN)
    assert len(german) == 10
    assert set(german) < set(pairs_of(corpus, "de", Split.TRAIN))
    assert pairs_of(part, "fr") == pairs_of(corpus, "fr")  # fewer than the cap
    assert pairs_of(part, "de", Split.DEV) == pairs_of(corpus, "de", Split.DEV)
    needed = {english for language in ("de", "fr") for english, _ in pairs_of(part, language)}
    alone = {text for text in corpus.english_texts() if text.startswith("Nobody")}
    assert set(part.english_texts()) == needed | alone | set(corpus.english_texts(corpus.english_rows(Split.DEV)))
    assert part.english_texts() == [text for text in corpus.english_texts() if text in set(part.english_texts())]
    assert part.info["pairs"] == {"de": 10 + len(pairs_of(corpus, "de", Split.DEV)), "fr": 8}
    part.verify()


def test_the_same_seed_draws_the_same_and_another_does_not(corpus: ParallelCorpus, tmp_path: Path) -> None:
    drawn = [
        select_pairs(corpus, tmp_path / f"part{number}", max_pairs_per_language=10, seed=seed).fingerprint
        for number, seed in enumerate((0, 0, 1))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_sentences_that_do_not_fit_go_with_their_translations(corpus: ParallelCorpus, tmp_path: Path) -> None:
    fits = np.array(["two" not in text for text in corpus.english_texts()])
    part = select_pairs(corpus, tmp_path / "part", fits=fits)
    kept = [(english, other) for english, other in pairs_of(corpus, "de", Split.TRAIN) if "two" not in english]
    assert pairs_of(part, "de", Split.TRAIN) == kept
    assert pairs_of(part, "de", Split.DEV) == pairs_of(corpus, "de", Split.DEV)


def test_a_part_is_made_once_and_again_for_another(corpus: ParallelCorpus, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    select_pairs(corpus, folder, max_pairs_per_language=10)
    before = (folder / "corpus.json").stat().st_mtime_ns
    select_pairs(corpus, folder, max_pairs_per_language=10)
    assert (folder / "corpus.json").stat().st_mtime_ns == before
    assert len(pairs_of(select_pairs(corpus, folder, max_pairs_per_language=5), "de", Split.TRAIN)) == 5


def test_a_folder_of_something_else_is_refused(corpus: ParallelCorpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not a corpus, and not empty"):
        select_pairs(corpus, tmp_path, max_pairs_per_language=1)
