"""Files of pairs: each reads back, and each goes into a corpus as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
from mling_embed.errors import UsageError
from mling_embed.mining.mined_pair import MinedPair
from mling_embed.mining.outputs import OutputFormat, column_names, format_of, write_pairs

PAIRS = [
    MinedPair(
        1.25,
        "Wo ist der <Bahnhof> & das Museum?",
        "Where is the <station> & the museum?",
        ("d1", "d7"),
        ("e1",),
        0.9,
        1,
        1,
        2,
    ),
    MinedPair(1.125, 'Er sagte: "Nein\u2028danke!"', 'He said: "No\u2028thanks!"', ("d2",), ("e2",), 0.8, 2, None, 1),
    MinedPair(0.5, "Das dritte Haus ist rot.", "The third house is red.", ("d3",), ("e3",), 0.5, 3, 4, None),
]
LANGUAGES = ("de", "en")


def test_tsv(tmp_path: Path) -> None:
    assert write_pairs(PAIRS, tmp_path / "m.tsv", languages=LANGUAGES) == [tmp_path / "m.tsv"]
    lines = (tmp_path / "m.tsv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "score\tde\ten"
    assert lines[3:] == ["0.500000\tDas dritte Haus ist rot.\tThe third house is red.", ""]
    write_pairs(PAIRS, tmp_path / "m.tsv", languages=LANGUAGES, with_ids=True)
    lines = (tmp_path / "m.tsv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "score\tde\ten\tde_ids\ten_ids"
    assert lines[1].endswith("\td1 d7\te1")


def test_json_lines_and_parquet_hold_the_same(tmp_path: Path) -> None:
    write_pairs(PAIRS, tmp_path / "m.jsonl", languages=LANGUAGES)
    write_pairs(PAIRS, tmp_path / "m.parquet", languages=LANGUAGES)
    records = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert records == pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert records[1] == {
        "score": 1.125,
        "de": PAIRS[1].source,
        "en": PAIRS[1].target,
        "de_ids": ["d2"],
        "en_ids": ["e2"],
        "cosine": 0.8,
        "margin": 1.125,
        "rank": 2,
        "direction": "backward",
        "forward_rank": None,
        "backward_rank": 1,
    }
    assert [record["direction"] for record in records] == ["both", "backward", "forward"]


@pytest.mark.parametrize("languages", [("de", "en"), ("en", "de")])
@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet", "tmx", "moses"])
@pytest.mark.parametrize("with_ids", [True, False])
def test_what_is_written_is_read_as_pairs(
    tmp_path: Path, suffix: str, languages: tuple[str, str], with_ids: bool
) -> None:
    pairs = PAIRS
    if languages[0] == "en":
        pairs = [
            MinedPair(p.score, p.target, p.source, p.target_ids, p.source_ids, p.cosine, p.rank, 1, 1) for p in PAIRS
        ]
    files = write_pairs(pairs, tmp_path / f"m.{suffix}", languages=languages, with_ids=with_ids)
    word = str(files[0])
    if suffix == "moses":
        assert [path.name for path in files] == [f"m.{language}" for language in languages]
        word = f"{tmp_path / 'm.en'},{tmp_path / 'm.de'}"
    corpus = build_corpus([guess_input(word)], tmp_path / "corpus", dev_fraction=0.0, decontaminate=False)
    assert corpus.english_texts() == [pair.target for pair in PAIRS]
    assert corpus.pairs("de").text_list() == [pair.source for pair in PAIRS]


@pytest.mark.parametrize(
    ("name", "format_"), [("a.tsv", "tsv"), ("a.TXT", "tsv"), ("a.moses", "moses"), ("a.ndjson", "jsonl")]
)
def test_formats_by_suffix(name: str, format_: str) -> None:
    assert format_of(Path(name)) is OutputFormat(format_)


def test_bad_outputs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairs are not written as '\.xlsx'.*Use one of \.tsv"):
        format_of(tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match=r"is a folder, expected a file.*mined\.tsv"):
        format_of(tmp_path)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("old")

    def failing() -> object:
        yield PAIRS[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_pairs(failing(), tmp_path / "m.tsv", languages=LANGUAGES)
    assert (tmp_path / "m.tsv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_names_of_sides() -> None:
    assert column_names(("und", "und")) == ("sentence1", "sentence2")
    assert column_names(("de", "und")) == ("de", "target")
