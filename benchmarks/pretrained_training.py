"""Train a pretrained encoder through all its layers towards a teacher, in many ways; measure each on the same tests.

Every variant starts from its closed-form head, sees the same tokens, and differs from the first in what it names. The
dev split decides what is kept of a training (teacher's index; the own index may lose a point). With ``--tests`` each
is measured on Tatoeba, languages without a pair, news and the STS benchmark too, in both indices.

python benchmarks/pretrained_training.py CORPUS OUT --student FOLDER [--tokens 5e5] [--variants "plain; scores"]
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from head_tests import Encoders, add_test_options
from measure import Measurement, say

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.corpora.selection import select_pairs
from mling_embed.distillation.config import DataConfig, DistillConfig, StudentConfig, StudentKind
from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.loading import load
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.files import read_json
from mling_embed.hardware import default_device
from mling_embed.students.pretrained import starting_student
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer
from mling_embed.training.curves import LOG_FILE
from mling_embed.training.dev_accuracy import DevAccuracy, NeverBelowStart
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets, TargetStore
from mling_embed.training.trainer import batch_sampler, train
from mling_embed.training.training_set import TrainingSet, training_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FIGURES = ("teacher_index", "own_index", "tatoeba_teacher", "tatoeba_own", "news_teacher", "sts_teacher", "sts_own")
START_FILE = "start.json"
PROBE = 4  # steps, after as many to warm up
MEASUREMENTS = 4  # on dev, after the start, in a training


@dataclass(frozen=True)
class Variant:
    """A way to train.

    Attributes:
        train: Settings of each stage that differ from the defaults of a pretrained student; without a stage it is only
            measured.
        layers: Layers of the encoder that are kept.
        trim: Whether tokens that the corpus does not hold are left out.
        average: Whether the weights of the last half of the measurements are averaged at the end.
        seed: Of the batches.
    """

    train: Sequence[Mapping[str, Any]] = ({},)
    layers: int | None = None
    trim: bool = False
    average: bool = False
    seed: int = 0


VARIANTS = {
    "start": Variant(train=()),
    "plain": Variant(),
    "plain, another seed": Variant(seed=1),
    "rate 2e-5": Variant([{"learning_rate": 2e-5}]),
    "rate 1e-4": Variant([{"learning_rate": 1e-4}]),
    "rate 2e-4": Variant([{"learning_rate": 2e-4}]),
    "rates by layer": Variant([{"learning_rate": 1e-4, "layer_learning_rate_decay": 0.85}]),
    "top 6 layers": Variant([{"trained_layers": 6}]),
    "top 3 layers": Variant([{"trained_layers": 3}]),
    "table too": Variant([{"embedding_learning_rate": 1e-4}]),
    "contrast .3": Variant([{"contrastive_weight": 0.3}]),
    "distance alone": Variant([{"contrastive_weight": 0.0}]),
    "scores": Variant([{"contrastive_weight": 0.0, "score_weight": 1.0}]),
    "scores and contrast": Variant([{"contrastive_weight": 1.0, "score_weight": 1.0}]),
    "two stages": Variant([{"contrastive_weight": 0.0}, {"contrastive_weight": 0.2}]),
    "translations": Variant([{"translation_weight": 0.3}]),
    "averaged": Variant(average=True),
    "half the tokens a sentence": Variant([{"max_seq_length": 64}]),
    "start, 6 layers": Variant(train=(), layers=6),
    "6 layers": Variant(layers=6),
    "4 layers": Variant(layers=4),
    "trimmed": Variant(trim=True),
}


@dataclass
class Averaged:
    """Measure a student on dev, and add up the weights of its last measurements."""

    measure: NeverBelowStart
    begin: int
    taken: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)

    def __call__(self, student: SentenceTransformer, state: TrainingState) -> float:
        """Return the score of a student."""
        if state.step > self.begin:
            self.taken += 1
            for name, weight in student.state_dict().items():
                self.sums[name] = weight.double() + self.sums.get(name, 0)
        return self.measure(student, state)

    def mean(self) -> dict[str, torch.Tensor]:
        """Return the mean of the weights."""
        return {name: (total / self.taken).float() for name, total in self.sums.items()}


@dataclass(frozen=True, eq=False)  # one of its kind, so that what it computes can be kept by it
class Bench:
    """What all variants share."""

    corpus: ParallelCorpus
    targets: Targets
    teacher: TargetStore
    options: argparse.Namespace
    result: Measurement

    def run(self, name: str, variant: Variant) -> None:
        """Train and measure a variant."""
        options, corpus = self.options, self.corpus
        dev = DevAccuracy(corpus, self.targets, seed=options.seed)
        began = time.perf_counter()
        student = copy.deepcopy(self.start(variant.layers, variant.trim))
        start_seconds = time.perf_counter() - began
        began, states, starts = time.perf_counter(), [], []
        for stage in variant.train:
            with TemporaryDirectory() as folder:
                states.append(self._train(student, variant, stage, dev, Path(folder)))
                starts.append(read_json(Path(folder) / START_FILE))
        seconds = time.perf_counter() - began
        if options.keep:
            write_model(student, options.keep / name.replace(" ", "_").replace(",", ""))
        teacher, own = dev.both_indices(student)
        scores = {"teacher_index": teacher, "own_index": own} | self.tests(student)
        record: dict[str, Any] = {
            "task": name,
            "n": sum(state.sentences for state in states),
            "score": teacher,
            **{f"start_{index}": value for start in starts[:1] for index, value in start.items()},
            **scores,
            "tokens": sum(state.tokens for state in states),
            "best_step": states[-1].best_step if states else 0,
            "steps": sum(state.step for state in states),
            "seconds": round(seconds, 1),
            "start_seconds": round(start_seconds, 1),
            "layers": len(encoder_layers(student)),
            "megabytes": sum(weight.nbytes for weight in student.state_dict().values()) / 1e6,
        }
        self.result.scores.append(record)
        say(f"  {name}: {record}")

    def _train(
        self, student: SentenceTransformer, variant: Variant, stage: Mapping[str, Any], dev: DevAccuracy, folder: Path
    ) -> TrainingState:
        options = self.options
        settings = replace(self.settings, **stage)
        sentences = self.sentences(variant.trim)
        plan = batch_sampler(sentences, settings, variant.seed).epoch(0)
        n_texts = sum(len(plan.batch(index)) for index in range(len(plan)))
        tokens = (
            options.tokens if options.seconds is None else options.seconds * self._speed(student, settings, variant)
        )
        steps = max(1, int(tokens / len(variant.train) / settings.tokens_per_batch))
        say(f"  {steps} steps; an epoch has {len(plan)} of {n_texts} sentences")
        every = max(1, -(-steps // MEASUREMENTS))
        settings = replace(settings, max_steps=steps, eval_steps=every, save_steps=10**9, logging_steps=every)
        measure = NeverBelowStart(dev, folder / START_FILE)
        averaged = Averaged(measure, steps // 2)
        state = train(
            student,
            sentences,
            self.targets,
            settings=settings,
            folder=folder,
            device=options.device,
            seed=variant.seed,
            measure=averaged if variant.average else measure,
        )
        if variant.average:
            student.load_state_dict(averaged.mean())
        return state

    def _speed(self, student: SentenceTransformer, settings: TrainingSettings, variant: Variant) -> float:
        """Return the tokens a second of a few steps that a copy of the student takes."""
        settings = replace(settings, max_steps=2 * PROBE, logging_steps=PROBE, save_steps=10**9)
        options = {"settings": settings, "device": self.options.device}
        with TemporaryDirectory() as folder:
            train(copy.deepcopy(student), self.sentences(variant.trim), self.targets, folder=Path(folder), **options)
            lines = (Path(folder) / LOG_FILE).read_text(encoding="utf-8").splitlines()
        return float(json.loads(lines[-1])["tokens_per_second"])

    @property
    def settings(self) -> TrainingSettings:
        """The defaults of a pretrained student, with the batch that is asked for."""
        student = StudentConfig(kind=StudentKind.PRETRAINED, name=str(self.options.student))
        config = DistillConfig.model_validate(
            {"out": "-", "data": DataConfig(corpus=self.options.corpus), "student": student.model_dump()}
        )
        batch = {"tokens_per_batch": self.options.batch, "tokens_per_slice": self.options.slice}
        given = tomllib.loads("\n".join(self.options.set))
        return replace(config.train, **batch, **given)

    @cache  # noqa: B019
    def start(self, layers: int | None, trim: bool) -> SentenceTransformer:
        """Return where variants with so many layers start from."""
        options = self.options
        return starting_student(
            str(options.student),
            self.corpus,
            self.targets,
            unit_norm=True,
            layers=layers,
            trim=trim,
            device=options.device,
            seed=options.seed,
        )[0]

    @cache  # noqa: B019
    def sentences(self, trim: bool) -> TrainingSet:
        """Return the training split as a student's tokenizer splits it."""
        student = self.start(None, trim)
        prompt = TransformerEncoder(student).prompt
        return training_sentences(self.corpus, plain_tokenizer(student), prompt=prompt)

    def tests(self, student: SentenceTransformer) -> dict[str, float]:
        """Measure a student on the test sets that are asked for."""
        with TemporaryDirectory() as folder:
            encoders = Encoders(TargetStore(TransformerEncoder(student), root=Path(folder)), self.teacher)
            return encoders.tests(self.options).measure(lambda vectors: vectors)


