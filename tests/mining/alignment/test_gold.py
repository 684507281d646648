"""Ladders and the agreement with gold ones, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mling_embed.errors import DataError
from mling_embed.mining.alignment.gold import Agreement, gold_scores, read_ladder
from mling_embed.mining.alignment.links import Link

GOLD = [Link((0,), (0,)), Link((1,), (1, 2)), Link((2, 3), (3,)), Link((4,), ()), Link((), (4,))]


def test_the_gold_itself_is_right_but_for_nothing() -> None:
    scores = gold_scores([(GOLD, GOLD)])
    assert scores.strict == scores.lax == Agreement(1.0, 1.0, 1.0)


def test_strict_and_lax_by_hand() -> None:
    found = [Link((0,), (0,)), Link((1,), (1,)), Link((2,), (2,)), Link((3,), (3,)), Link((4,), ()), Link((), (4,))]
    scores = gold_scores([(found, GOLD)])
    # Right strictly: [0]:[0] and both skips. Laxly also [1]:[1] and [3]:[3], which lie in gold links; [2]:[2] does not.
    assert scores.strict == Agreement(3 / 6, 1 / 3, 0.4)
    assert scores.lax == Agreement(5 / 6, 1.0, 2 * (5 / 6) / (5 / 6 + 1))
    assert scores.as_json()["lax"]["recall"] == 1.0


def test_counts_of_documents_are_added() -> None:
    one, other = ([Link((0,), (0,))], [Link((0,), (0,))]), ([Link((0,), (1,)), Link((1,), (0,))], [Link((0,), (0,))])
    scores = gold_scores([one, other])
    assert scores.strict == Agreement(1 / 3, 1 / 2, 0.4)


def test_no_links_score_nothing() -> None:
    assert gold_scores([([], [Link((0,), (0,))])]).strict == Agreement(0.0, 0.0, 0.0)


def test_a_ladder_is_read_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "x.ladder"
    path.write_bytes(b"[0]:[0, 1]\n[]:[2]:0.000000\n\n[1, 2]:[]\r\n [3] : [3,4] : 1.5e-3")
    assert read_ladder(path) == [
        Link((0,), (0, 1)),
        Link((), (2,)),
        Link((1, 2), ()),
        Link((3,), (3, 4)),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0:0\n", "x.ladder:1: '0:0' is no link.*sentences of the one side and of the other, from 0"),
        ("[0]:[0]\n[1]\n", "x.ladder:2: '\\[1\\]' is no link"),
        ("[0]:[-1]\n", "is no link"),
        ("[0]:[1 2]\n", "is no link"),
        ("__import__('os'):[0]\n", "is no link"),
        ("", "holds no link"),
        ("\xe9\n", "not UTF-8"),
    ],
)
def test_bad_ladders(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "x.ladder").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=match):
        read_ladder(tmp_path / "x.ladder")
