"""Measure what changes a trained encoder without training it: a smaller vocabulary, fewer layers, shorter vectors.

1. Vocabulary: the teacher trimmed to the English of a built corpus; with --student, a multilingual student trimmed to
   English and a few languages of it. Rows, megabytes, sentences a second, and the quality before and after.
2. Layers: the teacher with fewer of its layers, evenly spaced; Spearman on the English STS benchmark, speed.
3. Dimensions: the teacher behind the rotation to the principal axes of its vectors of the corpus. Prefixes as plain
   `SentenceTransformer(folder, truncate_dim=k)` gives them; the share of squared length that they keep, and their error
   above that of the singular value decomposition, which none can beat.

python benchmarks/student_tables.py CORPUS OUT [--student DIR] [--languages de fr]
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import Measurement, say
from numpy import ndarray
from sentence_transformers import SentenceTransformer

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.anatomy import encoder_layers, token_embedding
from mling_embed.encoders.heads import behind
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.pca import Rotation
from mling_embed.encoders.precision import Precision
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.stsb import tasks as stsb_tasks
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.evaluation.tasks.bitext import BitextTask
from mling_embed.evaluation.tasks.contract import Task
from mling_embed.evaluation.tasks.sts import StsTask
from mling_embed.languages import ENGLISH
from mling_embed.training.targets import TargetStore

STUDENT_VARIABLE = "MLING_EMBED_BENCH_STUDENT"
DIMS = (384, 256, 192, 128, 96, 64, 32)
SPEED_ROUNDS = 3
SAME_TEXTS = 256


def sentences_per_second(model: SentenceTransformer, texts: Sequence[str]) -> float:
    """Return how many sentences plain `encode` does in a second: the median of the rounds."""
    model.encode(list(texts[:32]), show_progress_bar=False)
    found = []
    for _ in range(SPEED_ROUNDS):
        began = time.perf_counter()
        model.encode(list(texts), show_progress_bar=False)
        found.append(len(texts) / (time.perf_counter() - began))
    return float(np.median(found))


def score(model: SentenceTransformer, tasks: Sequence[Task]) -> float:
    """Return a model's mean score of tasks, in fp32."""
    encoder = TransformerEncoder(model, prompt="", precision=Precision.FP32)
    return float(np.mean([result.score for result in evaluate(encoder, tasks)]))


def cut(task: Task, limit: int | None) -> Task:
    """Return the first rows of a task."""
    if isinstance(task, BitextTask):
        return replace(task, source_texts=task.source_texts[:limit], target_texts=task.target_texts[:limit])
    if isinstance(task, StsTask):
        return StsTask(task.label, task.sentences1[:limit], task.sentences2[:limit], task.scores[:limit])
    return task


def megabytes(model: SentenceTransformer) -> float:
    """Return the size of all weights, in millions of bytes."""
    return sum(each.numel() * each.element_size() for each in model.parameters()) / 1e6


def corpus_texts(corpus: ParallelCorpus, languages: Sequence[str], *, most: int, seed: int) -> Iterator[list[str]]:
    """Yield training sentences in English and some languages: a list each, of at most so many."""
    random = np.random.default_rng(seed)
    english = corpus.english_rows(Split.TRAIN)
    yield corpus.english_texts(np.sort(random.permutation(english)[:most]))
    for language in languages:
        table = corpus.pairs(language, Split.TRAIN)
        yield table.text_list(np.sort(random.permutation(len(table))[:most]))


