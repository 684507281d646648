from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mling_embed.mining.mine import mine_bitext, mine_paraphrases
from mling_embed.mining.sides import MiningOptions, Search
from mling_embed.neighbors.vectors import unit_rows

N = 300


def sides() -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    source = unit_rows(rng.standard_normal((N, 16)))
    target = unit_rows(source + 0.4 * unit_rows(rng.standard_normal((N, 16))))
    return [f"Satz {row}" for row in range(N)], [f"sentence {row}" for row in range(N)], source, target


@pytest.mark.parametrize("options", [{"search": Search.APPROXIMATE}, {"exact_pairs": N * N - 1}])
@pytest.mark.parametrize("on_disk", [False, True])
def test_above_the_exact_range_pairs_are_found_approximately(
    options: dict[str, object], on_disk: bool, tmp_path: Path
) -> None:
    german, english, source, target = sides()
    chosen = MiningOptions(work=tmp_path if on_disk else None, **options)  # type: ignore[arg-type]
    mined = mine_bitext(german, english, vectors=(source, target), options=chosen)
    exact = mine_bitext(german, english, vectors=(source, target))
    assert exact.approximation is None
    assert mined.approximation is not None
    assert mined.approximation.recall >= 0.95
    assert mined.summary()["search"]["n_queries"] == 500
    both = [{(pair.source, pair.target, pair.cosine) for pair in found} for found in (mined, exact)]
    assert len(both[0] & both[1]) >= 0.98 * N  # cosines are equal to the last bit
    assert not list(tmp_path.glob("matrix-*"))


def test_at_the_limit_and_when_asked_the_search_is_exact() -> None:
    german, english, source, target = sides()
    for options in (MiningOptions(exact_pairs=N * N), MiningOptions(exact_pairs=1, search=Search.EXACT)):
        assert mine_bitext(german, english, vectors=(source, target), options=options).approximation is None


def test_paraphrases_are_found_approximately_too() -> None:
    _, english, source, target = sides()
    texts = [*english, *(f"again {row}" for row in range(N))]
    vectors = np.concatenate([source, target])
    mined = mine_paraphrases(texts, vectors=vectors, k=1, options=MiningOptions(search=Search.APPROXIMATE))
    assert mined.approximation is not None
    found = {(pair.source, pair.target) for pair in mined}
    right = sum((f"sentence {row}", f"again {row}") in found for row in range(N))
    assert right >= 0.95 * N
    assert all(source != target for source, target in found)


def test_an_empty_side_is_no_reason_to_build_an_index() -> None:
    options = MiningOptions(search=Search.APPROXIMATE)
    assert len(mine_bitext([], ["one"], vectors=(np.empty((0, 3)), np.ones((1, 3))), options=options)) == 0
