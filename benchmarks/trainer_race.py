"""Train the same start on the same pairs in two ways, by a clock that both have: ours, and the usual recipe."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from measure import say
from numpy import ndarray
from sentence_transformers import SentenceTransformer
from trainer_pairs import DevAccuracy, Pairs, made_start
from trainer_recipe import Recipe
from transformers import PrinterCallback, TrainerCallback, TrainerControl

from mling_embed.encoders.fitness import examine
from mling_embed.encoders.heads import fit_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.training import trainer
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.state import TrainingState
from mling_embed.training.targets import Targets, TargetStore

LONGEST = 128


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

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **_: Any) -> None:
        control.should_training_stop |= self.watch.step(self.student)


class Race:
    """Train either way from the same start, towards the vectors of the default teacher.

    Args:
        start: Folder of the student; it is made of the pairs if it is not there.
        pairs: All that are learnt from.
        seed: Of the start and of both trainings.

    Attributes:
        targets: The teacher's vectors of the pairs' English sentences.
    """

    def __init__(self, start: Path, pairs: Pairs, *, seed: int) -> None:
        self.start, self.seed = start, seed
        model = load_sentence_transformer(DEFAULT_TEACHER)
        teacher = TransformerEncoder(model)
        self._store, self.dim, self.unit_norm = TargetStore(teacher), teacher.dim, examine(teacher).unit_norm
        self.targets = self.targets_of(pairs)
        if not start.is_dir():
            made_start(start, pairs, model, self.targets, seed=seed)

    def targets_of(self, pairs: Pairs) -> Targets:
        """Return the teacher's vectors of the English sentences of pairs; those that were made are kept."""
        return self._store.compute(pairs.english)

    def student(self) -> SentenceTransformer:
        """Return the start, anew."""
        student = fit_head(
            load_sentence_transformer(self.start), dim=self.dim, unit_norm=self.unit_norm, seed=self.seed
        )
        student.max_seq_length = LONGEST
        return student

    def peer(self, pairs: Pairs, targets: ndarray, watch: Watch, *, recipe: Recipe, steps: int = 0) -> None:
        """Train by the recipe: one epoch, or a number of steps at most."""
        student = self.student()
        student.register_forward_pre_hook(watch.count)
        with TemporaryDirectory() as folder:
            found = recipe.trainer(
                model=student,
                args=recipe.arguments(student, folder, steps=steps, seed=self.seed),
                train_dataset=recipe.data_sets(pairs, targets),
                loss=recipe.loss(student),
                callbacks=[_Steps(watch, student)],
                optimizers=(recipe.optimizer(student), None),  # type: ignore[arg-type]  # None is its own
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
