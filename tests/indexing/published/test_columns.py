"""Filters give the same rows from columns as from rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mling_embed.errors import UsageError
from mling_embed.indexing.published.columns import Columns, make_filter
from mling_embed.indexing.storage.rows import Entry

VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([1.0, 0.5, "1", "a", "", ["a", 1]]))
ENTRIES = st.lists(
    st.builds(
        Entry,
        id=st.just("x"),
        text=st.just("y"),
        language=st.sampled_from(["de", "en", "zh-Hant"]),
        metadata=st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2),
    ),
    min_size=1,
    max_size=8,
)
NAMES = {"languages": ["de", "en", "zh-Hant"], "fields": ["a", "b"]}


@given(
    entries=ENTRIES,
    languages=st.none() | st.lists(st.sampled_from(NAMES["languages"]), min_size=1),
    where=st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(VALUES, st.lists(VALUES, min_size=1, max_size=2))),
)
def test_columns_and_rows_agree(entries: list[Entry], languages: list[str] | None, where: dict[str, object]) -> None:
    wanted = make_filter(languages, where, names=NAMES)
    columns = Columns.of(list(range(len(entries))), entries)
    assert columns.passing(wanted).tolist() == [wanted.accepts(entry) for entry in entries]


def test_columns_are_read_back_as_they_were(tmp_path: Path) -> None:
    entries = [Entry("a", "x", "de", metadata={"year": 1, "\u2028": "ключ"}), Entry("b", "y", "en")]
    columns = Columns.of([3, 9], entries)
    (tmp_path / "columns").write_bytes(columns.to_bytes())
    again = Columns.open(tmp_path / "columns")
    assert again.numbers.tolist() == [3, 9]
    assert again.languages() == ["de", "en"]
    assert again.to_bytes() == columns.to_bytes()


def test_language_codes_have_one_form() -> None:
    assert make_filter("deu", None, names=NAMES).languages == {"de"}
    assert make_filter(["zho_Hant"], None, names=NAMES).languages == {"zh-Hant"}
    with pytest.raises(UsageError, match="no language is allowed"):
        make_filter([], None, names=NAMES)
