"""Train the same start on the same pairs in two ways, by a clock that both have: ours, and the usual recipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from measure import say
from numpy import ndarray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MSELoss
from tokenizers import Tokenizer
from transformers import PrinterCallback, TrainerCallback

from mling_embed.corpora.parallel import ParallelCorpus, Split
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.static import StaticEncoder
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.metrics.bitext import bitext_scores
from mling_embed.students.static_solver import fit_token_table
from mling_embed.students.transplant import transplant
from mling_embed.tokenizers.token_bags import TokenBags
from mling_embed.tokenizers.vocabulary import train_unigram
from mling_embed.training import trainer
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet

BATCH, EPOCHS, WARMUP, RECIPE_RATE = 64, 5, 0.1, 2e-5  # of make_multilingual.py
LONGEST = 128
VOCABULARY = 32_768  # of a start that is made here


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs that both learn from.

    Attributes:
        english: Distinct English sentences.
        places: Language -> place in `english` of each of its pairs.
        texts: Language -> the translations, in the same order.
    """

    english: list[str]
    places: dict[str, ndarray]
    texts: dict[str, list[str]]

    def __len__(self) -> int:
        return sum(map(len, self.texts.values()))

    @classmethod
    def draw(cls, corpus: ParallelCorpus, languages: Sequence[str], n: int, *, seed: int) -> Pairs:
        """Draw English sentences with all their translations, so that groups are as large as in the corpus."""
        tables = {language: corpus.pairs(language, Split.TRAIN) for language in languages}
        n_of = np.bincount(
            np.concatenate([table.english_rows for table in tables.values()]), minlength=corpus.n_english
        )
        order = np.random.default_rng(seed).permutation(np.flatnonzero(n_of))
        drawn = np.sort(order[: int(np.searchsorted(np.cumsum(n_of[order]), n)) + 1])
        places, texts = {}, {}
        for language, table in tables.items():
            rows = np.flatnonzero(np.isin(table.english_rows, drawn))
            if len(rows):
                places[language] = np.searchsorted(drawn, table.english_rows[rows])
                texts[language] = table.text_list(rows)
        return cls(corpus.english_texts(drawn), places, texts)

    def whole_batches(self, share: float) -> Pairs:
        """Return a share of the pairs, each language cut to whole batches: the recipe gets no smaller ones."""
        kept = {language: int(len(texts) * share) // BATCH * BATCH for language, texts in self.texts.items()}
        kept = {language: n for language, n in kept.items() if n}
        used = np.unique(np.concatenate([self.places[language][:n] for language, n in kept.items()]))
        return Pairs(
            [self.english[place] for place in used],
            {language: np.searchsorted(used, self.places[language][:n]) for language, n in kept.items()},
            {language: self.texts[language][:n] for language, n in kept.items()},
        )

    def sentences(self, student: SentenceTransformer) -> TrainingSet:
        """Return what our trainer takes."""
        tokenizer = Tokenizer.from_str(student.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        bags = TokenBags.of(tokenizer, [self.english, *self.texts.values()])
        parts = [np.arange(len(self.english)), *self.places.values()]
        return TrainingSet(bags, np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts]))

    def data_sets(self, targets: ndarray) -> DatasetDict:
        """Return what the recipe takes: a data set a language, each pair with the vector of its English sentence."""
        return DatasetDict(
            {
                language: Dataset.from_dict(
                    {
                        "english": [self.english[place] for place in places],
                        "non_english": self.texts[language],
                        "label": list(targets[places].astype(np.float32)),
                    }
                )
                for language, places in self.places.items()
            }
        )


class DevAccuracy:
    """Measure how often the nearest sentence is the translation, both ways, on a fixed part of the dev split."""

    def __init__(self, corpus: ParallelCorpus, languages: Sequence[str], n: int, *, seed: int) -> None:
        self.sides: list[tuple[list[str], list[str]]] = []
        for language in languages:
            table = corpus.pairs(language, Split.DEV)
            places = table.first_pairs()
            chosen = places[np.sort(np.random.default_rng(seed).permutation(len(places))[:n])]
            if len(chosen):
                self.sides.append((table.text_list(chosen), corpus.english_texts(table.english_rows[chosen])))

    def __call__(self, student: SentenceTransformer) -> float:
        """Return the mean accuracy of languages and directions."""
        training = student.training
        texts = list(dict.fromkeys(text for sides in self.sides for side in sides for text in side))
        vectors = TransformerEncoder(student, prompt="").encode(texts)
        place = {text: number for number, text in enumerate(texts)}
        found = []
        for sides in self.sides:
            source, target = (vectors[[place[text] for text in side]] for side in sides)
            scores = bitext_scores(source, target, source_texts=sides[0], target_texts=sides[1])
            found.append((scores.forward.accuracy + scores.backward.accuracy) / 2)
        student.train(training)
        return float(np.mean(found))


