"""Pair the documents of two shuffled folders, a fifth of each without a partner: precision and recall.

Text+Berg's documents are cut at gold links into pieces of a page, German and French. The news sets give single
sentences, so that their documents are made: some gold pairs in their order, and among them on each side a quarter as
many sentences without a translation. Every folder is written to disk under numbers that say nothing, read as `align`
reads it and paired as `--pair-documents` pairs it. Beside it: documents whose mean vectors are each other's nearest,
which needs no alignment and leaves none out.

python benchmarks/document_pairing.py OUT [--model e5-small] [--languages de,ru,…] [--kept FOLDER] [--seed 0]

The model is a folder, or a name in $MLING_EMBED_BENCH_MODELS.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from alignment_vectors import KeptEncoder, gold_documents
from measure import Measurement, say
from mining_vectors import KeptVectors, rows_of, set_file

from mling_embed.encoders.contract import PromptRole
from mling_embed.files import cache_root, write_text
from mling_embed.mining.alignment.align import AlignOptions
from mling_embed.mining.alignment.folders import FolderDocuments, match_by_content, read_folder
from mling_embed.neighbors.vectors import unit_rows

PIECE = (20, 60)  # sentences of a piece of Text+Berg
GOLD = (8, 16)  # gold pairs of a document of news
NOISE = 4  # gold pairs for each sentence without a translation
LANGUAGES = ("de", "ru", "zh", "ja", "uk", "cs", "pl", "ta", "is", "hr", "ha", "km", "ps")
ALONE = 6  # of so many documents one stands in the first folder alone, and one in the second
Pair = tuple[list[str], list[str]]
Matches = set[tuple[str, str]]


class KnownVectors:
    """Encode texts whose vectors are known, and others as a `KeptEncoder` does."""

    def __init__(self, kept: KeptEncoder) -> None:
        self._kept = kept
        self._known: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    def know(self, language: str) -> None:
        """Take the vectors of a mining set from where they are kept."""
        kept = KeptVectors(self._kept.inner)
        for side in (language, "en"):
            texts = rows_of(language, side)[1]
            self._known |= zip(texts, kept.encode(texts), strict=True)

    def encode(self, texts: Sequence[str], *, role: PromptRole | None = None, done: Any = None) -> np.ndarray:
        """Return the vectors of texts. Shape: (n_texts, dim)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= zip(new, self._kept.encode(new, role=role), strict=True)
        return np.stack([self._known[text] for text in texts])


def text_berg(drawn: np.random.Generator) -> Iterator[Pair]:
    """Yield pieces of the documents of Text+Berg, dev and test, cut where a gold link ends on both sides."""
    for document in [*gold_documents("dev"), *gold_documents("test")]:
        sides = [dict(zip(each.numbers, each.sentences, strict=True)) for each in (document.source, document.target)]
        links = sorted((link for link in document.gold if link.source and link.target), key=lambda link: link.source)
        piece: Pair = ([], [])
        length = int(drawn.integers(*PIECE))
        for link in links:
            for part, numbers, side in zip(piece, (link.source, link.target), sides, strict=True):
                part += [side[number] for number in numbers if number in side]
            if len(piece[0]) >= length:
                yield piece
                piece, length = ([], []), int(drawn.integers(*PIECE))


