"""Train a transplanted student on a built corpus, and measure it on the way.

Rows of the course stand at 0, 50,000, 250,000, ... sentences, and at the end for the weights that are kept.

python benchmarks/pool_transplant.py CORPUS OUT [--static MODEL] [--sentences 1000000] [--set contrastive_weight=0.1]
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from comparison import SIGNIFICANT, beside, by_suite
from full_evaluation import full_evaluation
from measure import CHOSEN, Measurement, say, talk

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.fitness import examine
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.stsb import tasks as stsb_tasks
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.evaluation.tasks.bitext import BITEXT
from mling_embed.evaluation.tasks.contract import TaskResult
from mling_embed.files import read_json, write_json
from mling_embed.languages import ENGLISH
from mling_embed.students.static import fit_static_student
from mling_embed.students.transplant import transplanted_student
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer
from mling_embed.training.dev_accuracy import DevAccuracy
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets, TargetStore
from mling_embed.training.trainer import batch_sampler, train
from mling_embed.training.training_set import ENGLISH_NUMBER, TrainingSet, training_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MILESTONES = (0, 50_000, 250_000, 500_000)  # and the end
STS_ON_THE_WAY = (ENGLISH, "de", "ru", "zh")
PAIRS_OF_LANGUAGE = 60_000


@dataclass
class Course:
    """Measure a student while it trains: the dev split each time, the tests at milestones; its own time not counted.

    What it has is kept in a file, so that a stopped run goes on with it.
    """

    dev: DevAccuracy
    milestones: Sequence[int]
    file: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    resumed: float | None = None

    def __post_init__(self) -> None:
        """Take over what an earlier part of the run had."""
        if self.file.exists():
            kept = read_json(self.file)
            self.rows, self.seconds, self.resumed = kept["rows"], kept["seconds"], time.perf_counter()

    def __call__(self, student: SentenceTransformer, state: TrainingState) -> float:
        """Return the dev score, which chooses the weights that are kept; no test takes part in that."""
        if self.resumed is not None:
            self.seconds += time.perf_counter() - self.resumed
        score = self.dev(student, state)
        say(f"{state.sentences:,} sentences, {self.seconds:.0f} s: dev {score:.4f}")
        seen, last = state.sentences, max((row["sentences"] for row in self.rows), default=-1)
        if any(last < goal * 0.97 <= seen for goal in self.milestones):
            self.add(student, state, score)
        self.keep()
        self.resumed = time.perf_counter()
        return score

    def add(self, student: SentenceTransformer, state: TrainingState, dev: float) -> None:
        """Measure a row; those of steps that a stopped run takes again give way to it."""
        self.rows = [row for row in self.rows if row["sentences"] < state.sentences]
        self.rows.append(self.row(student, state, dev))
        say(str(self.rows[-1]))
        self.keep()

    def keep(self) -> None:
        """Write down what there is."""
        write_json(self.file, {"rows": self.rows, "seconds": self.seconds})

    def row(self, student: SentenceTransformer, state: TrainingState, dev: float) -> dict[str, Any]:
        """Return a row of the table."""
        results = evaluate(TransformerEncoder(student), [*tatoeba_tasks(CHOSEN), *stsb_tasks(STS_ON_THE_WAY)])
        bitext = {r.label.languages[0]: round(r.score, 4) for r in results if r.type is BITEXT}
        sts = {f"STS {r.label.name}": round(r.score, 4) for r in results if r.type is not BITEXT}
        about = {"sentences": state.sentences, "tokens": state.tokens, "seconds": round(self.seconds), "dev": dev}
        return {**about, "tatoeba_15": float(np.mean(list(bitext.values()))), **bitext, **sts}


def capped(sentences: TrainingSet, limit: int, *, seed: int, longest: int | None = None) -> TrainingSet:
    """Return at most so many translations of each language, and the English sentences that they need.

    Args:
        sentences: All of them.
        limit: Most translations of a language.
        seed: Of the draw.
        longest: Most tokens of a translation; `None` for any number.
    """
    random = np.random.default_rng(seed)
    kept, lengths = [], np.diff(sentences.bags.starts)
    fits = np.ones(len(sentences), dtype=bool) if longest is None else lengths <= longest
    for language in range(1, int(sentences.languages.max()) + 1):
        numbers = np.flatnonzero((sentences.languages == language) & fits)
        kept.append(np.sort(random.permutation(numbers)[:limit]))
    chosen = np.concatenate(kept)
    english = np.flatnonzero(sentences.languages == ENGLISH_NUMBER)
    english = english[np.isin(sentences.target_rows[english], sentences.target_rows[chosen])]
    numbers = np.concatenate([english, chosen])
    ids, offsets = sentences.bags.select(numbers)
    bags = TokenBags(ids, np.append(offsets, len(ids)))
    return TrainingSet(bags, sentences.target_rows[numbers], sentences.languages[numbers])


def given_settings(options: Sequence[str]) -> dict[str, Any]:
    """Return settings given as ``name=value``, the value as TOML has it."""
    return {name: tomllib.loads(f"x = {text}")["x"] for name, _, text in (each.partition("=") for each in options)}


def settings_of(options: Sequence[str], sentences: TrainingSet, wanted: int, *, seed: int) -> TrainingSettings:
    """Return the settings with as many steps as it takes to see so many sentences, ten measurements on the way."""
    settings = TrainingSettings(**given_settings(options))
    plan = batch_sampler(sentences, settings, seed).epoch(0)
    per_step = plan.n_sentences / len(plan)
    every = max(1, round(50_000 / per_step))
    steps = round(wanted / per_step)
    return replace(settings, max_steps=steps, eval_steps=every, save_steps=4 * every)


def evaluated(
    result: Measurement,
    student: TransformerEncoder,
    static: StaticEncoder,
    teacher: TransformerEncoder,
    corpus: ParallelCorpus,
    *,
    seed: int,
) -> None:
    """Measure the trained student on every suite, beside the static student that it has to beat, and the teacher."""
    encoders: dict[str, Encoder] = {"": student, "static_": static, "teacher_": teacher}
    found: dict[str, list[TaskResult]] = {}
    for name, encoder in encoders.items():
        with result.phase(f"{name}evaluation"):
            figures, found[name] = full_evaluation(encoder, teacher, corpus, languages=CHOSEN, seed=seed)
        result.figures |= {f"{name}{figure}": value for figure, value in figures.items()}
    result.scores = beside(*found.values())
    result.facts["beside_static"] = by_suite(found[""], found["static_"])
    behind = [each for each in result.scores if each["gain"] < 0]
    result.figures |= {
        "tasks": len(result.scores),
        "tasks_behind_static": len(behind),
        "tasks_behind_static_beyond_chance": sum(each.get("p", 0.0) < SIGNIFICANT for each in behind),
        "worst_gain_over_static": min(each["gain"] for each in result.scores),
    }


def trained(
    result: Measurement,
    corpus: ParallelCorpus,
    targets: Targets,
    teacher: TransformerEncoder,
    options: argparse.Namespace,
    run: Path,
) -> tuple[SentenceTransformer, StaticEncoder]:
    """Transplant, train, and keep the rows of the course; return the student, and the static one that it began as."""
    with result.phase("static student"):
        static = (
            StaticEncoder.of(load_sentence_transformer(options.static, device="cpu"))
            if options.static
            else fit_static_student(corpus, targets, run / "static", seed=options.seed)
        )
    with result.phase("transplant"):
        start, _ = transplanted_student(teacher.model, static, corpus)
    student = fit_head(start, dim=targets.dim, unit_norm=examine(teacher).unit_norm)
    with result.phase("tokenizing"):
        everything = training_sentences(corpus, plain_tokenizer(student))
        sentences = capped(everything, options.pairs, seed=options.seed, longest=options.longest)
    settings = settings_of(options.settings, sentences, options.sentences, seed=options.seed)
    course = Course(DevAccuracy(corpus, targets, seed=options.seed), MILESTONES, run / "course.json")
    rows_before = len(course.rows)
    say(f"{len(sentences):,} sentences in the corpus, {settings.max_steps:,} steps")
    with result.phase("training"):
        state = train(
            student,
            sentences,
            targets,
            settings=settings,
            folder=run,
            seed=options.seed,
            measure=course,
            progress=talk,
        )
    with result.phase("the weights that are kept"):
        course.add(student, state, state.best_score)
    result.facts |= {
        "course": course.rows,
        "rows_of_an_earlier_process": rows_before,
        "train": asdict(settings),
        "static": str(options.static.name) if options.static else "made here",
    }
    result.figures["training_minutes"] = course.seconds / 60
    return student, static


def main() -> None:
    """Parse the options, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--static", type=Path, help="a static student of the same teacher [default: of this corpus]")
    parser.add_argument("--sentences", type=int, default=1_000_000, help="sentences to see")
    parser.add_argument("--pairs", type=int, default=PAIRS_OF_LANGUAGE, help="most pairs of a language")
    parser.add_argument("--longest", type=int, help="most tokens of a translation [default: any number]")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting of the training")
    parser.add_argument("--model", type=Path, help="keep the model in this folder")
    parser.add_argument("--run", type=Path, help="folder of the run, to go on after a stop [default: a temporary one]")
    parser.add_argument("--no-final", action="store_true", help="leave out the final evaluation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("pool_transplant", seeds=[options.seed])
    corpus = ParallelCorpus.open(options.corpus)
    teacher = TransformerEncoder(load_sentence_transformer(DEFAULT_TEACHER))
    targets = TargetStore(teacher).compute(corpus.english_texts())
    result.facts |= {"corpus": corpus.fingerprint, "english": corpus.n_english, "pairs": corpus.n_pairs}
    with TemporaryDirectory() as temporary:
        run = options.run or Path(temporary)
        run.mkdir(parents=True, exist_ok=True)
        student, static = trained(result, corpus, targets, teacher, options, run)
    if options.model:
        write_model(student, options.model, model_card="")
    if not options.no_final:
        evaluated(result, TransformerEncoder(student), static, teacher, corpus, seed=options.seed)
    result.write(options.out)


if __name__ == "__main__":
    main()
