"""What is told of the rows that were not kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import write

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.corpora.rejects import outcomes, tell_rejects
from mling_embed.errors import DataError


def built(tmp_path: Path, *words: str, languages: list[str] | None = None) -> ParallelCorpus:
    return build_corpus([guess_input(word) for word in words], tmp_path / "c", decontaminate=False, languages=languages)


def lines(n: int, bad: int) -> str:
    return "".join(f"the station {i}\tder Bahnhof {i}{'' if i < n - bad else chr(9) + 'x'}\n" for i in range(n))


def told(corpus: ParallelCorpus, **options: bool) -> list[str]:
    said: list[str] = []
    tell_rejects(corpus, said.append, **options)
    return said


def test_all_is_well(tmp_path: Path) -> None:
    corpus = built(tmp_path, f"{write(tmp_path / 'a.tsv', lines(20, 2))}:de")
    place = f"{tmp_path / 'a.tsv'}:19"
    assert told(corpus) == [f"a: read 20, kept 18 (90.0%); rejected: 2 malformed, first at {place}"]


def test_more_than_a_tenth_is_warned_of(tmp_path: Path) -> None:
    corpus = built(tmp_path, f"{write(tmp_path / 'a.tsv', lines(20, 3))}:de")
    assert told(corpus, allow_rejects=False)[1].startswith(
        "warning: a: 15% of its rows were rejected, most of them as malformed. Look at that one: is it cut, "
        "badly quoted, or of other columns than the rest? All are in "
    )


def test_more_than_nine_tenths_are_refused_unless_allowed(tmp_path: Path) -> None:
    write(tmp_path / "good.tsv", lines(100, 0))
    corpus = built(tmp_path, f"{tmp_path / 'good.tsv'}:de", f"{write(tmp_path / 'bad.tsv', lines(120, 117))}:de")
    assert [outcome.lost for outcome in outcomes(corpus)] == [0.0, 117 / 120]
    with pytest.raises(DataError, match=r"rejected: bad: 97\.5% of its 120 rows \(117 malformed, .*--allow-rejects"):
        tell_rejects(corpus, print, allow_rejects=False)
    assert len(told(corpus)) == 3


def test_what_was_not_asked_for_is_no_loss_but_nothing_kept_is_warned_of(tmp_path: Path) -> None:
    corpus = built(tmp_path, f"{write(tmp_path / 'a.tsv', lines(20, 0))}:de", languages=["fr"])
    said = told(corpus, allow_rejects=False)
    assert "100% of its rows were rejected, most of them as language-not-wanted" in said[1]
    assert outcomes(corpus)[0].lost == 0


def test_names_that_are_no_languages_are_told(tmp_path: Path) -> None:
    rows = "".join(
        f'{{"english": "Day {i}", "other": "Tag {i}", "lang": "{lang}"}}\n' for i, lang in enumerate(("de", "xx"))
    )
    corpus = built(tmp_path, str(write(tmp_path / "a.jsonl", rows)))
    assert told(corpus)[0].startswith("a: read 2, kept 1 (50.0%); rejected: 1 unknown-language ('xx'), first at ")


def test_a_name_that_is_not_even_text_can_be_told(tmp_path: Path) -> None:
    corpus = built(tmp_path, str(write(tmp_path / "a.jsonl", '{"english": "A", "other": "B", "lang": "\\ud800"}\n')))
    assert r"1 unknown-language ('\ud800')" in told(corpus)[0]
