"""What a fit and a training can be set to: plain values, which the functions that compute take as they are.

The bounds in the annotations are checked where the values come from a file or a command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from mling_embed.encoders.attention import Attention

HEAD_PAIRS = 8_000
"""Pairs that a closed-form head is fitted to."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Cosine = Annotated[float, Field(gt=0, le=1)]


class LossKind(StrEnum):
    """How the distance of a student's vector to its target is measured.

    `mse`: squared distance as a share of the targets' variance: 1.0 is what always giving their mean costs.
    `cosine`: one minus the cosine; the vector's length is free.
    """

    MSE = "mse"
    COSINE = "cosine"


@dataclass(frozen=True)
class FitSettings:
    """How the token table of a static student is fitted.

    Attributes:
        least_squares_steps: Of conjugate gradients on the least squares that the fit starts from; 0 starts it from each
            token's mean target. Pays where text is scarce, and costs two passes a step.
        penalty: Of the least squares, on the squares of a token's vector, in sentences.
        epochs: Passes over all sentences; 0 leaves the table as it starts.
        batch_size: Sentences per step.
        learning_rate: Of Adam at the start; it falls linearly to zero.
        contrastive_weight: Weight of the in-batch term beside the cosine loss.
        temperature: Of the in-batch term.
        group: Sentences among which a sentence's target must stand out.
        same_meaning: Teacher's cosine above which another target is no negative.
        token_dropout: Share of tokens that a sentence loses in each epoch, so that no token leans on a rare one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # a section of a run's configuration too

    least_squares_steps: Annotated[int, Field(ge=0)] = 0
    penalty: Positive = 1.0
    epochs: Annotated[int, Field(ge=0)] = 4
    batch_size: Count = 4096
    learning_rate: Positive = 0.02
    contrastive_weight: Weight = 0.3
    temperature: Positive = 0.05
    group: Annotated[int, Field(ge=2)] = 2048
    same_meaning: Cosine = 0.9
    token_dropout: Share = 0.0


@dataclass(frozen=True)
class TrainingSettings:
    """How a transformer student is trained; names as in `SentenceTransformerTrainingArguments` where it has them.

    Attributes:
        num_train_epochs: Passes over the corpus.
        max_steps: Steps instead of epochs; 0 leaves the student as it starts.
        tokens_per_batch: Real tokens of a step, over all processes.
        tokens_per_slice: Tokens, padding included, that go through the student at a time.
        max_seq_length: Tokens to which sentences are cut.
        max_translations: Translations that stand beside their English sentence in a batch.
        english_share: Share of the groups of translations that their English sentence stands beside.
        language_temperature: 1 takes languages as the corpus has them; above, rare ones come more often.
        learning_rate: Of the topmost layer; it rises over `warmup_ratio` of the steps and falls to zero.
        embedding_learning_rate: Of the token embedding; 0 leaves it as it is.
        layer_learning_rate_decay: Factor from a layer to the one below.
        trained_layers: Topmost layers that are trained; all below them stays as it is, the token embedding too. What is
            not trained costs no backward pass. By default everything is.
        warmup_ratio: See `learning_rate`.
        weight_decay: Of matrices, not of the token embedding.
        max_grad_norm: To which the gradient of all but the token embedding is clipped.
        dropout: Of every dropout in the student.
        loss: Distance to the target.
        contrastive_weight: Of picking the target out among the batch's, beside the distance.
        score_weight: Of scoring the batch's targets as the teacher scores them.
        translation_weight: Of picking a sentence's translations out of the batch.
        temperature: Of the three.
        same_meaning: Teacher's cosine from which sentences are no negatives of each other.
        attention: Kernel on a CPU; ``auto`` chooses by a measurement where there are steps enough, else ``plain``.
        bf16: Matrix products in bf16; ``auto`` where the processor has it.
        logging_steps: Steps from one line of the log to the next.
        eval_steps: Steps from one measurement on the dev split to the next.
        save_steps: Steps from one checkpoint to the next.
        save_total_limit: Checkpoints that are kept.
        early_stopping_patience: Measurements without gain after which training ends.
        report_to: Trackers that Accelerate knows, such as ``tensorboard``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # a section of a run's configuration too

    num_train_epochs: Count = 1
    max_steps: Annotated[int, Field(ge=0)] | None = None
    tokens_per_batch: Count = 4096
    tokens_per_slice: Count = 2048
    max_seq_length: Annotated[int, Field(ge=8)] = 128
    max_translations: Count = 8
    english_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    language_temperature: Annotated[float, Field(ge=1)] = 1.0
    learning_rate: Positive = 3e-4
    embedding_learning_rate: Weight = 2e-3
    layer_learning_rate_decay: Cosine = 1.0
    trained_layers: Count | None = None
    warmup_ratio: Share = 0.05
    weight_decay: Weight = 0.0
    max_grad_norm: Positive = 1.0
    dropout: Share = 0.0
    loss: LossKind = LossKind.COSINE
    contrastive_weight: Weight = 0.1
    score_weight: Weight = 0.0
    translation_weight: Weight = 0.0
    temperature: Positive = 0.05
    same_meaning: Cosine = 0.9
    attention: Attention = Attention.AUTO
    bf16: Literal["auto"] | bool = "auto"
    logging_steps: Count = 50
    eval_steps: Count = 500
    save_steps: Count = 500
    save_total_limit: Count = 2
    early_stopping_patience: Count | None = None
    report_to: tuple[str, ...] = ()