@dataclass(slots=True)
class Watch:
    """Clock of a training that stands still while its accuracy is measured.

    Attributes:
        measure: The accuracy, if it is wanted.
        every: Steps from one measurement to the next.
        goal: Accuracy at which the training ends.
        prepared: Seconds before the first step that are part of the training.
        seconds: Trained so far.
        steps: Seconds and real tokens at the end of each step.
        curve: Seconds and accuracy of each measurement.
        real: Tokens trained on, special ones included, padding not.
        padded: The same with padding.
    """

    measure: DevAccuracy | None = None
    every: int = 0
    goal: float = float("inf")
    prepared: float = 0.0
    seconds: float = 0.0
    steps: list[tuple[float, int]] = field(default_factory=list)
    curve: list[tuple[float, float]] = field(default_factory=list)
    real: int = 0
    padded: int = 0
    _began: float = 0.0

    def count(self, _module: Any, arguments: tuple[Any, ...]) -> None:
        """Count the tokens of a forward pass; a hook of the student."""
        mask = arguments[0]["attention_mask"]
        if torch.is_grad_enabled():
            self.real += int(mask.sum())
            self.padded += mask.numel()

    def start(self) -> None:
        """Let the clock run."""
        self._began = time.perf_counter()

    def prepare(self) -> None:
        """Count what was done since the start as preparation."""
        self.prepared = time.perf_counter() - self._began
        self.seconds += self.prepared

    def step(self, student: SentenceTransformer) -> bool:
        """Note the end of a step; measure if it is time to; say whether the goal is reached."""
        self.seconds += time.perf_counter() - self._began
        self.steps.append((self.seconds, self.real))
        if self.every and len(self.steps) % self.every == 0:
            self.look(student)
        reached = bool(self.curve) and self.curve[-1][1] >= self.goal
        self.start()
        return reached

    def look(self, student: SentenceTransformer) -> None:
        """Measure the accuracy, unless that was just done."""
        if self.measure is None or (self.curve and self.curve[-1][0] == self.seconds):
            return
        accuracy = self.measure(student)
        self.curve.append((self.seconds, accuracy))
        say(f"    step {len(self.steps)}, {self.seconds:.1f} s: {accuracy:.4f}")

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second from the second step on (the first one also makes the optimizer's state)."""
        (began, before), (ended, after) = self.steps[0], self.steps[-1]
        prepared = self.prepared * (after - before) / self.real
        return (after - before) / (ended - began + prepared)

    def seconds_to(self, accuracy: float, *, before: float) -> float:
        """Return the seconds until an accuracy, between measurements in proportion, or infinity.

        Args:
            accuracy: The goal.
            before: Accuracy of the start.
        """
        points = [(0.0, before), *self.curve]
        for (began, low), (ended, high) in pairwise(points):
            if high >= accuracy:
                return began + (ended - began) * (accuracy - low) / (high - low) if high > low else ended
        return float("inf")


class ReachedError(Exception):
    """Ends a training at its goal."""


class _Steps(TrainerCallback):
    """Run a watch along the recipe's training."""

    def __init__(self, watch: Watch, student: SentenceTransformer) -> None:
        self.watch, self.student = watch, student

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if not self.watch.steps:
            self.watch.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.watch.step(self.student)


class Race:
    """Train either way from the same start."""

    def __init__(self, start: Path, *, dim: int, unit_norm: bool, seed: int, peer_bf16: bool = False) -> None:
        self.start, self.dim, self.unit_norm, self.seed = start, dim, unit_norm, seed
        self.peer_bf16 = peer_bf16

    def student(self) -> SentenceTransformer:
        """Return the start, anew."""
        student = fit_head(
            load_sentence_transformer(self.start), dim=self.dim, unit_norm=self.unit_norm, seed=self.seed
        )
        student.max_seq_length = LONGEST
        return student

    def peer(self, pairs: Pairs, targets: ndarray, watch: Watch, *, rate: float, steps: int = 0) -> None:
        """Train by the recipe: one epoch, or a number of steps."""
        student = self.student()
        student.register_forward_pre_hook(watch.count)
        with TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                output_dir=folder,
                num_train_epochs=1,
                max_steps=steps or -1,
                per_device_train_batch_size=BATCH,
                learning_rate=rate,
                warmup_steps=WARMUP,  # a share of the steps
                use_cpu=not torch.cuda.is_available(),
                bf16=self.peer_bf16,
                seed=self.seed,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
            )
            found = SentenceTransformerTrainer(
                model=student,
                args=arguments,
                train_dataset=pairs.data_sets(targets),
                loss=MSELoss(student),
                callbacks=[_Steps(watch, student)],
            )
            found.remove_callback(PrinterCallback)
            found.train()
        watch.look(student)

    def ours(self, pairs: Pairs, targets: Targets, watch: Watch, *, settings: TrainingSettings) -> SentenceTransformer:
        """Train with our trainer; the time of tokenizing is part of it."""
        student = self.student()
        student.register_forward_pre_hook(watch.count)
        watch.start()
        sentences = pairs.sentences(student)
        watch.prepare()

        def measured(found: SentenceTransformer, state: TrainingState) -> float:
            if not state.step:
                watch.start()
            elif watch.step(found):
                raise ReachedError
            return -1.0  # keeps no best weights: writing them is no part of the race

        with TemporaryDirectory() as folder:
            try:
                trainer.train(
                    student,
                    sentences,
                    targets,
                    settings=replace(settings, eval_steps=1, save_steps=sys.maxsize),
                    folder=Path(folder),
                    seed=self.seed,
                    measure=measured,
                )
            except ReachedError:
                say("    as good")
            else:
                watch.look(student)
        return student


def made_start(folder: Path, pairs: Pairs, teacher: SentenceTransformer, targets: Targets, *, seed: int) -> Path:
    """Fit a static student to the pairs, and transplant its vocabulary into the teacher."""
    texts = [*pairs.english, *(text for part in pairs.texts.values() for text in part)]
    tokenizer = train_unigram(texts, size=VOCABULARY)
    bags = TokenBags.of(tokenizer, [pairs.english, *pairs.texts.values()])
    rows = np.concatenate([np.arange(len(pairs.english)), *pairs.places.values()])
    table = fit_token_table(bags, rows, targets, vocabulary_size=tokenizer.get_vocab_size(), seed=seed)
    transplant(teacher, StaticEncoder(tokenizer, table), pairs.english).save(str(folder), create_model_card=False)
    return folder
