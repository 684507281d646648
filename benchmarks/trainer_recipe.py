"""The usual recipe of sentence-transformers, and each thing of ours that it can be given without our trainer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from numpy import ndarray
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import EmbedDistillLoss, MSELoss
from trainer_pairs import BATCH, Pairs

from mling_embed.encoders.anatomy import token_embedding
from mling_embed.training.optimizers import Optimizers

EPOCHS, WARMUP, RECIPE_RATE = 5, 0.1, 2e-5  # of make_multilingual.py
CLIP = 1.0  # of both trainers, by default
ENGLISH, OTHER, LABEL = "english", "non_english", "label"
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """Say how the peer's trainer is run; without arguments as its example make_multilingual.py has it.

    Attributes:
        rate: Of AdamW.
        table_rate: Of the token table, where it is another (the peer's `learning_rate_mapping`).
        cosine: Whether the loss is `EmbedDistillLoss`, which is the cosine's, instead of `MSELoss`.
        bf16: Whether products are autocast to bf16 instead of fp32.
        row_sparse: Whether the table has our row-sparse Adam instead of the peer's dense AdamW.
        by_length: Whether batches are of sentences alike in length instead of any.
        english_once: Whether an English sentence is a row of its own, once, instead of one beside each translation.
            A batch has as many sentences as before.
    """

    rate: float = RECIPE_RATE
    table_rate: float | None = None
    cosine: bool = False
    bf16: bool = False
    row_sparse: bool = False
    by_length: bool = False
    english_once: bool = False

    @property
    def rows_per_batch(self) -> int:
        """Rows of a data set in a batch: pairs, or sentences."""
        return 2 * BATCH if self.english_once else BATCH

    def n_batches(self, pairs: Pairs) -> int:
        """Return the batches of an epoch."""
        sizes = [*map(len, pairs.texts.values()), *([len(pairs.english)] if self.english_once else [])]
        return sum(-(-size // self.rows_per_batch) for size in sizes)

    def data_sets(self, pairs: Pairs, targets: ndarray) -> DatasetDict:
        """Return a data set a language, each row with the vector of its English sentence."""
        found = {}
        for language, places in pairs.places.items():
            columns: dict[str, list[Any]] = {} if self.english_once else {ENGLISH: [pairs.english[n] for n in places]}
            columns |= {OTHER: pairs.texts[language], LABEL: list(targets[places].astype(np.float32))}
            found[language] = Dataset.from_dict(columns)
        if self.english_once:
            found["en"] = Dataset.from_dict({ENGLISH: pairs.english, LABEL: list(targets.astype(np.float32))})
        return DatasetDict(found)

    def loss(self, student: SentenceTransformer) -> torch.nn.Module:
        """Return the loss."""
        return EmbedDistillLoss(student, distance_metric="cosine") if self.cosine else MSELoss(student)

    @property
    def trainer(self) -> type[SentenceTransformerTrainer]:
        """The peer's trainer."""
        return _Trainer if self.row_sparse else SentenceTransformerTrainer

    def optimizer(self, student: SentenceTransformer) -> torch.optim.Optimizer | None:
        """Return the optimizer where it is not the peer's own."""
        return _RowSparse(student, rate=self.rate, table_rate=self.table_rate or self.rate) if self.row_sparse else None

    def arguments(
        self, student: SentenceTransformer, folder: str, *, steps: int, seed: int
    ) -> SentenceTransformerTrainingArguments:
        """Return the arguments of the peer's trainer.

        Args:
            student: Whose token table may have a rate of its own.
            folder: That the trainer asks for; it writes nothing.
            steps: Instead of one epoch, if not 0.
            seed: Of the batches.
        """
        table = next(name for name, found in student.named_parameters() if found is token_embedding(student).weight)
        return SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            max_steps=steps or -1,
            per_device_train_batch_size=self.rows_per_batch,
            learning_rate=self.rate,
            learning_rate_mapping={} if self.table_rate is None or self.row_sparse else {table: self.table_rate},
            batch_sampler=_LengthBatches if self.by_length else "batch_sampler",
            warmup_steps=WARMUP,  # a share of the steps
            max_grad_norm=0.0 if self.row_sparse else CLIP,  # that optimizer clips for itself
            use_cpu=not torch.cuda.is_available(),
            bf16=self.bf16,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )


class _Trainer(SentenceTransformerTrainer):
    """Ask for no norm of the gradients, which there is none of where one of them is sparse."""

    def _get_grad_norm(self, _model: Any, grad_norm: float | None = None) -> float | None:
        return grad_norm


class _RowSparse(torch.optim.Optimizer):
    """Step as our trainer does, at the rates that the peer's schedule has."""

    def __init__(self, student: SentenceTransformer, *, rate: float, table_rate: float) -> None:
        self._parts = Optimizers.of(student, learning_rate=rate, embedding_learning_rate=table_rate)
        super().__init__([{"params": list(student.parameters())}], {"lr": rate})
        self.param_groups = [group for part in self._parts.parts for group in part.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # none is ever given
        first = self.param_groups[0]
        self._parts.step(share=first["lr"] / first["initial_lr"], max_grad_norm=CLIP)


class _LengthBatches(DefaultBatchSampler):
    """Give batches of rows next to each other by length, in an order of which every beginning has all lengths."""

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> None:
        super().__init__(dataset, batch_size, drop_last, **others)
        column = OTHER if OTHER in dataset.column_names else ENGLISH
        order = np.argsort([len(text) for text in dataset[column]], kind="stable").tolist()
        self._batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    def __iter__(self) -> Iterator[list[int]]:
        spread = (np.arange(1, len(self._batches) + 1) * _GOLDEN) % 1
        for place in np.argsort(np.argsort(spread)).tolist():
            yield self._batches[place]

    def __len__(self) -> int:
        return len(self._batches)
