"""Teach a student a language that it was trained without, and measure every language before and after.

python benchmarks/add_language.py CORPUS OUT --language ko --steps 500 [--student DIR] [--replay 1.0]
    [--set learning_rate=1e-4] [--run DIR]

The corpus holds the new language and the old ones. The student was trained on the old ones alone; without ``--student``
and without a folder in $MLING_EMBED_BENCH_STUDENT one is made so first: static, transplanted, trained. ``--replay 0``
replays no old language: what is forgotten then says what replay is worth.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import CHOSEN, Measurement, say, talk
from pool_transplant import PAIRS_OF_LANGUAGE, capped, given_settings, settings_of

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.fitness import examine
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.languages import ENGLISH
from mling_embed.students.extended import (
    Added,
    add_vocabulary,
    student_to_extend,
)
from mling_embed.students.forgetting import NewBesideOld, changed_shares
from mling_embed.students.replay import replay_set, replayed_pairs
from mling_embed.students.static import fit_static_student
from mling_embed.students.transplant import transplanted_student
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets, TargetStore
from mling_embed.training.trainer import train
from mling_embed.training.training_set import training_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEV, TEST = "dev", "tatoeba-v1"
STUDENT_VARIABLE = "MLING_EMBED_BENCH_STUDENT"


def accuracies(student: SentenceTransformer, dev: DevAccuracy, languages: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the accuracy and the number of sentences of each language, by suite."""
    sizes = {language: len(texts) for language, (texts, _, _) in dev.languages.items()}
    found = {DEV: {name: (score, sizes[name]) for name, score in dev.by_language(student).items()}}
    results: Iterable[TaskResult] = []
    if languages:
        results = evaluate(TransformerEncoder(student), list(tatoeba_tasks(languages)))
    found[TEST] = {r.label.languages[0]: (r.score, r.n) for r in results}
    return found


def compared(
    result: Measurement, new: str, before: Mapping[str, Any], after: Mapping[str, Any], changed: Mapping[str, float]
) -> None:
    """Write down the forgetting table, and the figures that sum it up."""
    for suite, languages in before.items():
        for language in sorted(languages, key=lambda name: (name != new, name)):
            (old_score, n), (score, _) = languages[language], after[suite][language]
            role = "new" if language == new else "english" if language == ENGLISH else "old"
            result.scores.append(
                {
                    "suite": suite,
                    "task": language,
                    "role": role,
                    "n": n,
                    "before": old_score,
                    "score": score,
                    "change": score - old_score,
                    "changed_share": changed.get(language),
                }
            )
        rows = [each for each in result.scores if each["suite"] == suite]
        name = suite.partition("-")[0]
        old = [row for row in rows if row["role"] == "old"]
        if old:
            result.figures[f"{name}_old_change"] = float(np.mean([row["change"] for row in old]))
            result.figures[f"{name}_old_worst_change"] = min(row["change"] for row in old)
        for row in (row for row in rows if row["role"] == "new"):
            result.figures[f"{name}_new_before"] = row["before"]
            result.figures[f"{name}_new"] = row["score"]


def without(corpus: ParallelCorpus, language: str) -> ParallelCorpus:
    """Return a corpus as if it had no pairs of a language; its English sentences stay."""
    pairs = {name: count for name, count in corpus.info["pairs"].items() if name != language}
    return ParallelCorpus(corpus.path, {**corpus.info, "pairs": pairs})


def student_of_others(
    result: Measurement,
    corpus: ParallelCorpus,
    targets: Targets,
    teacher: TransformerEncoder,
    options: argparse.Namespace,
    run: Path,
) -> SentenceTransformer:
    """Make a student of all languages but the new one."""
    others = without(corpus, options.language)
    with result.phase("student of the others: start"):
        static = fit_static_student(others, targets, run / "static", seed=options.seed)
        start, _ = transplanted_student(teacher.model, static, others)
        student = fit_head(start, dim=teacher.dim, unit_norm=examine(teacher).unit_norm)
    with result.phase("student of the others: training"):
        everything = training_sentences(others, plain_tokenizer(student))
        sentences = capped(everything, PAIRS_OF_LANGUAGE, seed=options.seed)
        settings = settings_of([], sentences, options.sentences, seed=options.seed)
        dev = DevAccuracy(others, targets, seed=options.seed)
        train(
            student,
            sentences,
            targets,
            settings=settings,
            folder=run / "others",
            seed=options.seed,
            measure=dev if dev else None,
            progress=talk,
        )
    result.facts["sentences_of_the_others"] = options.sentences
    return student


