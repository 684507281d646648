"""Mutate valid files of every format and build corpora from them: errors of ours or corpora whose totals reconcile.

From seeds of each format, files are made with flipped bits, cut ends, inserted controls and marks, lost and doubled
spans, swapped cells and lines, and in other encodings. Each goes through `guess_input` and `build_corpus`, as a word
of the command line does. Anything but a corpus, or an error of wrong usage, bad data or damaged files, is a failure,
as is a corpus whose rows are not as many as its reader yields, or a file that takes longer than ``--seconds``.

python benchmarks/fuzz_readers.py [--files 5000] [--formats tsv,csv] [--seed 0] [--seconds 10] [--out counts.json]
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import shutil
import sys
import tarfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.corpus_input import CorpusInput
from mling_embed.corpora.inputs import guess_input
from mling_embed.corpora.readers import read_input
from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import write_json

ENGLISH = [
    "The train leaves at nine.",
    'She said "no", and left.',
    "I forgot that umbrella of mine.",
    "Where is the station?",
    "A day; a night, and another day.",
    "Price: 3.50 & more",
]
GERMAN = [
    "Der Zug fährt um neun ab.",
    "Sie sagte „nein“ und ging.",
    "Ich habe meinen Schirm vergessen.",
    "Wo ist der Bahnhof?",
    "Ein Tag; eine Nacht, und noch ein Tag.",
    "Preis: 3,50 & mehr",
]
PAIRS = list(zip(ENGLISH, GERMAN, strict=True))
MARKS = (
    *"\0\r\n\t\v\f\x1a\x1f\x7f\x85\u200b\u200f\u2028\ufeff\ufffd\"'<>&;,|{}[]\\:!=%",
    *('""', "]]>", "<!--", "</tu>", "<tu>", "&#0;", "&nbsp;", "\\u0000", "\\ud800", 'msgid "', "#~ ", "null", "🚆"),
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "shift_jis", "utf-7")


def quoted(cell: str) -> str:
    """Return a cell as a spreadsheet quotes it."""
    return '"' + cell.replace('"', '""') + '"'


def tmx(pairs: list[tuple[str, str]]) -> str:
    """Return a translation memory."""
    from xml.sax.saxutils import escape

    segment = '<tuv xml:lang="{}"><seg>{}</seg></tuv>'
    segments = [(segment.format("en-GB", escape(a)), segment.format("de-DE", escape(b))) for a, b in pairs]
    units = "".join(f"<tu>{english}{german}</tu>\n" for english, german in segments)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4"><header/><body>\n{units}</body></tmx>\n'


def po(pairs: list[tuple[str, str]]) -> str:
    """Return a gettext catalogue."""
    entries = "\n".join(f"msgid {json.dumps(a)}\nmsgstr {json.dumps(b, ensure_ascii=False)}\n" for a, b in pairs)
    plural = '\nmsgid "one day"\nmsgid_plural "%d days"\nmsgstr[0] "ein Tag"\nmsgstr[1] "%d Tage"\n'
    head = '"Language: de\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n'
    unfit = '#, fuzzy\nmsgid "x"\nmsgstr "y"\n\n#~ msgid "z"\n#~ msgstr "q"\n'
    return f'msgid ""\nmsgstr ""\n{head}\n{entries}{plural}\n{unfit}'


def parquet(pairs: list[tuple[str, str]]) -> bytes:
    """Return a Parquet file of structs."""
    sink = io.BytesIO()
    table = pa.table({"id": [1] * len(pairs), "translation": [{"en": a, "de": b} for a, b in pairs]})
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    return sink.getvalue()


def zipped(members: dict[str, str]) -> bytes:
    """Return a zip."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return sink.getvalue()


