"""Suites are found by themselves, loaded by name, and filtered by language."""

from __future__ import annotations

import pytest

from mling_embed.errors import UsageError
from mling_embed.evaluation.suites import (
    DEFAULT_SUITE,
    descriptions,
    is_wanted,
    load_suite,
    not_among,
    stsb,
    suite_named,
    suites,
    tatoeba,
)


def test_suites_are_found_by_themselves() -> None:
    known = suites()
    assert {DEFAULT_SUITE, "stsb", "tatoeba"} <= set(known)
    assert known["stsb"] is stsb.tasks
    assert suite_named("tatoeba") is tatoeba.tasks
    assert not {"dev", "user-files", "manifest-files"} & set(known)


def test_each_says_what_it_is() -> None:
    described = descriptions()
    assert set(described) == set(suites())
    assert (
        described["tatoeba"] == "LASER's Tatoeba test: up to 1,000 sentences in each of 112 languages beside English."
    )


def test_names() -> None:
    with pytest.raises(UsageError, match=r"no tasks 'tatoba'\. Did you mean tatoeba\?"):
        suite_named("tatoba")
    with pytest.raises(UsageError, match=r"There are .*phrasebook, .*stsb, .*tatoeba"):
        suite_named("qqq")


def test_a_language_that_a_suite_has_not() -> None:
    with pytest.raises(UsageError, match="the tasks 'phrasebook' have none in ka, zu"):
        load_suite("phrasebook", languages=["de", "zul", "ka"])
    assert {task.label.languages for task in load_suite("phrasebook", languages=["sw", "en"])} == {
        ("sw", "en"),
        ("en", "en"),
    }


def test_which_languages_are_wanted() -> None:
    assert [is_wanted(language, {"de"}) for language in ("de", "en", "fr")] == [True, True, False]
    assert is_wanted("fr", None)
    assert [is_wanted(language, ["pt-BR"]) for language in ("pt", "pt-PT")] == [True, False]
    assert not_among(["pt", "no", "en-GB", "de"], {"pt-PT", "nb", "mul", "und"}) == ["de"]
    assert not_among(None, {"de"}) == []