def main() -> None:
    """Parse the options, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--student", required=True, help="a multilingual encoder")
    parser.add_argument("--variants", default="", help="names, separated by semicolons; all by default")
    parser.add_argument("--pairs", type=int, help="of each language, at most")
    parser.add_argument("--tokens", type=float, default=5e5, help="real tokens that a variant sees")
    parser.add_argument("--seconds", type=float, help="of training instead, by the speed of a few steps")
    parser.add_argument("--batch", type=int, default=4096, help="real tokens of a step")
    parser.add_argument("--slice", type=int, default=2048, help="tokens that go through the student at a time")
    parser.add_argument("--set", action="append", default=[], help="of all variants, such as learning_rate=1e-4")
    parser.add_argument("--device", default=default_device())
    add_test_options(parser)
    parser.add_argument("--keep", type=Path, help="write the students here")
    parser.add_argument("--seed", type=int, default=0, help="of the head's sample and of dev")
    options = parser.parse_args()

    result = Measurement("pretrained_training", seeds=[options.seed])
    with TemporaryDirectory() as folder:
        part = Path(folder) / "part"
        corpus = ParallelCorpus.open(options.corpus)
        corpus = select_pairs(corpus, part, max_pairs_per_language=options.pairs, seed=options.seed)
        store = TargetStore(load(DEFAULT_TEACHER, device=options.device))
        with result.phase("targets"):
            targets = store.compute(corpus.english_texts())
        bench = Bench(corpus, targets, store, options, result)
        names = [name.strip() for name in options.variants.split(";") if name.strip()] or list(VARIANTS)
        for name in names:
            with result.phase(name):
                bench.run(name, VARIANTS[name])
            result.write(options.out)
    for record in result.scores:
        key = record["task"].lower().replace(", ", "_").replace(" ", "_").replace(".", "")
        result.figures |= {f"{key}_{index}": record[index] for index in FIGURES if index in record}
    result.facts = {
        "corpus": corpus.fingerprint,
        "languages": len(corpus.languages),
        "pairs": corpus.n_pairs,
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device,
        **({"tokens": int(options.tokens)} if options.seconds is None else {"training_seconds": options.seconds}),
        "settings": options.set,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
