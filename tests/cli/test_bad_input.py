"""Bad files, manifests, configurations and flags: each gets a plain error that says where and what to do."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from mling_embed.cli import main
from mling_embed.corpora.archives import open_plain
from mling_embed.errors import DamagedFileError

LATIN = "caf\xe9 one\tcaf\xe9 eins\n".encode("latin-1")
UNCLEAR = "no column of English and one of translations can be told; there are"
GOOD = "".join(f"the station number {n}\tder Bahnhof Nummer {n}\n" for n in range(60)).encode()
BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<tmx version="1.4"><body><tu><tuv xml:lang="en"><seg>&b;</seg></tuv></tu></body></tmx>
"""
SHA256 = "0" * 64
MANIFEST = f"""
name = "mine"
title = "Mine"
kind = "http"
homepage = "https://example.org/"
license = "CC0-1.0"
commercial_use = true
citation = "None."
languages = ["de"]

[[splits]]
name = "train"
role = "train"
files = [{{ url = "https://example.org/a.tsv", bytes = 1, sha256 = "{SHA256}", format = "tsv", language = "de" }}]
"""
CONFIG = 'out = "run"\n[data]\npairs = ["pairs.tsv:de"]\n'
NOT_BUILT = b'{"format": 1, "key": "x"'
BUILD = ("data", "build", "out", "--no-decontaminate")


class Case(NamedTuple):
    """Hold one mistake.

    Attributes:
        name: What is wrong.
        files: The files made beforehand, by path; ``pairs.tsv`` is always there and good.
        words: The command line, run in their folder. ``TEACHER`` stands for a good teacher.
        code: The exit code.
        told: Parts of the error: where it is, what is wrong, what to do next.
    """

    name: str
    files: Mapping[str, bytes]
    words: tuple[str, ...]
    code: int
    told: tuple[str, ...]


def build(name: str, file: str, content: bytes, code: int, *told: str, language: str = "de") -> Case:
    """Return a case of ``data build`` with one bad file."""
    return Case(name, {file: content}, (*BUILD, "--pairs", f"{file}:{language}"), code, told)


def manifest(name: str, old: str, new: str, *told: str) -> Case:
    """Return a case of ``data show`` with a good manifest that has one thing changed."""
    return Case(name, {"mine.toml": MANIFEST.replace(old, new).encode()}, ("data", "show", "mine.toml"), 2, told)


def config(name: str, text: str, code: int, *told: str) -> Case:
    """Return a case of ``distill`` with a bad configuration."""
    return Case(name, {"run.toml": text.encode("latin-1")}, ("distill", "run.toml"), code, told)


