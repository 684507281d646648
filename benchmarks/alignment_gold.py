"""Align Text+Berg against its gold links, beside sentalign and bertalign on the same vectors in the same run.

Every aligner gets the same vectors of sentence runs: encoded as texts, or averaged from the sentences' vectors. The
documents and the scoring are vecalign's (strict and lax F1). Options of ours were chosen on the dev document alone.
Times are processor seconds of one thread. Published on this set, with other encoders (LASER, LaBSE): vecalign .902
strict / .986 lax, SentAlign .932 / .964.

python benchmarks/alignment_gold.py OUT --models e5-small,pretrained --peers PEERS --kept FOLDER [--encoded MODEL,...]

Models are folders, or names in $MLING_EMBED_BENCH_MODELS. Vectors are kept in FOLDER, so that encoding can be stopped.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alignment_vectors import (
    GoldDocument,
    KeptEncoder,
    bertalign,
    byte_lengths,
    gold_documents,
    peers_folder,
    sentalign,
)
from measure import Measurement, say

from mling_embed.files import cache_root
from mling_embed.mining.alignment.align import DEFAULT_MOST, links_of
from mling_embed.mining.alignment.coarse_to_fine import align_spans
from mling_embed.mining.alignment.documents import Document
from mling_embed.mining.alignment.gold import gold_scores
from mling_embed.mining.alignment.links import Link
from mling_embed.mining.alignment.spans import average_spans, encode_spans

PUBLISHED = {"vecalign (LASER)": (0.902, 0.986), "SentAlign (LaBSE)": (0.932, 0.964)}
ROUNDS = 5
Vectors = tuple[np.ndarray, np.ndarray]


def vectors_of(document: GoldDocument, encoder: KeptEncoder, most: int, *, encoded: bool) -> Vectors:
    """Return the vectors of both sides' spans."""
    both = []
    for side in (document.source, document.target):
        spans = encode_spans(side.sentences, encoder, most - 1 if encoded else 1)
        both.append(spans if encoded else average_spans(spans[0, 1:], side.sentences, most - 1))
    return both[0], both[1]


def as_read(links: list[Link], document: GoldDocument) -> list[Link]:
    """Return a peer's links with the numbers of lines, as ours have them."""
    ours, theirs = document.source.numbers, document.target.numbers
    return [Link(tuple(ours[s] for s in link.source), tuple(theirs[t] for t in link.target)) for link in links]


def characters(document: Document) -> np.ndarray:
    """Return the length of each sentence. Shape: (n_sentences,)."""
    return np.array([len(text) for text in document.sentences], dtype=np.float64)


def aligners(peers: Path | None, most: int) -> dict[str, Callable[[GoldDocument, Vectors], list[Link]]]:
    """Return every aligner as a function of a document and its vectors."""

    def ours(document: GoldDocument, spans: Vectors) -> list[Link]:
        source, target = document.source, document.target
        return list(links_of(align_spans(*spans, (characters(source), characters(target)), most=most), source, target))

    found: dict[str, Callable[[GoldDocument, Vectors], list[Link]]] = {"mling_embed": ours}
    if peers is None:
        return found
    vecalign, two_passes = sentalign(peers), bertalign(peers)
    found["sentalign"] = lambda document, spans: as_read(vecalign(spans[0][:, 1:], spans[1][:, 1:], most), document)

    def bert(document: GoldDocument, spans: Vectors) -> list[Link]:
        lengths = [byte_lengths(side.sentences, most - 1) for side in (document.source, document.target)]
        contiguous = [np.ascontiguousarray(each[:, 1:]) for each in spans]
        return as_read(two_passes(contiguous[0], contiguous[1], most, *lengths), document)

    found["bertalign"] = bert
    return found


def measure(
    result: Measurement, name: str, documents: list[GoldDocument], spans: list[Vectors], peers: Path | None, most: int
) -> None:
    """Score every aligner on every document, and time them in turn."""
    contestants = aligners(peers, most)
    seconds: dict[str, list[float]] = {aligner: [] for aligner in contestants}
    for number in range(ROUNDS + 1):  # the first compiles
        for aligner, align in contestants.items():
            began = time.process_time()
            links = [align(document, each) for document, each in zip(documents, spans, strict=True)]
            if number:
                seconds[aligner].append(time.process_time() - began)
                continue
            scores = gold_scores([(mine, document.gold) for mine, document in zip(links, documents, strict=True)])
            record: dict[str, Any] = {"task": name, "aligner": aligner, "n": sum(len(each.gold) for each in documents)}
            record |= {"score": scores.strict.f1, "lax": scores.lax.f1}
            record |= {"strict_precision": scores.strict.precision, "strict_recall": scores.strict.recall}
            result.scores.append(record)
            say(f"{name}, {aligner}: strict {scores.strict.f1:.4f}, lax {scores.lax.f1:.4f}")
    medians = {aligner: statistics.median(times) for aligner, times in seconds.items()}
    for record in result.scores[-len(contestants) :]:
        record["seconds"] = medians[record["aligner"]]
        record["time_ratio"] = medians[record["aligner"]] / medians["mling_embed"]
    mine = result.scores[-len(contestants)]
    result.figures |= {f"strict {name}": mine["score"], f"lax {name}": mine["lax"]}


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--models", required=True, help="folders or names, separated by commas")
    parser.add_argument("--encoded", default="", help="those of them whose sentence runs are encoded too")
    parser.add_argument("--peers", type=Path, default=peers_folder(), help="the folder with sentalign and bertalign")
    parser.add_argument("--kept", type=Path, default=cache_root() / "benchmarks", help="where vectors are kept")
    parser.add_argument("--most", type=int, default=DEFAULT_MOST, help="sentences of a link")
    parser.add_argument("--split", default="test", help="dev or test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = Measurement("alignment_gold", facts={"most": options.most, "split": options.split, "rounds": ROUNDS})
    result.facts["published"] = [
        {"aligner": name, "strict": strict, "lax": lax} for name, (strict, lax) in PUBLISHED.items()
    ]
    documents = gold_documents(options.split)
    for model in options.models.split(","):
        encoder = KeptEncoder(model, options.kept)
        for encoded in (False, True):
            if encoded and model not in options.encoded.split(","):
                continue
            name = f"{Path(model).name}, {'encoded' if encoded else 'averaged'}"
            with result.phase(f"vectors: {name}"):
                spans = [vectors_of(document, encoder, options.most, encoded=encoded) for document in documents]
            measure(result, name, documents, spans, options.peers, options.most)
    result.write(options.out)


if __name__ == "__main__":
    main()
