"""Show what harmonizing, balancing and hybrid search do to a pool of languages, and a student to its teacher's index.

XQuAD-R (LAReQA, Roy et al. 2020), all 11 languages. Questions of every language ask one pool of the sentences of all;
the sentence with the answer is relevant in each of them. Every fourth paragraph is not in the pool: offsets are
measured on its sentences. Vectors are computed once and given to every index, so that only the index differs.

- nDCG@10; mAP; Max@R, the mean rank of the last right answer (Hong et al. 2026); languages of the first ten. Rankings
  are read to rank 1,000: what is further down counts nothing to mAP, and as rank 1,000 to Max@R.
- "same language": only the language of the question is searched, by vectors alone and hybrid.
- With ``--teacher`` the English sentences are indexed by it; its student asks in every language. What is kept is its
  nDCG@10 beside that of the teacher's own English questions, and the drift is what ``index audit --student`` says.

python benchmarks/index_languages.py OUT [--model STUDENT] [--teacher NAME] [--paragraphs 48]
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from index_data import encoding, vectors_of
from index_speed import STUDENT_VARIABLE
from measure import Measurement, say

from mling_embed.corpora.fetching import resolve
from mling_embed.corpora.manifests import Role, load_manifest
from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.files import read_json
from mling_embed.indexing.index import Index
from mling_embed.languages import ENGLISH
from mling_embed.metrics.retrieval import retrieval_scores

BATCH, DEPTH = 32, 1000  # questions that rank the pool together, and how far down


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

    @property
    def languages(self) -> list[str]:
        """The languages, sorted."""
        return sorted({question.language for question in self.questions})


def read_pool(n_asked: int, n_pairs: int) -> Pool:
    """Read XQuAD-R: every fourth paragraph gives pairs, the others the pool; some of these are asked about."""
    paragraphs: dict[str, list[dict[str, Any]]] = {}
    for file in load_manifest("xquad-r").files(Role.TEST):
        data = read_json(resolve(file))["data"]
        paragraphs[str(file.language)] = [paragraph for article in data for paragraph in article["paragraphs"]]
    pooled = [number for number in range(len(paragraphs[ENGLISH])) if (number + 1) % 4]
    asked = {pooled[place] for place in np.linspace(0, len(pooled) - 1, min(n_asked, len(pooled))).astype(int)}
    pool = Pool({}, [], [])
    for language, found in sorted(paragraphs.items()):
        pairs: list[tuple[str, str, str]] = []
        for number, paragraph in enumerate(found):
            english = paragraphs[ENGLISH][number]["sentences"]
            if number not in pooled:
                if language != ENGLISH and len(english) == len(paragraph["sentences"]):
                    pairs += [
                        (one, other, language) for one, other in zip(english, paragraph["sentences"], strict=True)
                    ]
                continue
            for place, sentence in enumerate(paragraph["sentences"]):
                pool.sentences[f"{language}|{number}.{place}"] = sentence
            for question in paragraph["qas"] if number in asked else ():
                at, breaks = question["answers"][0]["answer_start"], paragraph["sentence_breaks"]
                place = max(0, sum(start <= at for start, _ in breaks) - 1)
                pool.questions.append(Question(question["question"], language, f"{number}.{place}"))
        pool.pairs.extend(pairs[:n_pairs])
    return pool


def scores(pool: Pool, answers: Sequence[list[str]]) -> dict[str, float]:
    """Return the measures of the rankings of the pool."""
    run = {str(n): ids for n, ids in enumerate(answers)}
    qrels = {str(n): {f"{language}|{q.answer}": 1 for language in pool.languages} for n, q in enumerate(pool.questions)}
    precisions, last, counts, own = [], [], Counter[str](), []
    for n, question in enumerate(pool.questions):
        ranks = [rank for rank, id_ in enumerate(run[str(n)], 1) if id_ in qrels[str(n)]]
        precisions.append(sum(found / rank for found, rank in enumerate(ranks, 1)) / len(qrels[str(n)]))
        last.append(ranks[-1] if len(ranks) == len(qrels[str(n)]) else DEPTH)
        top = [id_.partition("|")[0] for id_ in run[str(n)][:10]]
        counts.update(top)
        own.append(top.count(question.language))
    shares = np.array([counts[language] for language in pool.languages], dtype=float) / counts.total()
    entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum() / np.log(len(shares)))
    return {
        "ndcg_at_10": ndcg(run, qrels),
        "map": float(np.mean(precisions)),
        "max_at_r": float(np.mean(last)),
        "own_language_in_top_10": float(np.mean(own)),
        "language_entropy_of_top_10": entropy,
        "rarest_language_share": float(shares.min()),
        "commonest_language_share": float(shares.max()),
    }


def ndcg(run: dict[str, list[str]], qrels: dict[str, dict[str, int]]) -> float:
    """Return the mean nDCG@10."""
    return retrieval_scores({query: ids[:10] for query, ids in run.items()}, qrels, ["nDCG@10"])["nDCG@10"].mean


def mixed_pool(result: Measurement, pool: Pool, options: argparse.Namespace, folder: Path) -> None:
    """Rank the pool of all languages, plain and harmonized, each as it is and balanced; then one language alone."""
    encoder, ids = load(options.model), list(pool.sentences)
    spoken = [id_.partition("|")[0] for id_ in ids]
    asked = [question.text for question in pool.questions]
    with result.phase("encode what is not kept"):
        vectors = vectors_of(encoder, list(pool.sentences.values()), PromptRole.PASSAGE)
        queries = vectors_of(encoder, asked, PromptRole.QUERY)
    result.facts |= encoding(encoder, list(pool.sentences.values()), vectors)
    for name, pairs in (("plain", None), ("harmonized", pool.pairs)):
        with result.phase(name), Index.create(folder / name, model=encoder, harmonize=pairs) as index:
            index.add(list(pool.sentences.values()), ids, spoken, vectors=vectors)
            index.publish()
            for way, balance in ((name, None), (f"{name}, balanced", "language")):
                answers = [
                    [hit.id for hit in hits]
                    for part, language in batches(pool)
                    for hits in index.search_vectors(queries[part], DEPTH, query_language=language, balance=balance)
                ]
                record(result, way, scores(pool, answers), len(queries))
            if pairs is None:
                own_language(result, pool, index, queries)


def batches(pool: Pool) -> Iterator[tuple[slice, str]]:
    """Yield the places of a few questions at a time, all of one language, in their order, and the language."""
    for language, members in groupby(enumerate(pool.questions), lambda member: member[1].language):
        places = [place for place, _ in members]
        for start in range(0, len(places), BATCH):
            yield slice(places[start], places[min(start + BATCH, len(places)) - 1] + 1), language


def own_language(result: Measurement, pool: Pool, index: Index, queries: np.ndarray) -> None:
    """Search the language of the question alone, by vectors and hybrid."""
    qrels = {str(n): {f"{question.language}|{question.answer}": 1} for n, question in enumerate(pool.questions)}
    for way, hybrid in (("same language", False), ("same language, hybrid", True)):
        answers = [
            [hit.id for hit in hits]
            for part, language in batches(pool)
            for hits in index.search_vectors(
                queries[part], 10, [language], hybrid=hybrid, texts=[question.text for question in pool.questions[part]]
            )
        ]
        run = {str(n): ids for n, ids in enumerate(answers)}
        record(result, way, {"ndcg_at_10": ndcg(run, qrels)}, len(run))


def teacher_index(result: Measurement, pool: Pool, options: argparse.Namespace, folder: Path) -> None:
    """Let the student ask an index of its teacher, and measure what is kept of the teacher's own search."""
    english = {id_: text for id_, text in pool.sentences.items() if id_.startswith(f"{ENGLISH}|")}
    with result.phase("teacher's index"):
        with Index.create(folder / "teacher", model=options.teacher) as index:
            index.add(list(english.values()), list(english), ENGLISH)
            index.publish()
            own = asked_in(index, pool, ENGLISH)
        record(result, "teacher asks its index in en", {"ndcg_at_10": own}, len(pool.questions) // len(pool.languages))
        with Index.open(folder / "teacher", model=options.model) as index:
            for language in sorted(pool.languages, key=lambda code: (code != ENGLISH, code)):
                found = asked_in(index, pool, language)
                way = f"student asks it in {language}"
                n = sum(question.language == language for question in pool.questions)
                record(result, way, {"ndcg_at_10": found, "kept": found / own}, n)
        with Index.open(folder / "teacher", model=options.teacher) as index:
            drift = index.drift(options.model)
    result.facts["drift"] = [{name: getattr(drift, name) for name in drift.__dataclass_fields__}]


def asked_in(index: Index, pool: Pool, language: str) -> float:
    """Return nDCG@10 of the questions of a language in an index of the English sentences."""
    questions = [question for question in pool.questions if question.language == language]
    found = index.search([question.text for question in questions], 10)
    run = {str(n): [hit.id for hit in hits] for n, hits in enumerate(found)}
    return ndcg(run, {str(n): {f"{ENGLISH}|{question.answer}": 1} for n, question in enumerate(questions)})


def record(result: Measurement, way: str, found: dict[str, float], n: int) -> None:
    """Note down a way's figures."""
    result.scores.append({"task": way, "n": n, "score": found["ndcg_at_10"], **found})
    say(json.dumps(result.scores[-1]))
    name = way.replace(",", "").replace("'", "").replace(" ", "_")
    result.figures |= {
        f"{name}_{figure}": value for figure, value in found.items() if figure in ("ndcg_at_10", "map", "kept")
    }


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default=os.environ.get(STUDENT_VARIABLE), help=f"default: ${STUDENT_VARIABLE}")
    parser.add_argument("--teacher", help="the student's teacher, to index the English sentences with")
    parser.add_argument("--paragraphs", type=int, default=48, help="paragraphs that are asked about")
    parser.add_argument("--pairs", type=int, default=100, help="pairs of a language that offsets are measured on")
    options = parser.parse_args()
    if not options.model:
        parser.error(f"name a student: --model, or ${STUDENT_VARIABLE}")
    result = Measurement("index_languages", seeds=[0])
    pool = read_pool(options.paragraphs, options.pairs)
    sizes = {"sentences": len(pool.sentences), "questions": len(pool.questions), "pairs": len(pool.pairs)}
    result.facts |= {**sizes, "languages": len(pool.languages), "model": Path(options.model).name}
    with TemporaryDirectory() as folder:
        mixed_pool(result, pool, options, Path(folder))
        if options.teacher:
            teacher_index(result, pool, options, Path(folder))
    result.write(options.out)


if __name__ == "__main__":
    main()