def tarred(members: dict[str, str]) -> bytes:
    """Return a compressed tar."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return sink.getvalue()


TSV = "".join(f"{a}\t{b}\n" for a, b in PAIRS)
SIDES = {"N.de-en.en": "\n".join(ENGLISH) + "\n", "N.de-en.de": "\n".join(GERMAN) + "\n"}
# Format -> files of each seed; the first is named on the command line, with the second behind a comma.
SEEDS: dict[str, list[dict[str, str | bytes]]] = {
    "tsv": [
        {"a.tsv": TSV},
        {"a.tsv": "".join(f"{i}\t{b}\thttp://a.org/{i}\t{a}\t0.9\n" for i, (a, b) in enumerate(PAIRS))},
        {"a.tsv": "".join(f"de\t{a}\t{b}\n" for a, b in PAIRS)},
        {"a.tsv": "en\tde\n" + "".join(f"{quoted(a)}\t{quoted(b)}\n" for a, b in PAIRS)},
        {"a.tsv.gz": gzip.compress(TSV.encode())},
    ],
    "csv": [
        {"a.csv": "en,de\n" + "".join(f"{quoted(a)},{quoted(b)}\n" for a, b in PAIRS)},
        {"a.csv": ("English;German\r\n" + "".join(f"{quoted(a)};{quoted(b)}\r\n" for a, b in PAIRS)).encode("utf-16")},
    ],
    "jsonl": [
        {"a.jsonl": "".join(json.dumps({"en": a, "de": b, "score": 1}, ensure_ascii=False) + "\n" for a, b in PAIRS)},
        {"a.jsonl": "".join(json.dumps({"translation": {"en": a, "de": b}}) + "\n" for a, b in PAIRS)},
        {"a.jsonl": "".join(json.dumps({"source": b, "target": a, "source_lang": "de"}) + "\n" for a, b in PAIRS)},
    ],
    "parquet": [{"a.parquet": parquet(PAIRS)}, {"a.parquet": parquet(PAIRS * 50)}],
    "tmx": [{"a.tmx": tmx(PAIRS)}, {"a.tmx": tmx(PAIRS).replace("UTF-8", "UTF-16").encode("utf-16")}],
    "po": [{"a.po": po(PAIRS)}],
    "moses": [{**SIDES}],
    "lines": [{"a.txt": SIDES["N.de-en.en"]}],
    "zip": [{"a.zip": zipped({"README": "x", **SIDES})}, {"a.zip": zipped({"a.tsv": TSV, "b.tsv": TSV})}],
    "tar": [{"a.tar.gz": tarred({"a.tsv": TSV})}],
    "huggingface": [{"a.jsonl": "".join(json.dumps({"english": a, "other": b}) + "\n" for a, b in PAIRS)}],
}

Mutation = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, dice: random.Random) -> bytes:
    """Flip some bits."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        if changed:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(data: bytes, dice: random.Random) -> bytes:
    """Cut the end off."""
    return data[: dice.randint(0, len(data))]


def lose(data: bytes, dice: random.Random) -> bytes:
    """Take a span out."""
    start = dice.randint(0, len(data))
    return data[:start] + data[start + dice.randint(1, 40) :]


def double(data: bytes, dice: random.Random) -> bytes:
    """Write a span twice."""
    start = dice.randint(0, len(data))
    return data[: start + dice.randint(1, 200)] + data[start:]


def insert(data: bytes, dice: random.Random) -> bytes:
    """Insert controls and marks."""
    for _ in range(dice.randint(1, 6)):
        place = dice.randint(0, len(data))
        data = data[:place] + dice.choice(MARKS).encode() * dice.choice((1, 1, 1, 3, 5000)) + data[place:]
    return data


def swap_cells(data: bytes, dice: random.Random) -> bytes:
    """Swap cells and lines."""
    lines = data.split(b"\n")
    for _ in range(dice.randint(1, 6)):
        one, two = dice.randrange(len(lines)), dice.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
        mark = dice.choice((b"\t", b",", b";", b'"', b" "))
        cells = lines[one].split(mark)
        dice.shuffle(cells)
        lines[one] = mark.join(cells)
    return b"\n".join(lines)


