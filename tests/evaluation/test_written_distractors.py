"""Sentences changed in one thing."""

from __future__ import annotations

from mling_embed.evaluation.written_distractors import Change, written_distractors

SENTENCES = [
    "In 1984 the mayor of Paris met Angela Merkel.",
    "The river is high because it rained.",
    "They met two friends in Berlin.",
    "Nothing happened",
]


def test_each_kind_by_hand() -> None:
    found = written_distractors(SENTENCES)
    by_row = {row: [(each.change, each.text) for each in found if each.row == row] for row in range(4)}
    names = [text for change, text in by_row[0] if change is Change.ENTITY]
    assert all(text.startswith("In 1984 the mayor of ") for text in names)
    assert len(names) == 2
    (year,) = [text for change, text in by_row[0] if change is Change.NUMBER]
    assert len(year) == len(SENTENCES[0])
    assert year.partition(" the")[2] == SENTENCES[0].partition(" the")[2]
    assert [text for _, text in by_row[1]] == [
        "The river is not high because it rained.",
        "The river is low because it rained.",
        "The river is high although it rained.",
    ]
    assert {change for change, _ in by_row[2]} == {Change.ENTITY, Change.NUMBER}
    assert by_row[3] == []


def test_none_is_a_sentence_or_another_distractor() -> None:
    found = [each.text for each in written_distractors([*SENTENCES, "The river is low because it rained."])]
    assert len(set(found)) == len(found)
    assert "The river is low because it rained." not in found


def test_the_same_sentences_give_the_same() -> None:
    assert written_distractors(SENTENCES) == written_distractors(SENTENCES)
