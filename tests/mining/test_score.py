"""Scores of an existing parallel text: what is shuffled, shifted or filtered is flagged, and the rest is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.errors import DataError, UsageError
from mling_embed.mining.score import score_bitext
from mling_embed.mining.scored import Flag, ScoredPair, write_kept, write_scored
from mling_embed.mining.sides import MiningOptions

N = 300


class Pictures:
    """Encode a text by the number in it, whatever the language: a translation lies a little off."""

    def encode(self, texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:
            first, last = text.split()[0], text.split()[-1]
            number = int(last) if last.isdecimal() else len(text)
            row = np.random.default_rng(number).standard_normal(16)
            language = np.random.default_rng([len(first), number]).standard_normal(16)
            rows.append(row + 0.3 * language)
        return np.array(rows, dtype=np.float32)


def pairs(n: int = N) -> list[tuple[str, str, str]]:
    return [(f"Sentence number {number}", f"Satz Nummer {number}", "de") for number in range(n)]


def score(given: Any, **settings: Any) -> Any:
    return score_bitext(given, model=Pictures(), **settings)


def test_a_good_text_has_hardly_a_flag() -> None:
    scored = score(pairs())
    assert len(scored) == N
    assert sum(bool(pair.reasons) for pair in scored) <= 3
    assert scored.shifts == ()
    assert scored.calibrations["de"].wrong_share < 0.05


def test_shuffled_pairs_are_flagged() -> None:
    given = pairs()
    wrong = np.random.default_rng(0).choice(N, 30, replace=False)
    for place, other in zip(wrong, np.roll(wrong, 1), strict=True):
        given[place] = (given[place][0], pairs()[other][1], "de")
    scored = score(given)
    flagged = {place for place, pair in enumerate(scored) if pair.reasons}
    assert flagged >= set(wrong.tolist())
    assert len(flagged) <= 33
    assert all(Flag.BETTER_ELSEWHERE in scored[place].reasons for place in wrong.tolist())
    assert scored.calibrations["de"].wrong_share == pytest.approx(0.1, abs=0.06)
    kept, rest = scored.split()
    assert (len(kept), len(rest)) == (N - len(flagged), len(flagged))
    assert {pair.line for pair in scored.worst_first()[:30]} == set(wrong.tolist())


@pytest.mark.parametrize("shift", [1, -2])
def test_a_shifted_block_is_found(tmp_path: Path, shift: int) -> None:
    given = pairs()
    others = [other for _, other, _ in given]
    low, high = 100, 200
    block = others[low:high]
    others[low:high] = block[-shift:] + block[:-shift]
    lines = [f"de\t{english}\t{other}\n" for (english, *_), other in zip(given, others, strict=True)]
    (tmp_path / "x.tsv").write_text("".join(lines))
    scored = score(str(tmp_path / "x.tsv"))
    (found,) = scored.shifts
    first, last = low + 1 + max(-shift, 0), high - max(shift, 0)
    assert (found.shift, found.language) == (shift, "de")
    assert abs(found.first_line - first) <= 1
    assert abs(found.last_line - last) <= 1
    assert all(Flag.SHIFTED in scored[line - 1].reasons for line in range(first + 1, last))


def test_rows_without_a_pair_and_filters_have_reasons(tmp_path: Path) -> None:
    text = "".join(f"{english}\t{other}\n" for english, other, _ in pairs(40))
    hostile = "a\x00 1\tb 1\n\tleer 2\nonly one cell\nSentence number 3\t" + "Satz " * 60 + "3\n"
    (tmp_path / "x.tsv").write_bytes((text + hostile).encode() + b"\xe9\t\xff 1\n")
    scored = score(f"{tmp_path / 'x.tsv'}:de", same_numbers=True)
    reasons = [pair.reasons for pair in scored[40:]]
    assert reasons[0] == ("control-characters",)
    assert reasons[1] == ("empty",)
    assert reasons[2] == ("malformed",)
    assert "length-ratio" in reasons[3]
    assert reasons[4] == ("undecodable",)
    assert [pair.score is None for pair in scored[40:]] == [True, True, True, False, True]
    assert all(pair.file == str(tmp_path / "x.tsv") for pair in scored)
    assert [pair.line for pair in scored[40:]] == [41, 42, 43, 44, 45]


def test_different_numbers_are_flagged_when_asked_for() -> None:
    given = [*pairs(40), ("Sentence number 7", "Satz Nummer 8", "de")]
    assert "numbers-differ" in score(given, same_numbers=True)[40].reasons
    assert "numbers-differ" not in score(given)[40].reasons


def test_a_min_score_says_who_stays() -> None:
    scored = score(pairs(), min_score=1.2)
    kept, rest = scored.split(1.2)
    assert all(pair.score >= 1.2 for pair in kept)
    assert all(pair.score < 1.2 for pair in rest)
    assert scored.thresholds == {"de": 1.2}
    assert len(kept) + len(rest) == N


def test_languages_are_scored_apart() -> None:
    given = pairs(60) + [(english, other.replace("Satz", "Phrase"), "fr") for english, other, _ in pairs(60)]
    order = np.random.default_rng(0).permutation(120)
    together = score([given[place] for place in order])
    alone = {language: score([each for each in given if each[2] == language]) for language in ("de", "fr")}
    expected = {(pair.english, pair.language): pair.score for side in alone.values() for pair in side}
    found = {(pair.english, pair.language): pair.score for pair in together}
    assert found == pytest.approx(expected)
    assert [pair.line for pair in together] == list(range(120))
    assert set(together.summary()["languages"]) == {"de", "fr"}


def test_shards_and_the_work_folder_change_nothing(tmp_path: Path) -> None:
    plain = score(pairs())
    for _ in range(2):
        cut = score(pairs(), options=MiningOptions(work=tmp_path, shard_rows=70))
        assert cut.pairs == plain.pairs


def test_the_score_is_the_margin_by_hand() -> None:
    class Axes:
        def encode(self, texts: list[str]) -> np.ndarray:
            places = {"a": [1.0, 0], "b": [0, 1], "x": [0.8, 0.6], "y": [0, 1]}
            return np.array([places.get(text, [1, 1]) for text in texts], dtype=np.float32)

    first, second = score_bitext([("a", "x"), ("b", "y")], model=Axes(), k=2)
    # c(a, x) = .8; a = (.8 + 0) / 2, b = (.8 + .6) / 2; c(b, y) = 1, a = (.6 + 1) / 2, b = (1 + 0) / 2.
    assert first.score == pytest.approx(0.8 / 0.55)
    assert second.score == pytest.approx(1 / 0.65)
    assert (first.cosine, first.reasons, first.language) == (pytest.approx(0.8), (), "und")


def test_what_stays_goes_into_a_corpus(tmp_path: Path) -> None:
    scored = score(pairs())
    kept, rest = scored.split()
    write_kept(kept, tmp_path / "kept.tsv")
    write_scored(rest, tmp_path / "rest.jsonl")
    corpus = build_corpus(
        [guess_input(str(tmp_path / "kept.tsv"))], tmp_path / "c", dev_fraction=0.0, decontaminate=False
    )
    assert corpus.english_texts() == [pair.english for pair in kept]
    assert corpus.pairs("de").text_list() == [pair.other for pair in kept]
    assert len((tmp_path / "rest.jsonl").read_text().splitlines()) == len(rest)


def test_what_cannot_be_encoded_can_still_be_written(tmp_path: Path) -> None:
    row = ScoredPair(None, None, ("undecodable",), "und", "caf\\xe9\tx", "", "x", 1)
    write_scored([row], tmp_path / "x.jsonl")
    write_kept([row], tmp_path / "x.tsv")
    assert (tmp_path / "x.tsv").read_text() == "caf\\xe9 x\t\n"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_pairs_are_not_flagged_by_score(n: int) -> None:
    scored = score(pairs(n))
    assert all(Flag.LOW_MARGIN not in pair.reasons for pair in scored)


def test_bad_input(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(DataError, match=r"empty\.tsv.*no pairs to score"):
        score(f"{tmp_path / 'empty.tsv'}:de")
    with pytest.raises(DataError, match="pairs: no pairs to score"):
        score([])
    with pytest.raises(UsageError, match="pair 0 is .* expected an English sentence, its translation"):
        score([("alone",)])
    with pytest.raises(UsageError, match="k is 0"):
        score(pairs(3), k=0)
    with pytest.raises(UsageError, match="'cosine' is no margin"):
        score(pairs(3), margin="cosine")
    with pytest.raises(UsageError, match="'xyzzy9' is not a language code"):
        score([("a", "b", "xyzzy9")])
    with pytest.raises(UsageError, match="each need .* MiB; 1 are allowed"):
        score(pairs(3), options=MiningOptions(memory=1 << 20))
    with pytest.raises(DataError, match="no such file"):
        score(f"{tmp_path / 'no.tsv'}:de")
