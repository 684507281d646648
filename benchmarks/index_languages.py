"""Show what harmonizing, balancing and hybrid search do to a pool of many languages: XQuAD-R, all 11 in one pool.

Questions of every language ask a pool of the sentences of all languages; the sentence with the answer is relevant in
each of them (LAReQA, Roy et al. 2020). Offsets are measured on the sentences of other paragraphs than those that are
asked about. Vectors are computed once and given to every index, so that only the index differs.

python benchmarks/index_languages.py OUT --model FOLDER [--paragraphs 24]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from measure import Measurement, say

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.indexing.index import Index
from mling_embed.indexing.results import Hit
from mling_embed.metrics.retrieval import retrieval_scores

DEPTH = 100


class Question(NamedTuple):
    """A question, in one language, and the key of the sentence that answers it in every language."""

    text: str
    language: str
    answer: str


class Pool(NamedTuple):
    """Sentences by id (``language|key``), questions, and pairs to measure offsets on."""

    sentences: dict[str, str]
    questions: list[Question]
    pairs: list[tuple[str, str, str]]


def read_pool(n_paragraphs: int) -> Pool:
    """Read XQuAD-R: every so many paragraphs are asked about, the others give pairs."""
    paragraphs: dict[str, list[dict[str, Any]]] = {}
    for file in load_manifest("xquad-r").files(Role.TEST):
        data = json.loads(resolve(file).read_bytes())["data"]
        paragraphs[str(file.language)] = [paragraph for article in data for paragraph in article["paragraphs"]]
    step = max(1, len(paragraphs["en"]) // n_paragraphs)
    asked = list(range(0, step * n_paragraphs, step))
    pool = Pool({}, [], [])
    for language, found in sorted(paragraphs.items()):
        for number, paragraph in enumerate(found):
            english = paragraphs["en"][number]["sentences"]
            if number not in asked:
                if language != "en" and len(english) == len(paragraph["sentences"]):
                    pool.pairs.extend((one, other, language) for one, other in zip(english, paragraph["sentences"]))  # noqa: B905
                continue
            for place, sentence in enumerate(paragraph["sentences"]):
                pool.sentences[f"{language}|{number}.{place}"] = sentence
            for question in paragraph["qas"]:
                at = question["answers"][0]["answer_start"]
                breaks = paragraph["sentence_breaks"]
                place = next((p for p, (start, end) in enumerate(breaks) if start <= at < end + 1), None)
                if place is not None:
                    pool.questions.append(Question(question["question"], language, f"{number}.{place}"))
    return pool


def scores(
    questions: Sequence[Question], answers: Sequence[Sequence[Hit]], languages: Sequence[str]
) -> dict[str, float]:
    """Return nDCG@10, LAReQA's mAP, Max@R and how evenly languages share the first ten."""
    run = {str(n): [hit.id for hit in hits] for n, hits in enumerate(answers)}
    qrels = {
        str(n): {f"{language}|{question.answer}": 1 for language in languages} for n, question in enumerate(questions)
    }
    precisions, worst, counts, own = [], [], Counter[str](), []
    for n, question in enumerate(questions):
        ranks = [rank for rank, id_ in enumerate(run[str(n)], 1) if id_ in qrels[str(n)]]
        precisions.append(sum(found / rank for found, rank in enumerate(ranks, 1)) / len(languages))
        worst.append(len(ranks) == len(languages) and ranks[-1] <= DEPTH)
        top = [id_.partition("|")[0] for id_ in run[str(n)][:10]]
        counts.update(top)
        own.append(top.count(question.language))
    shares = np.array([counts[language] for language in languages], dtype=float)
    shares /= shares.sum()
    entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum() / np.log(len(languages)))
    return {
        "ndcg_at_10": ndcg(run, qrels),
        "lareqa_map": float(np.mean(precisions)),
        f"all_languages_in_{DEPTH}": float(np.mean(worst)),
        "own_language_in_top_10": float(np.mean(own)),
        "language_entropy_of_top_10": entropy,
    }


def measured(result: Measurement, options: argparse.Namespace, folder: Path) -> None:
    """Do everything, in a folder."""
    pool, encoder = read_pool(options.paragraphs), load(options.model)
    languages = sorted({question.language for question in pool.questions})
    ids = list(pool.sentences)
    spoken = [id_.partition("|")[0] for id_ in ids]
    with result.phase("encode"):
        vectors = encoder.encode(list(pool.sentences.values()), role=PromptRole.PASSAGE)
        queries = encoder.encode([question.text for question in pool.questions], role=PromptRole.QUERY)
    small = [pair for language in languages for pair in [p for p in pool.pairs if p[2] == language][: options.pairs]]
    result.facts |= {"sentences": len(ids), "questions": len(queries), "pairs": len(small), "languages": languages}
    for name, pairs in (("plain", None), ("harmonized", small)):
        with result.phase(f"index {name}"), Index.create(folder / name, model=encoder, harmonize=pairs) as index:
            index.add(list(pool.sentences.values()), ids, spoken, vectors=vectors)
            ways: dict[str, dict[str, Any]] = {name: {}, f"{name}, balanced": {"balance": "language"}}
            for way, settings in ways.items():
                answers = [
                    index.search_vectors(queries[n : n + 1], DEPTH, query_language=question.language, **settings)[0]
                    for n, question in enumerate(pool.questions)
                ]
                record(result, way, scores(pool.questions, answers, languages), len(queries))
            if pairs is None:
                asked = [question.text for question in pool.questions]
                record(
                    result,
                    "hybrid",
                    scores(pool.questions, index.search(asked, DEPTH, hybrid=True), languages),
                    len(asked),
                )
                own = [n for n, question in enumerate(pool.questions)]
                for way, hybrid in (("same language", False), ("same language, hybrid", True)):
                    hits = [index.search(asked[n], DEPTH, [pool.questions[n].language], hybrid=hybrid) for n in own]
                    run = {str(n): [hit.id for hit in found] for n, found in enumerate(hits)}
                    qrels = {str(n): {f"{q.language}|{q.answer}": 1} for n, q in enumerate(pool.questions)}
                    record(result, way, {"ndcg_at_10": ndcg(run, qrels)}, len(own))


def ndcg(run: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> float:
    """Return the mean nDCG@10."""
    return retrieval_scores(run, qrels, ["nDCG@10"])["nDCG@10"].mean


def record(result: Measurement, way: str, found: dict[str, float], n: int) -> None:
    """Note down a way's figures."""
    result.scores.append({"task": way, "n": n, "score": found["ndcg_at_10"], **found})
    say(json.dumps(result.scores[-1]))
    result.figures |= {f"{way.replace(', ', '_').replace(' ', '_')}_{name}": value for name, value in found.items()}


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", required=True)
    parser.add_argument("--paragraphs", type=int, default=240, help="paragraphs that are asked about")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of a language that offsets are measured on")
    options = parser.parse_args()
    result = Measurement("index_languages", seeds=[0])
    with TemporaryDirectory() as folder:
        measured(result, options, Path(folder))
    result.write(options.out)


if __name__ == "__main__":
    main()
