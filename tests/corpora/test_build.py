"""Building a corpus: totals, splits, duplicates, no-ops, and nothing half done."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from mling_embed.corpora import build
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import CorpusInput, guess_input
from mling_embed.corpora.parallel import PairTable, ParallelCorpus, Split
from mling_embed.corpora.writer import CorpusWriter
from mling_embed.errors import DamagedFileError, DataError, MlingEmbedError, UsageError

HOSTILE = [
    "de\tHello there.\tHallo.",
    "de\tHello there.\tHallo.",
    "de\tHello there.\tGuten Tag.",
    "fr\tHello there.\tBonjour.",
    "de\t\tleer",
    "de\tNUL\x00\tNull",
    "de\tlone\rCR\tallein",
    "de\tline\u2028separator\tZeile\u2028Trenner",
    "he\tPeace\t\u200fשלום",
    "fa\tI want\tمی\u200cخواهم",
    "de\te\u0301clair\tE\u0301clair",
    "de\t" + "x" * 10_000 + "\tlang",
    "de\tone column",
    "ru\tBerlin\tBerlin",
    "xx-nonsense-language\tHi\tHo",
    "en\tHi\tHello",
    "de\tA test sentence.\tEin Satz.",
]


def rejects(corpus: ParallelCorpus) -> list[dict[str, Any]]:
    with (corpus.path / "rejects.jsonl.zst").open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        return [json.loads(line) for line in text]


def hostile_file(folder: Path) -> CorpusInput:
    path = folder / "hostile.tsv"
    path.write_bytes("\n".join(HOSTILE).encode() + b"\nde\t\xff\tx\nde\tlast\tletzte")
    return CorpusInput(paths=(path,), columns={"language": 0, "english": 1, "other": 2})


def many(folder: Path, n: int = 3000) -> CorpusInput:
    path = folder / "many.tsv"
    rows = [f"{lang}\tSentence number {i} of all.\t{word} {i}." for lang, word in LANGS for i in range(n)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return guess_input(str(path))


LANGS = (("de", "Satz Nummer"), ("fr", "Phrase numéro"))


def test_every_row_is_kept_or_rejected_with_its_reason(tmp_path: Path) -> None:
    corpus = build_corpus([hostile_file(tmp_path)], tmp_path / "c", decontaminate=False, exclude=["a TEST sentence"])
    info = corpus.info
    assert info["read"] == len(HOSTILE) + 2
    assert info["read"] == info["kept"] + sum(info["rejected"].values())
    assert info["rejected"] == {
        "control-characters": 2,
        "copy-of-source": 1,
        "duplicate-pair": 1,
        "empty": 1,
        "in-evaluation-set": 1,
        "language-not-wanted": 1,
        "malformed": 1,
        "too-long": 1,
        "undecodable": 1,
        "unknown-language": 1,
    }
    assert [(row["line"], row["reason"]) for row in rejects(corpus) if row["reason"] == "duplicate-pair"] == [
        (2, "duplicate-pair")
    ]
    assert len(rejects(corpus)) == sum(info["rejected"].values())
    assert rejects(corpus)[0]["file"].endswith("hostile.tsv")
    assert corpus.languages == ("de", "fa", "fr", "he")
    assert corpus.english_texts() == ["Hello there.", "line\u2028separator", "Peace", "I want", "\u00e9clair", "last"]
    german = corpus.pairs("deu")
    assert german.text_list() == ["Hallo.", "Guten Tag.", "Zeile\u2028Trenner", "\u00c9clair", "letzte"]
    assert german.english_rows.tolist() == [0, 0, 1, 4, 5]
    assert corpus.pairs("fa").text_list() == ["می\u200cخواهم"]
    assert [german.source_names[code] for code in german.source_codes] == ["hostile"] * 5


def test_no_english_sentence_is_in_both_splits(tmp_path: Path) -> None:
    corpus = build_corpus([many(tmp_path)], tmp_path / "c", dev_fraction=0.1, decontaminate=False)
    assert (corpus.n_english, corpus.n_pairs) == (3000, 6000)
    train, dev = (set(corpus.english(split).to_pylist()) for split in Split)
    assert not train & dev
    assert len(train) + len(dev) == 3000
    assert 200 < len(dev) < 400
    for language in corpus.languages:
        for split, texts in ((Split.TRAIN, train), (Split.DEV, dev)):
            rows = corpus.pairs(language, split).english_rows
            assert set(corpus.english_texts(rows)) == texts
            assert set(rows.tolist()) == set(corpus.english_rows(split).tolist())


def test_case_and_punctuation_do_not_part_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"Word {i}!\tWort {i}!\nword, {i}\tWort, {i}\n" for i in range(500)), encoding="utf-8")
    corpus = build_corpus([guess_input(f"{path}:de")], tmp_path / "c", dev_fraction=0.5, decontaminate=False)
    dev = corpus.english_split
    assert dev.reshape(-1, 2).any(axis=1).tolist() == dev.reshape(-1, 2).all(axis=1).tolist()


def test_the_chunk_size_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [many(tmp_path, 700), hostile_file(tmp_path), many(tmp_path, 700)]
    whole = build_corpus(inputs, tmp_path / "a", decontaminate=False)
    monkeypatch.setattr("mling_embed.corpora.writer.CHUNK", 17)
    small = build_corpus(inputs, tmp_path / "b", decontaminate=False)
    assert whole.english_texts() == small.english_texts()
    assert whole.info["inputs"] == small.info["inputs"]
    for language in whole.languages:
        assert whole.pairs(language).text_list() == small.pairs(language).text_list()
        assert whole.pairs(language).english_rows.tolist() == small.pairs(language).english_rows.tolist()


def test_the_first_pair_of_each_english_row() -> None:
    rows, codes = np.array([4, 1, 4, 0, 1, 0]), np.zeros(6, dtype=np.int32)
    table = PairTable(rows, pa.chunked_array([["a", "b", "c", "d", "e", "f"]]), codes, ("x",))
    assert table.first_pairs().tolist() == [3, 1, 0]
    assert table.first_pairs(np.array([2, 4, 5])).tolist() == [5, 4, 2]


def test_english_texts_takes_rows_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mling_embed.corpora.writer.CHUNK", 64)
    corpus = build_corpus([many(tmp_path, 300)], tmp_path / "c", decontaminate=False)
    everything = corpus.english_texts()
    rows = np.array([299, 0, 64, 63, 64])
    assert corpus.english_texts(rows) == [everything[row] for row in rows]
    with pytest.raises(UsageError, match="but there are 300"):
        corpus.english_texts(np.array([300]))


def test_rerun_is_a_no_op_and_a_change_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = hostile_file(tmp_path)
    first = build_corpus([source], tmp_path / "c", decontaminate=False)
    before = (tmp_path / "c" / "corpus.json").stat()
    with monkeypatch.context() as patch:
        patch.setattr(build, "CorpusWriter", None)
        again = build_corpus([source], tmp_path / "c", decontaminate=False)
    assert again.fingerprint == first.fingerprint
    assert (tmp_path / "c" / "corpus.json").stat().st_mtime_ns == before.st_mtime_ns
    other = build_corpus([source], tmp_path / "c", decontaminate=False, languages=["fra"])
    assert other.languages == ("fr",)
    assert other.fingerprint != first.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "hostile.tsv"]


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    corpora = [build_corpus([many(tmp_path)], tmp_path / name, decontaminate=False) for name in "ab"]
    assert corpora[0].fingerprint == corpora[1].fingerprint
    assert corpora[0].info == corpora[1].info


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: CorpusWriter) -> Iterator[None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(CorpusWriter, "_settle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_corpus([many(tmp_path)], tmp_path / "c", decontaminate=False)
    assert [path.name for path in tmp_path.iterdir()] == ["many.tsv"]


def test_english_alone(tmp_path: Path) -> None:
    path = tmp_path / "english.txt"
    path.write_text("One thing.\nTwo things.\nOne thing.\n", encoding="utf-8")
    corpus = build_corpus([guess_input(str(path))], tmp_path / "c", decontaminate=False)
    assert (corpus.n_english, corpus.languages, corpus.info["kept"]) == (2, (), 2)
    assert corpus.info["rejected"] == {"duplicate-pair": 1}


def test_a_shifted_file_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(2, 40, 400)
    english = [f"{'word ' * int(n)}{i % 97}." for i, n in enumerate(lengths)]
    german = ["Titel", *(f"{'Wort ' * int(n)}{i % 97}." for i, n in enumerate(lengths))][:400]
    (tmp_path / "a.en").write_text("\n".join(english), encoding="utf-8")
    (tmp_path / "a.de").write_text("\n".join(german), encoding="utf-8")
    source = guess_input(f"{tmp_path / 'a.en'},{tmp_path / 'a.de'}:de")
    assert source.format == "moses"
    corpus = build_corpus([source], tmp_path / "c", decontaminate=False)
    assert corpus.info["shift_warnings"] == [{"source": "a", "language": "de", "lines": [1, 400], "shift": 1}]
    assert "1 line(s) too low" in caplog.text
    (tmp_path / "a.de").write_text("\n".join([*german[1:], "Ende"]), encoding="utf-8")
    assert build_corpus([source], tmp_path / "c", decontaminate=False).info["shift_warnings"] == []


def test_bad_calls(tmp_path: Path) -> None:
    source = hostile_file(tmp_path)
    with pytest.raises(UsageError, match="no inputs"):
        build_corpus([], tmp_path / "c")
    with pytest.raises(UsageError, match="dev_fraction is 1"):
        build_corpus([source], tmp_path / "c", dev_fraction=1.0)
    with pytest.raises(UsageError, match="not a corpus, and not empty"):
        build_corpus([source], tmp_path)
    with pytest.raises(DataError, match="no such file"):
        build_corpus([guess_input(f"{tmp_path / 'none.tsv'}:de")], tmp_path / "c")
    (tmp_path / "two.tsv").write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(DataError, match="the translations' language is not known"):
        build_corpus([guess_input(str(tmp_path / "two.tsv"))], tmp_path / "c", decontaminate=False)


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no corpus here"):
        ParallelCorpus.open(tmp_path)
    corpus = build_corpus([hostile_file(tmp_path)], tmp_path / "c", decontaminate=False)
    corpus.verify()
    with pytest.raises(UsageError, match="no pairs of 'ja'; it has de, fa, fr, he"):
        corpus.pairs("ja")
    path = tmp_path / "c" / "pairs" / "de.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="SHA-256 is not the recorded one"):
        ParallelCorpus.open(tmp_path / "c").verify()
    path.write_bytes(data[:-1])
    with pytest.raises(DamagedFileError, match=r"de\.arrow: .* bytes, expected"):
        ParallelCorpus.open(tmp_path / "c")


def test_a_failed_replacement_loses_neither_the_old_corpus_nor_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hostile_file(tmp_path)
    old = build_corpus([source], tmp_path / "c", decontaminate=False)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target == tmp_path / "c" and ".part" in self.name:
            raise PermissionError(13, "in use", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(PermissionError):
        build_corpus([source], tmp_path / "c", decontaminate=False, languages=["fr"])
    kept = ParallelCorpus.open(tmp_path / "c")
    kept.verify()
    assert kept.fingerprint == old.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "hostile.tsv"]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = hostile_file(tmp_path)
    build_corpus([source], tmp_path / "c", decontaminate=False)

    def full(self: CorpusWriter) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CorpusWriter, "finish", full)
    with pytest.raises(
        MlingEmbedError, match=r"c: no space left \(needs about 1 MB\)\. Free some and give the same"
    ) as told:
        build_corpus([source], tmp_path / "c", decontaminate=False, languages=["fr"])
    assert told.value.exit_code == 1
    ParallelCorpus.open(tmp_path / "c").verify()


def test_regions_of_a_language_that_is_asked_for_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rows = ("pt-PT\tThe bus.\tO autocarro.", "pt_BR\tThe bus.\tO ônibus.", "en-GB\tColor\tColour")
    path.write_text("\n".join(rows), encoding="utf-8")

    def built(word: str, languages: list[str] | None) -> dict[str, int]:
        corpus = build_corpus([guess_input(word)], tmp_path / "c", decontaminate=False, languages=languages)
        return dict(corpus.info["pairs"])

    assert built(str(path), ["pt"]) == {"pt": 1, "pt-PT": 1}
    assert built(str(path), ["pt-BR"]) == {"pt": 1}
    assert built(str(path), ["pt-PT"]) == {"pt-PT": 1}
    assert built(str(path), ["en"]) == {}
    assert built(f"{path}:pt", None) == {"pt": 2}
    assert built(f"{path}:pt-BR", None) == {"pt": 1}
    assert built(f"{path}:pt-PT", None) == {"pt-PT": 1}


def test_a_corpus_without_training_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.tsv"
    path.write_text("the old station\tder alte Bahnhof\n", encoding="utf-8")

    def built(dev_fraction: float, languages: list[str] | None = None) -> ParallelCorpus:
        options: dict[str, Any] = {"dev_fraction": dev_fraction, "languages": languages}
        return build_corpus([guess_input(f"{path}:de")], tmp_path / "c", decontaminate=False, **options)

    with pytest.raises(
        DataError, match=r"the training split is empty \(1 sentence, in dev\)\. Lower data.dev_fraction"
    ):
        built(0.999).require_training_text()
    with pytest.raises(DataError, match="the corpus holds no pairs"):
        built(0.01, ["fr"]).require_training_text()
    built(0.0).require_training_text()


def test_a_folder_of_a_dataset_is_read_again_when_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"english": "A day.", "other": "Ein Tag."}\n', encoding="utf-8")
    source = CorpusInput(format="huggingface", dataset=str(folder), language="de")
    first = build_corpus([source], tmp_path / "c", decontaminate=False)
    (folder / "train.jsonl").write_text('{"english": "A day.", "other": "Noch ein Tag."}\n', encoding="utf-8")
    assert build_corpus([source], tmp_path / "c", decontaminate=False).info["key"] != first.info["key"]
