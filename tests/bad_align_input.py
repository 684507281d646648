"""Bad input to the verb ``align``: the command, its exit code, and what it must say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GERMAN = ["Das Haus ist rot.", "Es hat ein Dach.", "", "Der Garten ist groß."]
ENGLISH = ["The house is red and has a roof.", "The garden is large.", "An aside that says something else."]
ALIGN = ["align", "x.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"]


def write_documents() -> None:
    """Write two documents with their vectors, and folders with them, where we are."""
    ways = np.eye(6, dtype=np.float32)
    np.save("de.npy", ways[[0, 1, 5, 2]])
    np.save("en.npy", np.stack([ways[0] + ways[1], ways[2], ways[4]]))
    for language, texts in (("de", GERMAN), ("en", ENGLISH)):
        text = "\n".join(texts) + "\n"
        Path(f"x.{language}").write_text(text, encoding="utf-8")
        Path(language).mkdir()
        Path(language, f"1.{language}").write_text(text, encoding="utf-8")
    Path("x.gold").write_text("[0, 1]:[0]\n[3]:[1]\n[]:[2]\n")
    Path("empty").mkdir(exist_ok=True)


BAD = [
    (["align", "x.de", "x.en"], 2, "neither a model nor vectors"),
    (["align", "x.de", "x.en", "--vectors", "de.npy"], 2, "--vectors is given 1 time(s), for 2 documents"),
    ([*ALIGN, "--model", "m"], 2, "a model and vectors: give one of them"),
    (["align", "no.de", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"], 3, "no.de: no such file"),
    (["align", "x.de", "x.en", "--vectors", "no.npy", "--vectors", "en.npy"], 3, "no.npy: no such file"),
    (["align", "x.de", "x.en", "--vectors", "en.npy", "--vectors", "en.npy"], 3, "3 vectors for 4 sentences"),
    ([*ALIGN, "--out", "a.xlsx"], 2, "alignments are not written as '.xlsx'"),
    ([*ALIGN, "--out", "de"], 2, "de: is a folder, expected a file for two documents. Give de/aligned.tsv."),
    ([*ALIGN, "--out", "a.tsv", "--format", "tmx"], 2, "--out is tsv, and --format tmx"),
    ([*ALIGN, "--format", "tmx"], 2, "tmx is not printed. Give --out pairs.tmx."),
    ([*ALIGN, "--format", "xml"], 2, "'xml' is no aligned format. Choose one of ladder"),
    ([*ALIGN, "--spans", "all"], 2, "'all' is no spans. Choose one of encoded, averaged."),
    ([*ALIGN, "--split", "words"], 2, "'words' is no split. Choose one of lines, sentences."),
    ([*ALIGN, "--max-link", "1"], 2, "links of 1 sentences, expected 2 to 16"),
    ([*ALIGN, "--skip", "2"], 2, "a skip cost of 2.0"),
    ([*ALIGN, "--gold", "no.gold"], 3, "no.gold: no such file"),
    ([*ALIGN, "--gold", "x.de"], 3, "x.de:1: 'Das Haus ist rot.' is no link"),
    (["align", "x.xy:qqq", "x.en", "--vectors", "de.npy", "--vectors", "en.npy"], 2, "'qqq' is not a language code"),
    (["align", "de", "x.en", "--model", "TEACHER"], 3, "x.en: is a file, and the other side a folder"),
    (["align", "de", "empty", "--model", "TEACHER"], 3, "empty: no document in this folder"),
    (["align", "de", "none", "--model", "TEACHER"], 3, "none: no such folder"),
    (["align", "de", "en", "--gold", "x.gold", "--model", "TEACHER"], 2, "--vectors and --gold are for two documents"),
    (["align", "de", "en", "--out", "a.tsv", "--model", "no/such/model"], 3, "no/such/model: no such model folder"),
    (["align", "x.de", "x.en", "--pair-documents", "--model", "TEACHER"], 3, "x.de: is a file, and the other side"),
]