def zipped(**members: bytes) -> bytes:
    """Return the bytes of a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.tsv", content)
    return packed.getvalue()


CASES = [
    # Files of pairs.
    Case("missing file", {}, (*BUILD, "--pairs", "none.tsv:de"), 3, ("none.tsv: no such file.",)),
    Case(
        "a folder for a file",
        {"d.tsv/x": b""},
        (*BUILD, "--pairs", "d.tsv:de"),
        3,
        ("d.tsv: which of its members are meant? It holds x.", "d.tsv!*.tsv:LANGUAGE"),
    ),
    Case(
        "unequal sides of a Moses pair",
        {"a.en": b"one\ntwo\nthree\n", "a.de": b"eins\nzwei\n"},
        (*BUILD, "--pairs", "a.en,a.de:de"),
        3,
        ("a.en: 3 lines, but a.de has 2", "Fetch both again, or align them."),
    ),
    Case(
        "one side of a Moses pair missing",
        {"a.en": b"one\n"},
        (*BUILD, "--pairs", "a.en,a.de:de"),
        3,
        ("a.de: no such file.",),
    ),
    Case(
        "empty file to distil from",
        {"empty.tsv": b""},
        (
            "distill",
            "--pairs",
            "empty.tsv:de",
            "--teacher",
            "TEACHER",
            "--out",
            "run",
            "--set",
            "data.decontaminate=false",
        ),
        3,
        ("the corpus holds no pairs.",),
    ),
    build(
        "cut-short gz", "a.tsv.gz", gzip.compress(GOOD)[:-20], 4, "a.tsv.gz: damaged or cut short", "Fetch it again."
    ),
    build("gz that is none", "a.tsv.gz", GOOD, 4, "a.tsv.gz: damaged or cut short (Not a gzipped file"),
    build(
        "cut-short zst",
        "a.tsv.zst",
        zstandard.ZstdCompressor(level=1).compress(GOOD * 9)[:-9],
        4,
        "a.tsv.zst: damaged or cut short",
        "Fetch it again.",
    ),
    Case(
        "zip without members",
        {"a.zip": zipped()},
        (*BUILD, "--pairs", "a.zip!*.tsv:de"),
        3,
        ("a.zip: no member matches '*.tsv'; there are none.",),
    ),
    Case(
        "zip that is none",
        {"a.zip": GOOD},
        (*BUILD, "--pairs", "a.zip!*.tsv:de"),
        4,
        ("a.zip: damaged or cut short", "Fetch it again."),
    ),
    Case(
        "zip bomb",
        {"a.zip": zipped(zeros=bytes(40 << 20))},
        (*BUILD, "--pairs", "a.zip!*.tsv:de"),
        3,
        ("a.zip!zeros.tsv: unfolds to more than 500 times its",),
    ),
    build(
        "gz bomb",
        "a.tsv.gz",
        gzip.compress(bytes(40 << 20)),
        3,
        "a.tsv.gz: unfolds to more than 500 times its",
    ),
    Case(
        "TSV with one column",
        {"a.tsv": b"one\ntwo\n"},
        (*BUILD, "--pairs", "a.tsv:de"),
        3,
        ("a.tsv:1: 1 column, expected at least 2.", "Check the file's format"),
    ),
    build(
        "CSV without the columns",
        "a.csv",
        b"x,y\n1,2\n",
        3,
        f"a.csv:1: {UNCLEAR} x (numbers), y (numbers).",
    ),
    build(
        "JSONL without the columns",
        "a.jsonl",
        b'{"x": 1}\n',
        3,
        f"a.jsonl:1: {UNCLEAR} x (numbers).",
    ),
    build(
        "JSONL without translations",
        "a.jsonl",
        b'{"english": "x"}\n',
        3,
        f"a.jsonl:1: {UNCLEAR} english (text).",
    ),
    *(
        Case(
            f"{name} without a language",
            {name: content},
            (*BUILD, "--pairs", name),
            3,
            (f"{name}:{line}: the translations' language is not known.", "FILE:de"),
        )
        for name, content, line in (
            ("a.tsv", b"Hi\tHallo\n", 1),
            ("a.csv", b"english,other\nHi,Hallo\n", 2),
            ("a.jsonl", b'[]\n{"english": "Hi", "other": "Hallo"}\n', 2),
        )
    ),
    Case("any folder for a file", {"d/x": b""}, (*BUILD, "--pairs", "d"), 3, ("d: which of its members are meant?",)),
    build("TMX with an entity bomb", "a.tmx", BILLION_LAUGHS, 3, "a.tmx: it defines or asks for entities"),
    build("TMX cut short", "a.tmx", b"<tmx><body><tu>", 4, "a.tmx: it ends before any unit", "Export or fetch"),
    build("HTML for TMX", "a.tmx", b"<html></html>", 3, "a.tmx: the root element is <html>, expected <tmx>."),
    build("Parquet that is none", "a.parquet", GOOD, 4, "a.parquet: not a Parquet file", "Fetch it again."),
    build("unknown suffix", "a.docx", GOOD, 2, "no format goes by the suffix '.docx'.", "Use one of .csv"),
    build("unknown language", "a.tsv", GOOD, 2, "'qqqq' is not a language", language="qqqq"),
    # Verbs, options and manifests.
    Case("unknown verb", {}, ("evalute",), 2, ("there is no verb 'evalute'.", "Did you mean 'evaluate'?")),
    Case("unknown option", {}, ("distill", "--pears", "x"), 2, ("No such option", "--pears")),
    Case("unknown manifest", {}, ("data", "show", "tatoba-v1"), 2, ("no manifest 'tatoba-v1'.", "tatoeba-v1")),
    Case("unknown role", {}, ("data", "list", "--role", "exam"), 2, ("'exam', expected one of train, dev, test.",)),
    Case("nothing to build from", {}, BUILD, 2, ("nothing to build from.", "Give --pairs FILE[:lang]")),
    Case(
        "dev_fraction beyond one",
        {},
        (*BUILD, "--pairs", "pairs.tsv:de", "--dev-fraction", "1.5"),
        2,
        ("dev_fraction is 1.5, expected 0 <= dev_fraction < 1.",),
    ),
    Case("manifest missing", {}, ("data", "show", "none.toml"), 3, ("none.toml: no such file.",)),
    manifest("manifest: unknown key", "license =", "licence =", "mine.toml: ", "licence: unknown key. Did you mean"),
    manifest("manifest: no licence", 'license = "CC0-1.0"\n', "", "mine.toml: ", "license: Field required"),
    manifest("manifest: short sha256", SHA256, SHA256[:63], "mine.toml: ", "splits[0].files[0].sha256: "),
    manifest(
        "manifest: http", "https://example.org/a", "http://example.org/a", "mine.toml: ", "not an https:// address"
    ),
    # Configurations.
    config("config: unknown key", CONFIG + "[fit]\nepoch = 1\n", 2, "run.toml: ", "fit.epoch: unknown key.", "epochs?"),
    config("config: wrong type", CONFIG + '[fit]\nepochs = "many"\n', 2, "run.toml: ", "fit.epochs: Input should be"),
    config(
        "config: no data",
        'out = "run"\n',
        2,
        "run.toml: ",
        "names no data: give corpus, pairs, manifests, english or monolingual",
    ),
    config("config: two origins", CONFIG + 'corpus = "c"\n', 2, "run.toml: ", "give either corpus, or pairs"),
    config("config: not TOML", "out: run\n", 3, "run.toml: not TOML", "line 1"),
    config("config: not UTF-8", 'out = "caf\xe9"\n', 3, "run.toml: not TOML"),
    Case(
        "--set without =",
        {},
        ("distill", "--pairs", "pairs.tsv:de", "--out", "run", "--set", "fit.epochs"),
        2,
        ("--set fit.epochs: expected section.name=value, such as fit.epochs=3.",),
    ),
    # Folders.
    Case(
        "build over other files",
        {"out/thesis.txt": b"x"},
        (*BUILD, "--pairs", "pairs.tsv:de"),
        2,
        ("out: not a corpus, and not empty.", "Name another folder."),
    ),
    Case(
        "build over a file",
        {"out": b"x"},
        (*BUILD, "--pairs", "pairs.tsv:de"),
        2,
        ("out: not a corpus, and not empty.", "Name another folder."),
    ),
    Case(
        "distil over another run",
        {"run/config.toml": b"seed = 9\n", "run/corpus/x": b""},
        ("distill", "--pairs", "pairs.tsv:de", "--teacher", "TEACHER", "--out", "run"),
        2,
        ("run: holds a run with another configuration.",),
    ),
    Case(
        "distil over a file",
        {"run": b"x"},
        ("distill", "--pairs", "pairs.tsv:de", "--teacher", "TEACHER", "--out", "run"),
        2,
        ("run: is a file; expected a folder.", "Choose another --out."),
    ),
    Case(
        "corpus that is none",
        {"c/x.txt": b"x"},
        ("evaluate", "TEACHER", "--corpus", "c"),
        3,
        ("c: no corpus here",),
    ),
    Case("corpus.json cut short", {"c/corpus.json": NOT_BUILT}, ("evaluate", "TEACHER", "--corpus", "c"), 4, ("c/c",)),
    # Models.
    Case("model missing", {}, ("encode", "./none", "pairs.tsv"), 3, ("./none: no such model folder.", "Give a folder")),
    Case("model: a file", {"m": b"x"}, ("encode", "m", "pairs.tsv"), 3, ("m: is a file; expected a model folder.",)),
    Case(
        "model: empty", {"m/x": b""}, ("encode", "m", "pairs.tsv"), 3, ("m: is not a model folder", "Give the folder")
    ),
    Case(
        "model: only pytorch_model.bin",
        {"m/config.json": b"{}", "m/pytorch_model.bin": b"x"},
        ("encode", "m", "pairs.tsv"),
        2,
        ("m: holds only pytorch_model.bin", "Convert the weights to safetensors first."),
    ),
    # Texts to encode and to measure on.
    Case("encode: out is a folder", {"v/x": b""}, ("encode", "TEACHER", "pairs.tsv", "--out", "v"), 2, ("--out v/v",)),
    Case("encode: out is here", {}, ("encode", "TEACHER", "pairs.tsv", "--out", "."), 2, ("is a folder, expected a",)),
    Case(
        "encode: out is no npy", {}, ("encode", "TEACHER", "pairs.tsv", "--out", "v.txt"), 2, ("v.txt: ", "--out v.npy")
    ),
    Case("encode: a text for a file", {}, ("encode", "TEACHER", "hello"), 3, ("hello: no such file.", "or pipe them")),
    Case("encode: no model", {}, ("encode", "pairs.tsv"), 3, ("pairs.tsv: is a file; expected a model folder.",)),
    Case(
        "evaluate: out is a file",
        {},
        ("evaluate", "TEACHER", "--out", "pairs.tsv"),
        2,
        ("pairs.tsv: is a file; expected a folder.", "Choose another --out."),
    ),
    Case(
        "evaluate: languages of files",
        {"a.de": b"eins\n", "a.en": b"one\n"},
        ("evaluate", "TEACHER", "--bitext", "a.de", "a.en", "--languages", "de,fr"),
        2,
        ("--languages chooses among the languages of a suite", "add --tasks"),
    ),
    Case("distil: pairs for settings", {}, ("distill", "pairs.tsv"), 2, ("pairs.tsv: ", "--pairs pairs.tsv:LANGUAGE")),
    Case(
        "--set without its section",
        {},
        ("distill", "--pairs", "pairs.tsv:de", "--out", "run", "--set", "epochs=3"),
        2,
        ("epochs: unknown key. Did you mean fit.epochs?",),
    ),
    Case("encode: not UTF-8", {"a.txt": LATIN}, ("encode", "TEACHER", "a.txt"), 3, ("a.txt:1: not UTF-8 (byte 0xe9",)),
    Case("encode: empty", {"a.txt": b""}, ("encode", "TEACHER", "a.txt"), 3, ("a.txt: no sentences.", "Give one")),
    Case(
        "bitext of unequal sides",
        {"a.de": b"eins\nzwei\n", "a.en": b"one\n"},
        ("evaluate", "TEACHER", "--bitext", "a.de", "a.en"),
        3,
        ("a.de has 2 lines and a.en has 1; expected as many.", "Line n of one file"),
    ),
    Case(
        "sts with other columns",
        {"a.csv": b"left,right\nyes,no\n"},
        ("evaluate", "TEACHER", "--sts", "a.csv"),
        3,
        ("a.csv:1: 2 columns (left, right); expected a header with sentence1", "split at commas"),
    ),
    Case(
        "sts with a score in words",
        {"a.tsv": b"sentence1\tsentence2\tscore\na\tb\tfive\n"},
        ("evaluate", "TEACHER", "--sts", "a.tsv"),
        3,
        ("a.tsv:2: score 'five' is not a number.",),
    ),
    Case(
        "distil into a folder of other files",
        {"run/thesis.txt": b"x"},
        ("distill", "--pairs", "pairs.tsv:de", "--teacher", "TEACHER", "--out", "run"),
        2,
        ("run: is not empty, and not a run.", "Choose another --out."),
    ),
    Case("unknown tasks", {}, ("evaluate", "TEACHER", "--tasks", "mteb"), 2, ("there are no tasks 'mteb'.",)),
]


def run(words: tuple[str, ...], files: Mapping[str, bytes], teacher: Path) -> int:
    """Make the files in the current folder and run the command line; return its exit code."""
    for name, content in {"pairs.tsv": GOOD, **files}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    return main([str(teacher) if word == "TEACHER" else word for word in words])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLING_EMBED_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def check_error(text: str, told: tuple[str, ...]) -> None:
    """Check that an error is one line or a list, is no traceback, and says what it must."""
    assert "Traceback" not in text
    # Loading a model may draw a bar first.
    lines = text.strip().splitlines()
    first, *more = lines[next(n for n, line in enumerate(lines) if line.startswith(("error: ", "Usage: "))) :]
    assert first.startswith("Usage: ") or all(line.startswith("  - ") for line in more), text
    for part in told:
        assert part in text


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input(case: Case, tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(case.words, case.files, tiny_teacher)
    printed = capsys.readouterr()
    check_error(printed.err, case.told)
    assert code == case.code
    assert printed.out == ""


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 28


def test_a_corpus_of_nothing_is_warned_of(tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run((*BUILD, "--pairs", "pairs.tsv:de", "--languages", "fr"), {}, tiny_teacher) == 0
    assert "warning: nothing was kept" in capsys.readouterr().err
    assert run((*BUILD, "--pairs", "pairs.tsv:de"), {}, tiny_teacher) == 0
    assert "warning" not in capsys.readouterr().err


def test_broken_lines_are_rejected_and_counted(tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"english": f"the cat number {n}", "other": f"die Katze Nummer {n}"} for n in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows) + '{"english": "cut sh\n'
    words = (*BUILD, "--pairs", "a.jsonl:de", "--pairs", "b.tsv:de", "--json")
    assert run(words, {"a.jsonl": lines.encode(), "b.tsv": GOOD + LATIN}, tiny_teacher) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["read"] == 5 + 1 + 60 + 1
    assert (told["rejected"]["malformed"], told["rejected"]["undecodable"]) == (1, 1)


def test_a_damaged_arrow_file(tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run((*BUILD, "--pairs", "pairs.tsv:de", "--dev-fraction", "0.3"), {}, tiny_teacher) == 0
    capsys.readouterr()
    arrow = Path("out/pairs/de.arrow")
    arrow.write_bytes(arrow.read_bytes()[:100])
    assert run(("evaluate", "TEACHER", "--corpus", "out"), {}, tiny_teacher) == 4
    check_error(capsys.readouterr().err, ("out/pairs/de.arrow: ", "Build it again."))


def test_weights_cut_short(tiny_teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        f"m/{path.relative_to(tiny_teacher)}": path.read_bytes() for path in tiny_teacher.rglob("*") if path.is_file()
    }
    files["m/model.safetensors"] = files["m/model.safetensors"][:-100]
    assert run(("encode", "m", "pairs.tsv"), files, tiny_teacher) == 4
    check_error(capsys.readouterr().err, ("m: its weights are not whole", "Copy or train the model again."))


def test_standard_input_that_is_not_utf8(
    tiny_teacher: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LATIN)))
    assert run(("encode", "TEACHER", "-"), {}, tiny_teacher) == 3
    check_error(capsys.readouterr().err, ("standard input:1: not UTF-8", "iconv -f WINDOWS-1252 -t UTF-8"))


def test_every_cut_of_a_zst_file_is_noticed() -> None:
    frames = [zstandard.compress(GOOD), zstandard.compress(b""), zstandard.compress(GOOD[::-1])]
    file, ends = Path("a.tsv.zst"), [0, len(frames[0]), len(frames[0] + frames[1])]
    whole = b"".join(frames)
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        if size in ends:
            with open_plain(file) as stream:
                assert stream.read() == (GOOD if size else b"")
        else:
            with pytest.raises(DamagedFileError), open_plain(file) as stream:
                stream.read()
    file.write_bytes(whole)
    with open_plain(file) as stream:
        assert stream.read() == GOOD + GOOD[::-1]