def extended(
    result: Measurement, student: SentenceTransformer, corpus: ParallelCorpus, dev: DevAccuracy, language: str
) -> SentenceTransformer:
    """Give the student vocabulary for the language, having measured both ways in which new rows can start."""
    with result.phase("vocabulary"):
        composed = copy.deepcopy(student)
        add_vocabulary(composed, corpus, language, align=False)
        added: Added = add_vocabulary(student, corpus, language)
    result.facts |= {
        "pieces": added.pieces,
        "aligned": added.aligned,
        "tokens_per_english_token": added.coverage.tokens_per_english_token,
        "unknown_share": added.coverage.unknown_share,
    }
    with result.phase("evaluation: start"):
        for name, model in (("composed", composed), ("aligned", student)):
            for place, score in dev.by_language(model).items():
                if place == language:
                    result.figures[f"dev_new_start_{name}"] = score
                    say(f"before training, rows {name}: {score:.4f}")
    return student


def trained(
    result: Measurement,
    start: SentenceTransformer,
    corpus: ParallelCorpus,
    targets: Targets,
    dev: DevAccuracy,
    options: argparse.Namespace,
    run: Path,
) -> None:
    """Train the student on the language's pairs and the replayed ones."""
    chosen = replayed_pairs(corpus, [options.language], ratio=options.replay, seed=options.seed)
    # A new language has few dev sentences: the best of several measurements would be the luckiest.
    last = {"max_steps": options.steps, "eval_steps": options.steps, "save_steps": max(1, options.steps // 4)}
    settings = TrainingSettings(**{**last, **given_settings(options.set)})
    result.facts |= {
        "pairs": {language: len(rows) for language, rows in chosen.items()},
        "train": asdict(settings),
    }
    with result.phase("tokenizing"):
        sentences = replay_set(corpus, chosen, start)
    with result.phase("training"):
        state = train(
            start,
            sentences,
            targets,
            settings=settings,
            folder=run / "extended",
            seed=options.seed,
            measure=NewBesideOld(dev, [options.language]),
            progress=talk,
        )
    result.facts |= {"sentences": state.sentences, "best_step": state.best_step}


def measured(
    result: Measurement,
    corpus: ParallelCorpus,
    targets: Targets,
    teacher: TransformerEncoder,
    options: argparse.Namespace,
    run: Path,
) -> SentenceTransformer:
    """Extend a student, and measure it before and after; its training is in `run`."""
    if options.student:
        name, new = str(options.student), (options.language,)
        student = student_to_extend(name, corpus, new_languages=new, dim=teacher.dim)
    else:
        student = student_of_others(result, corpus, targets, teacher, options, run)
        write_model(student, run / "student", model_card="")
    dev = DevAccuracy(corpus, targets, seed=options.seed, english=True)
    tested = dict.fromkeys([options.language, *CHOSEN])
    tests = () if options.no_tests else tuple(name for name in tested if name in corpus.languages)
    with result.phase("evaluation: before"):
        tokenizer, before = student.tokenizer, accuracies(student, dev, tests)
    start = extended(result, student, corpus, dev, options.language)
    changed = changed_shares(dev, tokenizer, start.tokenizer)
    start = fit_head(start, dim=teacher.dim, unit_norm=examine(teacher).unit_norm)
    trained(result, start, corpus, targets, dev, options, run)
    with result.phase("evaluation: after"):
        after = accuracies(start, dev, tests)
    result.facts |= {
        "corpus": corpus.fingerprint,
        "language": options.language,
        "replay_ratio": options.replay,
        "student_made_here": options.student is None,
    }
    compared(result, options.language, before, after, changed)
    return start


def main() -> None:
    """Parse the options, extend, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made, old languages and new")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    kept = os.environ.get(STUDENT_VARIABLE)
    parser.add_argument("--student", type=Path, default=kept, help="a transformer student [default: made here]")
    parser.add_argument("--sentences", type=int, default=250_000, help="that a student made here sees")
    parser.add_argument("--language", required=True, help="the one that it was trained without")
    parser.add_argument("--steps", type=int, default=500, help="steps of the training")
    parser.add_argument("--replay", type=float, default=1.0, help="replayed pairs over new ones")
    parser.add_argument("--set", action="append", default=[], help="a setting of the training")
    parser.add_argument("--teacher", default=DEFAULT_TEACHER, help="a folder, or a name of the hub")
    parser.add_argument("--model", type=Path, help="keep the model in this folder")
    parser.add_argument("--run", type=Path, help="folder of the training, to go on after a stop [default: temporary]")
    parser.add_argument("--no-tests", action="store_true", help="measure on the dev split alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("add_language", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    teacher = TransformerEncoder(load_sentence_transformer(options.teacher))
    with result.phase("targets"):
        targets = TargetStore(teacher).compute(corpus.english_texts())
    with TemporaryDirectory() as temporary:
        start = measured(result, corpus, targets, teacher, options, options.run or Path(temporary))
    if options.model:
        write_model(start, options.model, model_card="")
    result.write(options.out)


if __name__ == "__main__":
    main()
