"""Bad input to the verb ``index``: what is done first, the command, its exit code, and what it must say."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from mling_embed.encoders.static import StaticEncoder
from mling_embed.tokenizers.vocabulary import train_unigram

SENTENCES = [
    "Wo ist der Bahnhof?",
    "Der Bahnhof liegt hinter dem alten Markt.",
    "The museum opens at nine in the morning.",
    "Where is the railway station, please?",
    "Она купила хлеб, сыр и два яблока.",
]


def save_models(folder: Path) -> tuple[str, str]:
    """Save two static encoders with the same tokenizer: the index's (``MODEL``), and one of another table (``OTHER``)."""
    tokenizer = train_unigram([*SENTENCES, "some more words of text"] * 5, size=600)
    for seed in (0, 1):
        table = np.random.default_rng(seed).standard_normal((tokenizer.get_vocab_size(), 16), dtype=np.float32)
        StaticEncoder(tokenizer, table).save(folder / f"model-{seed}", model_card="")
    return str(folder / "model-0"), str(folder / "model-1")


def write_texts(folder: Path) -> None:
    """Write the folder of texts that the index ``library`` is filled from."""
    (folder / "texts").mkdir()
    (folder / "texts" / "de.txt").write_text("\n".join(SENTENCES[:2]) + "\n", encoding="utf-8")
    (folder / "texts" / "other.txt.gz").write_bytes(gzip.compress("\r\n".join(SENTENCES[2:]).encode()))


def zeros(path: str) -> Callable[[], object]:
    """Return what puts zeros in place of a file."""
    return lambda: Path(path).write_bytes(b"\0" * 100)


# ruff: noqa: E501
BAD: list[tuple[str, Callable[[], object] | None, list[str], int, str]] = [
    ("no index", None, ["search", "nowhere", "x"], 3, "nowhere: is not an index. Make one: mling-embed index create."),
    ("add to no index", None, ["add", "nowhere", "texts"], 3, "is not an index"),
    ("a folder that is taken", None, ["create", "texts", "--model", "MODEL"], 2, "something is there already"),
    ("no such model", None, ["create", "new", "--model", "./nothing"], 3, "no such model folder"),
    ("unknown kind", None, ["create", "new", "--model", "MODEL", "--kind", "hsnw"], 2, "Did you mean 'hnsw'?"),
    ("unknown metric", None, ["create", "new", "--model", "MODEL", "--metric", "cos"], 2, "Did you mean 'cosine'?"),
    ("no pairs", None, ["create", "new", "--model", "MODEL", "--harmonize", "no.tsv:de"], 3, "no.tsv"),
    ("few pairs", lambda: Path("p.tsv").write_text("a\tb\n"), ["create", "new", "--model", "MODEL", "--harmonize", "p.tsv:de"], 3, "1 pairs in 'de' are too few"),
    ("no such file", None, ["add", "library", "no.txt"], 3, "no.txt: no such file."),
    ("no such file of queries", None, ["search", "library", "no.txt"], 3, "no.txt: no such file. To find its name"),
    ("an empty folder", lambda: Path("empty").mkdir(), ["add", "library", "empty"], 3, "holds no file that can be read"),
    ("two files of one name", lambda: (Path("x").mkdir(), Path("x/de.txt").write_text("a")), ["add", "library", "texts/de.txt", "x/de.txt"], 2, "two files are called de.txt"),
    ("no column of texts", lambda: Path("a.tsv").write_text("x\ty\n1\t2\n"), ["add", "library", "a.tsv"], 3, "a.tsv:1: no column 'text'; there are x, y."),
    ("a column that is not there", lambda: Path("a.tsv").write_text("text\n1\n"), ["add", "library", "a.tsv", "--id-column", "nr"], 3, "no column 'nr'"),
    ("not Parquet", zeros("a.parquet"), ["add", "library", "a.parquet"], 3, "a.parquet: not Parquet"),
    ("cut off gzip", lambda: Path("a.txt.gz").write_bytes(gzip.compress(b"words " * 999)[:-9]), ["add", "library", "a.txt.gz"], 4, "damaged or cut short"),
    ("unknown language", None, ["add", "library", "texts", "--language", "qqqq"], 2, "'qqqq' is not a language code"),
    ("unknown split", None, ["add", "library", "texts", "--split", "sentence"], 2, "Did you mean 'sentences'?"),
    ("another model", None, ["search", "library", "x", "--model", "OTHER"], 2, "nor a student or an export of it"),
    ("an empty query", None, ["search", "library", " "], 2, "an empty query finds nothing"),
    ("k of zero", None, ["search", "library", "x", "-k", "0"], 2, "k is 0, expected at least 1"),
    ("a language that is not there", None, ["search", "library", "x", "--languages", "zh"], 2, "the index holds no language 'zh'"),
    ("a field that is not there", None, ["search", "library", "x", "--where", "year=1"], 2, "the index holds no field 'year'"),
    ("a condition without a value", None, ["search", "library", "x", "--where", "year"], 2, "expected FIELD=VALUE"),
    ("unknown balance", None, ["search", "library", "x", "--balance", "script"], 2, "'script' is no balance"),
    ("queries that are not UTF-8", lambda: Path("q").write_bytes(b"caf\xe9\n"), ["search", "library", "q"], 3, "q:1: not UTF-8"),
    ("nothing to delete", None, ["delete", "library"], 2, "Give ids, or --document NAME."),
    ("an id that is not there", None, ["delete", "library", "nope"], 3, "no id 'nope'"),
    ("a document that is not there", None, ["delete", "library", "--document", "nope"], 3, "no document 'nope'"),
    ("damaged rows", zeros("library/rows.sqlite"), ["search", "library", "x"], 4, "index rebuild"),
    ("damaged record of commits", zeros("library/COMMITTED"), ["search", "library", "x"], 4, "COMMITTED"),
    ("verify says it", zeros("library/COMMITTED"), ["verify", "library"], 4, "1 problem(s)"),
    ("rebuild of nothing", None, ["rebuild", "texts"], 3, "is not an index"),
    ("not FAISS", zeros("x.faiss"), ["import", "new", "x.faiss", "texts/de.txt", "--model", "MODEL"], 4, "FAISS cannot read it"),
    ("vectors that are not kept", lambda: faiss.write_index(faiss.IndexPQ(16, 4, 4), "x.faiss"), ["import", "new", "x.faiss", "texts/de.txt", "--model", "MODEL"], 2, "does not keep vectors as they were"),
    ("an unknown store", None, ["export", "library", "out", "--to", "landedb"], 2, "Did you mean 'lancedb'?"),
    ("a store where something is", None, ["export", "library", "texts", "--to", "lancedb"], 2, "texts: something is there already"),
    ("no database's address", None, ["export", "library", "localhost", "--to", "pgvector"], 2, "'localhost' is no address of a PostgreSQL database"),
    ("an unknown sub-verb", None, ["serach", "library", "x"], 2, "serach"),
]  # fmt: skip
