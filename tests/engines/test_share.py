"""Shares of n processes: the same bytes as in one, and one stage after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mling_embed.engines.engine import Engine, InProcess
from mling_embed.engines.kinds import engine_of
from mling_embed.engines.share import Share, ShareDone, parse_share
from mling_embed.errors import Interrupted, UsageError
from mling_embed.mining.mine import mine_bitext, mine_paraphrases
from mling_embed.mining.score import score_bitext
from mling_embed.mining.sides import MiningOptions


def options(sides: Path, engine: Engine | None, work: str = "work") -> MiningOptions:
    return MiningOptions(work=sides / work, shard_rows=70, engine=engine)


def mined(sides: Path, student: str, engine: Engine | None, work: str = "work") -> bytes:
    found = mine_bitext(sides / "de", sides / "en", model=student, options=options(sides, engine, work))
    (path,) = found.write(sides / f"{work}.tsv", with_ids=True)
    return path.read_bytes()


def stored(sides: Path, work: str) -> dict[str, bytes]:
    folder = sides / work
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_shares_of_a_mining_make_the_bytes_of_one_process(sides: Path, student: str) -> None:
    expected = mined(sides, student, None, "alone")
    for number in (1, 2):
        with pytest.raises(
            Interrupted, match=rf"share {number}/3 of encoding is done; \d+ of \d+ parts of other shares"
        ):
            mined(sides, student, Share(number, 3))
    for number in (3, 1, 2):  # the third comes when all others have encoded
        with pytest.raises(ShareDone, match=rf"share {number}/3 of mining tiles is done \(\d+ of 36\)"):
            mined(sides, student, Share(number, 3))
    assert len(list((sides / "work" / "tiles").rglob("*.safetensors"))) == 36
    assert mined(sides, student, None) == expected
    assert stored(sides, "work") == stored(sides, "alone")


def test_shares_of_lists_and_of_given_vectors(sides: Path, student: str) -> None:
    import numpy as np

    texts, other = [f"a {n}" for n in range(90)], [f"b {n}" for n in range(80)]
    rows = np.random.default_rng(0).standard_normal((90, 8), dtype=np.float32)
    vectors: Any = (rows, rows[:80])
    expected = mine_bitext(texts, other, vectors=vectors, options=options(sides, None, "alone"))
    for number in (1, 2):
        with pytest.raises(ShareDone):
            mine_bitext(texts, other, vectors=vectors, options=options(sides, Share(number, 2)))
    assert list(mine_bitext(texts, other, vectors=vectors, options=options(sides, None))) == list(expected)
    with pytest.raises(ShareDone):
        mine_paraphrases(texts, model=student, options=options(sides, Share(1, 1)))
    local = mine_paraphrases(texts, model=student, options=options(sides, None, "alone"))
    assert list(mine_paraphrases(texts, model=student, options=options(sides, None))) == list(local)


def test_shares_of_a_scoring_go_over_all_languages(sides: Path, student: str) -> None:
    pairs = [(f"baran {n}", f"kodel {n}", language) for n in range(30) for language in ("de", "fr")]
    expected = score_bitext(pairs, model=student, options=options(sides, None, "alone"))
    for stage in (Interrupted, ShareDone, ShareDone):
        with pytest.raises(stage):
            score_bitext(pairs, model=student, options=options(sides, Share(1 if stage is Interrupted else 2, 2)))
    with pytest.raises(ShareDone):
        score_bitext(pairs, model=student, options=options(sides, Share(1, 2)))
    assert list(score_bitext(pairs, model=student, options=options(sides, None))) == list(expected)
    for kind in ("vectors", "tiles"):
        assert stored(sides, f"work/{kind}") == stored(sides, f"alone/{kind}")


def test_in_process_does_all(sides: Path, student: str) -> None:
    assert mined(sides, student, InProcess()) == mined(sides, student, None, "alone")


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_bad_shares(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no share. Write 3/8 for the third of eight"):
        parse_share(text)


def test_engines_by_name() -> None:
    assert engine_of(None) is None
    assert engine_of("local") is None
    assert engine_of(None, "2/3") == Share(2, 3)
    with pytest.raises(UsageError, match=r"'spark' is no engine. Choose one of local, ray"):
        engine_of("spark")
    with pytest.raises(UsageError, match=r"a share, and Ray, which shares the work out itself"):
        engine_of("ray", "1/2")
    with pytest.raises(UsageError, match=r"an engine, and no work folder that all see"):
        MiningOptions(engine=Share(1, 2))