def recode(data: bytes, dice: random.Random) -> bytes:
    """Write it in another encoding."""
    return data.decode("utf-8", "replace").encode(dice.choice(ENCODINGS), "replace")


MUTATIONS: tuple[Mutation, ...] = (flip, cut, lose, double, insert, swap_cells, recode)


def mutated(seed: dict[str, str | bytes], dice: random.Random) -> dict[str, bytes]:
    """Return the files of a seed, one of them changed once or twice."""
    files = {name: data.encode() if isinstance(data, str) else data for name, data in seed.items()}
    name = dice.choice(list(files))
    for _ in range(dice.choice((1, 1, 2))):
        files[name] = dice.choice(MUTATIONS)(files[name], dice)
    return files


def source_of(kind: str, folder: Path, names: list[str], dice: random.Random) -> CorpusInput:
    """Return what the files are as an input."""
    if kind == "huggingface":
        return CorpusInput(format="huggingface", dataset=str(folder), language="de")
    language = dice.choice(("", ":de", ":de", ":pt"))
    return guess_input(",".join(str(folder / name) for name in names) + language)


def outcome_of(kind: str, files: dict[str, bytes], folder: Path, dice: random.Random) -> str:
    """Return what comes of files: ``kept``, ``nothing kept``, or the kind of error; anything else is raised."""
    data = folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    data.mkdir(parents=True)
    for name, content in files.items():
        (data / name).write_bytes(content)
    try:
        source = source_of(kind, data, list(files), dice)
        corpus = build_corpus([source], folder / "corpus", decontaminate=False)
    except (UsageError, DataError, DamagedFileError) as error:
        return type(error).__name__
    read = sum(1 for _ in read_input(source))
    if not corpus.info["read"] == read == corpus.info["kept"] + sum(corpus.info["rejected"].values()):
        raise ArithmeticError(f"{read} rows read, but corpus.json says {corpus.info}")
    return "kept" if corpus.info["kept"] else "nothing kept"


def fuzz(kind: str, n_files: int, folder: Path, *, seed: int = 0, seconds: float = 10.0) -> dict[str, Any]:
    """Return the counts of outcomes of mutated files of a format, its failures, and the longest time of one file."""
    counts, failures, longest = Counter[str](), list[str](), 0.0
    if kind == "huggingface":
        import datasets  # noqa: F401 -- its import is not the first file's time
    for number in range(n_files):
        dice = random.Random(f"{seed} {kind} {number}")
        files = mutated(dice.choice(SEEDS[kind]), dice)
        began = time.perf_counter()
        try:
            counts[outcome_of(kind, files, folder, dice)] += 1
        except Exception:
            counts["failure"] += 1
            failures.append(f"{kind} {number}:\n{traceback.format_exc()}")
        took = time.perf_counter() - began
        longest = max(longest, took)
        if took > seconds:
            failures.append(f"{kind} {number}: {took:.1f} s")
    return {"files": n_files, "outcomes": dict(sorted(counts.items())), "longest": longest, "failures": failures}


def main() -> None:
    """Parse the options, mutate, print the counts; exit 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000, help="files of each format [default: 5,000]")
    parser.add_argument("--formats", default=",".join(SEEDS), help="formats, separated by commas [default: all]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="the most that one file may take [default: 10]")
    parser.add_argument("--out", type=Path, help="where to write the counts as JSON")
    options = parser.parse_args()
    found = {}
    for kind in options.formats.split(","):
        with TemporaryDirectory() as folder:
            found[kind] = fuzz(kind, options.files, Path(folder) / "f", seed=options.seed, seconds=options.seconds)
        failures = found[kind].pop("failures")
        found[kind]["failed"] = len(failures)
        print(kind, json.dumps(found[kind]), flush=True)
        for failure in failures[:5]:
            print(failure, file=sys.stderr, flush=True)
    if options.out:
        write_json(options.out, found)
    sys.exit(any(one["failed"] for one in found.values()))


if __name__ == "__main__":
    main()