def trimmed(
    result: Measurement,
    name: str,
    model: SentenceTransformer,
    parts: Sequence[Sequence[str]],
    tasks: dict[str, Sequence[Task]],
    *,
    n_speed: int,
) -> None:
    """Trim a model in place, and compare it with what it was."""
    random = np.random.default_rng(0)
    texts = [part[place] for part in parts for place in random.integers(0, len(part), n_speed // len(parts))]
    rows: dict[str, dict[str, Any]] = {}
    vectors: dict[str, ndarray] = {}
    for state in ("before", "after"):
        if state == "after":
            began = time.perf_counter()
            done = trim_vocabulary(model, parts)
            result.seconds[f"trimming {name}"] = round(time.perf_counter() - began, 3)
            result.figures[f"rows_kept_{name}"] = done.rows_after / done.rows_before
        found = rows.setdefault(state, {})
        found |= {"rows": len(token_embedding(model).weight), "megabytes": megabytes(model)}
        found |= {"sentences_per_second": sentences_per_second(model, texts)}
        found |= {suite: score(model, members) for suite, members in tasks.items()}
        vectors[state] = model.encode(texts[:SAME_TEXTS], show_progress_bar=False)
        shown = {suite: found[suite] for suite in list(tasks)[1:]}
        row = {"task": f"vocabulary of {name}, {state}", "n": len(texts), "score": found[next(iter(tasks))]}
        result.scores.append(row | {key: value for key, value in found.items() if key not in tasks} | shown)
        say(f"  {result.scores[-1]}")
    result.figures[f"trim_difference_{name}"] = float(np.abs(vectors["after"] - vectors["before"]).max())
    for suite in tasks:
        result.figures[f"trim_loss_{name}_{suite}"] = rows["before"][suite] - rows["after"][suite]


def pruned(
    result: Measurement, model: SentenceTransformer, counts: Sequence[int], texts: Sequence[str], tasks: Sequence[Task]
) -> None:
    """Measure a model with fewer layers."""
    n_layers = len(encoder_layers(model))
    for kept in counts:
        chosen = choose_layers(n_layers, kept)
        short = prune_layers(copy.deepcopy(model), chosen)
        found = {"score": score(short, tasks), "sentences_per_second": sentences_per_second(short, texts)}
        row = {"task": f"{kept} of {n_layers} layers", "n": len(texts), **found, "megabytes": megabytes(short)}
        result.scores.append({**row, "layers": " ".join(map(str, chosen))})
        result.figures[f"sts_en_{kept}_layers"] = found["score"]
        result.figures[f"speed_{kept}_layers"] = (
            found["sentences_per_second"] / result.scores[0]["sentences_per_second"]
        )
        say(f"  {result.scores[-1]}")


def excess_error(rotation: Rotation, vectors: ndarray, dims: Sequence[int]) -> dict[int, float]:
    """Return by how much each prefix's share of lost squared length is above that of the singular value decomposition.

    The optimum comes from singular values of the vectors, not from the moment matrix that the rotation is made of.
    """
    exact = vectors.astype(np.float64)
    whole = float(np.square(exact).sum())
    squares = np.square(np.linalg.svd(exact, compute_uv=False))
    axes = rotation.matrix.astype(np.float64)
    found = {}
    for dim in dims:
        lost = float(np.square(exact - exact @ axes[:dim].T @ axes[:dim]).sum()) / whole
        found[dim] = lost - float(squares[dim:].sum()) / whole
    return found


def prefixes(
    result: Measurement, model: SentenceTransformer, vectors: ndarray, dims: Sequence[int], tasks: Sequence[Task]
) -> None:
    """Measure prefixes of a model's vectors behind the rotation that was fitted to some of them."""
    rotation = Rotation.fit(vectors)
    excess = excess_error(rotation, vectors, dims)
    with TemporaryDirectory() as folder:
        behind(model, rotation).save(folder, create_model_card=False)
        for dim in dims:
            short = SentenceTransformer(folder, device="cpu", truncate_dim=dim)
            found = {"score": score(short, tasks), "kept": rotation.kept(dim), "excess_error": excess[dim]}
            result.scores.append({"task": f"first {dim} dimensions", "n": len(vectors), **found})
            result.figures[f"sts_en_{dim}_dims"] = found["score"]
            say(f"  {result.scores[-1]}")
    result.figures["excess_error"] = max(map(abs, excess.values()))


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument(
        "--student",
        type=Path,
        default=os.environ.get(STUDENT_VARIABLE),
        help=f"a transplanted student's folder [default: ${STUDENT_VARIABLE}; without it, its part is left out]",
    )
    parser.add_argument("--languages", nargs="+", default=["de", "fr"], help="to which the student is trimmed")
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 5, 4, 3])
    parser.add_argument("--dims", type=int, nargs="+", default=DIMS)
    parser.add_argument("--vectors", type=int, default=20_000, help="English sentences that the rotation is fitted to")
    parser.add_argument("--sentences", type=int, default=200_000, help="of each language, that vocabularies are cut to")
    parser.add_argument("--speed-sentences", type=int, default=512, help="that the speed is measured with")
    parser.add_argument("--limit", type=int, help="sentences of a task, for a rehearsal")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("student_tables", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    sts = [cut(task, options.limit) for task in stsb_tasks([ENGLISH])]
    tatoeba = [cut(task, options.limit) for task in tatoeba_tasks(options.languages)]
    english = corpus.english_rows(Split.TRAIN)
    drawn = np.sort(np.random.default_rng(options.seed).permutation(english)[: options.vectors])
    fitted_to = corpus.english_texts(drawn)
    n_speed = options.speed_sentences
    speed_texts = fitted_to[:: max(1, len(fitted_to) // n_speed)][:n_speed]
    teacher = load_sentence_transformer(DEFAULT_TEACHER, device="cpu")
    with result.phase("the teacher's vectors"):
        targets = TargetStore(TransformerEncoder(teacher)).compute(fitted_to)
    with result.phase("layers"):
        pruned(result, teacher, options.layers, speed_texts, sts)
    with result.phase("dimensions"):
        prefixes(result, teacher, targets.matrix(), options.dims, sts)
    with_student = options.languages if options.student is not None else []
    parts = list(corpus_texts(corpus, with_student, most=options.sentences, seed=options.seed))
    with result.phase("vocabulary of the teacher"):
        trimmed(result, "teacher", copy.deepcopy(teacher), parts[:1], {"sts_en": sts}, n_speed=n_speed)
    if options.student is not None:
        student = load_sentence_transformer(options.student, device="cpu")
        with result.phase("vocabulary of the student"):
            trimmed(result, "student", student, parts, {"sts_en": sts, "tatoeba": tatoeba}, n_speed=n_speed)
    result.facts = {
        "corpus": corpus.fingerprint,
        "vectors": len(fitted_to),
        "sentences_a_language": options.sentences,
        "targets_computed": targets.computed,
        "student": options.student is not None,
        "languages": " ".join(options.languages),
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