def news(language: str, drawn: np.random.Generator) -> Iterator[Pair]:
    """Yield documents made of a news set's gold pairs, with other sentences among them."""
    sides = [dict(zip(*rows_of(language, side), strict=True)) for side in (language, "en")]
    lines = set_file(language, "gold").read_text(encoding="utf-8").split("\n")
    gold = [line.split("\t") for line in lines if line]
    others = [
        list(drawn.permutation([text for name, text in side.items() if name not in names]))
        for side, names in zip(sides, map(set, zip(*gold, strict=True)), strict=True)
    ]
    start = 0
    while start + GOLD[1] <= len(gold):
        stop = start + int(drawn.integers(*GOLD))
        piece: Pair = ([], [])
        for part, side, names, left in zip(piece, sides, zip(*gold[start:stop], strict=True), others, strict=True):
            part += [side[name] for name in names]
            for _ in range((stop - start) // NOISE):
                part.insert(int(drawn.integers(len(part) + 1)), str(left.pop()))
        yield piece
        start = stop


@dataclass(frozen=True, slots=True)
class Written:
    """Hold two folders, and which documents of them belong together."""

    ours: FolderDocuments
    theirs: FolderDocuments
    gold: Matches


def written(documents: Sequence[Pair], languages: tuple[str, str], folder: Path, drawn: np.random.Generator) -> Written:
    """Write two folders of shuffled documents, of which one in five has no partner, and read them."""
    sides = [
        [number for number in range(len(documents)) if number % ALONE != missing] for missing in (ALONE - 1, ALONE - 2)
    ]
    names: list[dict[int, str]] = []
    for which, (numbers, language) in enumerate(zip(sides, languages, strict=True)):
        shuffled = drawn.permutation(numbers).tolist()
        names.append({number: f"{place:04d}" for place, number in enumerate(shuffled)})
        for number, name in names[-1].items():
            write_text(folder / language / f"{name}.txt", "\n".join(documents[number][which]) + "\n")
    read = [read_folder(f"{folder / language}:{language}", AlignOptions()) for language in languages]
    both = set(names[0]) & set(names[1])
    return Written(read[0], read[1], {(names[0][number], names[1][number]) for number in both})


def nearest(folders: Written, encoder: KnownVectors) -> Matches:
    """Return the documents whose mean vectors, less their side's mean, are each other's nearest."""
    means = []
    for side in (folders.ours, folders.theirs):
        rows = [
            unit_rows(encoder.encode(document.sentences, role=PromptRole.QUERY)) for document in side.documents.values()
        ]
        mean = np.concatenate(rows).mean(axis=0)
        means.append(unit_rows(np.stack([unit_rows(each - mean).mean(axis=0) for each in rows])))
    scores = means[0] @ means[1].T
    names = list(folders.ours.documents), list(folders.theirs.documents)
    forward, backward = scores.argmax(axis=1), scores.argmax(axis=0)
    return {(names[0][one], names[1][other]) for one, other in enumerate(forward) if backward[other] == one}


def score(name: str, found: Matches, gold: Matches, documents: tuple[int, int]) -> dict[str, Any]:
    """Return precision, recall and F1 of pairs of documents."""
    right = len(found & gold)
    precision, recall = right / max(len(found), 1), right / len(gold)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    say(f"{name}: precision {precision:.3f}, recall {recall:.3f} ({len(found)} pairs, {len(gold)} gold)")
    figures = {"precision": precision, "recall": recall, "score": f1, "pairs": len(found)}
    return {"task": name, "n": len(gold), **figures, "documents": list(documents)}


def main() -> None:
    """Parse the options, write the folders, pair, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--languages", default=",".join(LANGUAGES), help="of the news sets")
    parser.add_argument("--kept", type=Path, default=cache_root() / "benchmarks", help="where vectors are kept")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("document_pairing", seeds=[options.seed])
    encoder = KnownVectors(KeptEncoder(options.model, options.kept))
    drawn = np.random.default_rng(options.seed)
    sets: dict[str, tuple[list[Pair], tuple[str, str]]] = {"Text+Berg": (list(text_berg(drawn)), ("de", "fr"))}
    for language in options.languages.split(","):
        encoder.know(language)
        sets[f"news {language}-en"] = (list(news(language, drawn)), (language, "en"))
    totals = {"mling_embed": [0, 0, 0], "nearest": [0, 0, 0]}
    for name, (documents, languages) in sets.items():
        with TemporaryDirectory() as folder, result.phase(name):
            folders = written(documents, languages, Path(folder), drawn)
            sizes = len(folders.ours.documents), len(folders.theirs.documents)
            matched = match_by_content(folders.ours, folders.theirs, encoder)
            ways = {
                "mling_embed": {(one, other) for one, other, _ in matched.pairs},
                "nearest": nearest(folders, encoder),
            }
        for way, found in ways.items():
            result.scores.append(score(f"{name}: {way}", found, folders.gold, sizes))
            counts = len(found & folders.gold), len(found), len(folders.gold)
            totals[way] = [before + more for before, more in zip(totals[way], counts, strict=True)]
    for way, (right, n_found, n_gold) in totals.items():
        result.figures |= {f"precision {way}": right / n_found, f"recall {way}": right / n_gold}
    result.facts |= {
        "model": options.model,
        "sentences_a_document": {
            name: sum(len(one) for one, _ in each) / len(each) for name, (each, _) in sets.items()
        },
        "without_partner": 1 / (ALONE - 1),
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
