"""Fit closed-form heads of a pretrained encoder to samples of a corpus, and measure each on the dev split.

What is varied: pairs, English sentences alone, the kind of head, what is pooled. A translation is searched among all
English sentences of the dev split: their teacher's vectors (teacher index), or the student's own (own index). With
``--tests``, the same on Tatoeba, on languages without a pair, on news, and on the STS benchmark.

python benchmarks/pretrained_head.py CORPUS OUT --student FOLDER [--pairs 1000,3000,8000] [--tests [--news FOLDER]]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from head_tests import Encoders, Map, add_test_options
from measure import Measurement, say

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.heads import with_head
from mling_embed.encoders.loading import load, load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.students.closed_form import HeadKind, closed_form_head
from mling_embed.students.head_sample import HeadSample, english_sample, sample_pairs
from mling_embed.students.pretrained import one_prompt, with_wider_pooling
from mling_embed.training.targets import TargetStore

RIDGE, ORTHOGONAL, TRAINED = HeadKind


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length one, in fp32."""
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True).clip(min=1e-12)
    directions: np.ndarray = vectors.astype(np.float32) / lengths
    return directions


@dataclass(frozen=True)
class Dev:
    """The dev split: the student's vectors of its sentences, and the teacher's of the English ones.

    Attributes:
        english: The student's, before a head. Shape: (n_rows, width).
        teacher: Shape: (n_rows, dim).
        translations: Language -> the student's vectors and their places among the English rows.
    """

    english: np.ndarray
    teacher: np.ndarray
    translations: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, corpus: ParallelCorpus, student: TargetStore, teacher: TargetStore) -> Dev:
        """Encode the dev split."""
        rows = corpus.english_rows(Split.DEV)
        english = corpus.english_texts(rows)
        translations = {}
        for language in corpus.languages:
            table = corpus.pairs(language, Split.DEV)
            vectors = student.compute(table.text_list()).matrix()
            translations[language] = vectors, np.searchsorted(rows, table.english_rows)
        return cls(student.compute(english).matrix(), teacher.compute(english).matrix(), translations)

    def measure(self, head: Map) -> dict[str, float]:
        """Return means over languages of the accuracy in both indices, and the worst language's."""
        found: dict[str, float] = {}
        for name, index in (("teacher_index", unit(self.teacher)), ("own_index", unit(head(self.english)))):
            accuracies = [
                float(((unit(head(vectors)) @ index.T).argmax(axis=1) == places).mean())
                for vectors, places in self.translations.values()
            ]
            found |= {name: float(np.mean(accuracies)), f"{name}_worst": min(accuracies)}
        return found


def main() -> None:
    """Parse the options, fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--student", type=Path, required=True, help="folder of a multilingual encoder")
    parser.add_argument("--pairs", default="1000,3000,8000", help="sizes of the sample")
    parser.add_argument("--english", default="", help="sizes of samples of English alone, beside that of the pairs'")
    add_test_options(parser)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes = [int(size) for size in options.pairs.split(",")]
    result = Measurement("pretrained_head", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    model = load_sentence_transformer(options.student)
    one_prompt(model)
    width = with_head(model, unit_norm=False).get_embedding_dimension() or 0
    student = TargetStore(TransformerEncoder(with_wider_pooling(model)))
    teacher = TargetStore(load(DEFAULT_TEACHER))
    with result.phase("dev split"):
        dev = Dev.of(corpus, student, teacher)
    with result.phase("test sets"):
        tests = Encoders(student, teacher).tests(options)

    def measure(head: Map) -> dict[str, float]:
        return dev.measure(head) | tests.measure(head)

    def fit(name: str, sample: HeadSample, kinds: Sequence[HeadKind], *, widths: Sequence[int] = ()) -> None:
        english = corpus.english_texts(sample.rows) if not name.startswith("English") else sample.texts
        vectors, targets = student.compute(sample.texts).matrix(), teacher.compute(english).matrix()
        rows, first, place = np.unique(sample.rows, return_index=True, return_inverse=True)
        with result.phase(name):
            fitted = closed_form_head(vectors, targets[first], place, kinds=kinds, widths=widths, seed=options.seed)
        read = fitted.head.weight.shape[1]
        scores = measure(lambda part: fitted.head.apply(part[:, :read]))
        facts = {"kind": fitted.kind, "ridge": fitted.ridge, "width": read, "sentences": len(rows)}
        record: dict[str, Any] = {"task": name, "n": len(sample), "score": scores["teacher_index"], **scores, **facts}
        result.scores.append(record)
        say(f"  {name}: {scores}")

    untouched = {name: value for name, value in measure(lambda part: part[:, :width]).items() if "own" in name}
    result.scores.append({"task": "untouched", "n": 0, "score": untouched["own_index"], **untouched})
    result.figures["own_index_untouched"] = untouched["own_index"]
    for size in sizes:
        fit(f"{size} pairs", sample_pairs(corpus, pairs=size, seed=options.seed), list(HeadKind))
    whole = sample_pairs(corpus, pairs=sizes[-1], seed=options.seed)
    fit("ridge", whole, [RIDGE])
    fit("ridge, own pooling", whole, [RIDGE], widths=[width])
    fit("orthogonal", whole, [ORTHOGONAL], widths=[width])
    fit("trained, own pooling", whole, [RIDGE, TRAINED], widths=[width])
    english = english_sample(corpus.english_texts(np.unique(whole.rows)))
    fit("English alone", english, list(HeadKind))
    fit("English alone, ridge", english, [RIDGE])
    rows = corpus.english_rows(Split.TRAIN)
    for size in (int(size) for size in options.english.split(",") if size):
        chosen = np.random.default_rng(options.seed).permutation(rows)[:size]
        fit(f"English alone, {size}", english_sample(corpus.english_texts(np.sort(chosen))), list(HeadKind))
    for record in result.scores[1:]:
        key = record["task"].lower().replace(", ", "_").replace(" ", "_")
        wanted = ("teacher_index", "own_index", "tatoeba_teacher", "news_teacher", "sts_teacher")
        result.figures |= {f"{key}_{index}": record[index] for index in wanted if index in record}
    result.facts = {
        "corpus": corpus.fingerprint,
        "languages": len(corpus.languages),
        "dev_english": len(dev.english),
        "student": student.teacher.fingerprint,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
