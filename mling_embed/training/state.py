"""Where a training stands, and how fast it moves."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from mling_embed.files import write_text


@dataclass(slots=True)
class TrainingState:
    """Where a training stands; sentences and tokens are those of all processes.

    Attributes:
        step: Steps done.
        epoch: Epoch of the next step.
        index: Place of the next step in its epoch.
        sentences: Sentences seen.
        tokens: Real tokens seen.
        best_score: Best dev score so far.
        best_step: Steps after which it was measured.
        without_gain: Measurements since then.
        attention: Kernel that was chosen on a CPU; empty before.
    """

    step: int = 0
    epoch: int = 0
    index: int = 0
    sentences: int = 0
    tokens: int = 0
    best_score: float = -1.0
    best_step: int = -1
    without_gain: int = 0
    attention: str = ""


@dataclass(slots=True)
class Watch:
    """Throughput between two looks."""

    began: float
    step: int
    tokens: int
    sentences: int

    @classmethod
    def at(cls, state: TrainingState) -> Watch:
        """Begin to watch."""
        return cls(time.perf_counter(), state.step, state.tokens, state.sentences)

    def leave_out(self, seconds: float) -> None:
        """Do not count time that was not spent training."""
        self.began += seconds

    def read(self, state: TrainingState, n_steps: int) -> dict[str, float | int]:
        """Return what was done a second since the last look, and how long the rest will take."""
        now = time.perf_counter()
        seconds = max(now - self.began, 1e-9)
        steps = max(1, state.step - self.step)
        facts = {
            "tokens_per_second": round((state.tokens - self.tokens) / seconds),
            "sentences_per_second": round((state.sentences - self.sentences) / seconds, 1),
            "seconds_left": round((n_steps - state.step) * seconds / steps),
        }
        self.began, self.step, self.tokens, self.sentences = now, state.step, state.tokens, state.sentences
        return facts


def forget_after(log: Path, step: int) -> None:
    """Drop the lines of a log that tell of later steps, which a resumed training takes again, and a torn last line."""
    if not log.is_file():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        write_text(log, "".join(kept))
