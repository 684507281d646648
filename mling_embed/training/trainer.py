"""Train a transformer student towards its targets: one loop, on Accelerate.

Every step is a pure function of its number: the batch, the learning rate, the random state. So a run that is killed
and resumed ends with the weights of one that was not, and two processes take the steps that one would.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from mling_embed.encoders.attention import Attention, attention_on_cpu
from mling_embed.errors import DataError, Interrupted, MlingEmbedError, UsageError
from mling_embed.files import append_text
from mling_embed.hardware import default_device, native_bf16
from mling_embed.progress import Progress, silent
from mling_embed.training.attention_choice import chosen_attention
from mling_embed.training.checkpoints import CheckpointStore
from mling_embed.training.collapse import require_spread
from mling_embed.training.collator import Collator, Slice
from mling_embed.training.curves import LOG_FILE
from mling_embed.training.distributed import any_process, from_main, gather_batch
from mling_embed.training.losses import LossParts, distillation_loss, target_variance
from mling_embed.training.optimizers import Optimizers
from mling_embed.training.sampler import BatchSampler
from mling_embed.training.schedule import number_of_steps, rate_share, seed_of_step
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.signals import StopRequest
from mling_embed.training.state import TrainingState, Watch, forget_after
from mling_embed.training.targets import Targets
from mling_embed.training.training_set import TrainingSet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_WORK = "training the student"
_VARIANCE_SAMPLE = 65_536


Measure = Callable[["SentenceTransformer", TrainingState], float]


def train(
    student: SentenceTransformer,
    sentences: TrainingSet,
    targets: Targets,
    *,
    settings: TrainingSettings,
    folder: Path,
    device: str | None = None,
    seed: int = 0,
    measure: Measure | None = None,
    progress: Progress = silent,
) -> TrainingState:
    """Train a student in place; a stopped training in the same folder goes on.

    Args:
        student: With the head that its targets ask for (`mling_embed.training.collapse`).
        sentences: Tokenized with the student's tokenizer, without special tokens.
        targets: The teacher's vectors, by English row.
        settings: Steps, rates, batches, loss.
        folder: Of the checkpoints and ``log.jsonl``.
        device: Where it is trained; the best that there is by default.
        seed: Of batches and dropout.
        measure: Returns the dev score, higher being better; called before the first step, every ``eval_steps`` and at
            the end. The student ends with the weights that scored best.
        progress: Told of the steps done.

    Raises:
        Interrupted: A signal asked for a stop; the checkpoint is written.
        MlingEmbedError: The loss is not a number, or the student has collapsed.
    """
    run = _Run.begin(
        student,
        sentences,
        targets,
        settings=settings,
        folder=folder,
        device=device or default_device(),
        seed=seed,
        measure=measure,
    )
    state, accelerator = run.state, run.accelerator
    with attention_on_cpu(student, Attention(state.attention)), StopRequest() as stop:
        if not state.step:
            run.evaluate()
        while state.step < run.n_steps and not run.gave_up():
            plan = run.sampler.epoch(state.epoch)
            while state.index < len(plan) and state.step < run.n_steps:
                loss = run.step(plan.batch(state.index, rank=run.rank, world_size=accelerator.num_processes))
                state.index += 1
                if state.step % settings.logging_steps == 0 or state.step == run.n_steps:
                    run.log(loss)
                if state.step % settings.eval_steps == 0 or state.step == run.n_steps:
                    run.evaluate()
                progress(_WORK, state.step, run.n_steps)
                stopped = any_process(accelerator, stop.made)
                if stopped or run.gave_up() or state.step % settings.save_steps == 0 or state.step == run.n_steps:
                    run.save()
                if stopped:
                    raise Interrupted(
                        f"stopped after step {state.step:,} of {run.n_steps:,}; the checkpoint is written.",
                        next_step="Run the same command again to go on.",
                    )
                if run.gave_up():
                    break
            if state.index >= len(plan):
                state.epoch, state.index = state.epoch + 1, 0
    run.finish()
    return state


class _Slices(nn.Module):
    """Run a student on a batch that comes in slices of sentences alike in length, in one forward."""

    def __init__(self, student: SentenceTransformer, *, bf16: bool) -> None:
        super().__init__()
        self.student, self.bf16 = student, bf16
        self.empty = torch.tensor([student.tokenizer("")["input_ids"]])

    def forward(self, slices: Sequence[Slice]) -> Tensor:
        """Return the vectors of all sentences of the slices, in the order of the batch. Shape: (n, dim)."""
        if not slices:  # a process without a sentence still takes part in the step
            # The tokens around a text are in every batch: no row of the embedding is touched that would not be.
            return self._vectors([(self.empty, torch.ones_like(self.empty))])[:0]
        joined = self._vectors([(part.input_ids, part.attention_mask) for part in slices])
        positions = torch.cat([part.positions for part in slices])
        return joined[positions.argsort().to(joined.device)]

    def _vectors(self, batches: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        device = self.student.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):  # weights are cast once within it
            parts = [
                self.student({"input_ids": ids.to(device), "attention_mask": mask.to(device)})["sentence_embedding"]
                for ids, mask in batches
            ]
        return torch.cat(parts).float()


@dataclass(slots=True)
class _Run:
    """All that the loop needs, and its steps."""

    accelerator: Accelerator
    student: SentenceTransformer
    model: nn.Module
    sampler: BatchSampler
    collator: Collator
    optimizers: Optimizers
    store: CheckpointStore
    settings: TrainingSettings
    folder: Path
    seed: int
    measure: Measure | None
    n_steps: int
    variance: float
    state: TrainingState = field(default_factory=TrainingState)
    watch: Watch = field(init=False)

    @classmethod
    def begin(
        cls,
        student: SentenceTransformer,
        sentences: TrainingSet,
        targets: Targets,
        *,
        settings: TrainingSettings,
        folder: Path,
        device: str,
        seed: int,
        measure: Measure | None,
    ) -> _Run:
        """Build the parts, and take over the newest checkpoint."""
        accelerator = Accelerator(
            cpu=device == "cpu",
            mixed_precision="no",  # a process has one for all its life; the model casts for itself
            log_with=list(settings.report_to) or None,
            project_dir=folder,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # such as a BERT's pooler
        )
        folder.mkdir(parents=True, exist_ok=True)
        student.to(accelerator.device)
        _set_dropout(student, settings.dropout)
        if not len(sentences):
            raise DataError("there are no sentences to train on.")
        longest = min(settings.max_seq_length, student.max_seq_length or settings.max_seq_length)
        settings = replace(settings, max_seq_length=longest)
        sampler = batch_sampler(sentences, settings, seed)
        sample = np.linspace(0, len(targets) - 1, min(len(targets), _VARIANCE_SAMPLE)).astype(np.int64)
        run = cls(
            accelerator=accelerator,
            student=student,
            model=_Slices(student, bf16=wants_bf16(settings, device)),
            sampler=sampler,
            collator=_collator(student, sentences, targets, settings),
            optimizers=Optimizers.of(
                student,
                learning_rate=settings.learning_rate,
                embedding_learning_rate=settings.embedding_learning_rate,
                layer_decay=settings.layer_learning_rate_decay,
                trained_layers=settings.trained_layers,
                weight_decay=settings.weight_decay,
            ),
            store=CheckpointStore(folder, keep=settings.save_total_limit),
            settings=settings,
            folder=folder,
            seed=seed,
            measure=measure,
            n_steps=number_of_steps(settings, sampler),
            variance=target_variance(targets.take(sample)),
        )
        run.resume()
        run.choose_attention()
        run.model = accelerator.prepare(run.model)
        if settings.report_to:
            facts = {
                name: value for name, value in asdict(settings).items() if name != "report_to" and value is not None
            }
            accelerator.init_trackers("mling_embed", config=facts)
        return run

    def resume(self) -> None:
        """Take over the newest checkpoint, if there is one."""
        found = self.store.newest()
        if found is not None:
            try:
                self.student.load_state_dict(found.tensors["model"])
            except RuntimeError as error:
                raise UsageError(
                    "is a checkpoint of another student.", where=found.path, next_step="Choose another folder."
                ) from error
            self.optimizers.load(found.tensors["optimizer"])
            self.state = TrainingState(**found.facts)
            logger.info("goes on after step %d", self.state.step)
        if self.accelerator.is_main_process:
            forget_after(self.folder / LOG_FILE, self.state.step if found is not None else -1)
        self.watch = Watch.at(self.state)

    def choose_attention(self) -> None:
        """Choose the kernel of the attention, once a training: a resumed one keeps it."""
        if not self.state.attention:
            numbers = self.sampler.epoch(0).batch(0)
            slices = self.collator.slices(numbers, slice_tokens=self.settings.tokens_per_slice)
            chosen = chosen_attention(self.student, self.model, slices, settings=self.settings, n_steps=self.n_steps)
            fused = from_main(self.accelerator, float(chosen is Attention.FUSED))
            self.state.attention = (Attention.FUSED if fused else Attention.PLAIN).value

    @property
    def rank(self) -> int:
        """Number of this process."""
        return int(self.accelerator.process_index)

    def step(self, numbers: np.ndarray) -> LossParts:
        """Take one step on sentences of a batch: those that this process has of it."""
        settings, state = self.settings, self.state
        torch.manual_seed(seed_of_step(self.seed, state.step, self.rank))
        self.model.train()
        device = self.accelerator.device
        slices = self.collator.slices(numbers, slice_tokens=settings.tokens_per_slice)
        vectors = self.model(slices)
        rows = torch.from_numpy(self.sampler.sentences.target_rows[numbers]).to(device)
        wanted = self.collator.targets(numbers).to(device)
        loss = distillation_loss(
            *gather_batch(self.accelerator, vectors, wanted, rows),
            kind=settings.loss,
            contrastive_weight=settings.contrastive_weight,
            score_weight=settings.score_weight,
            between_translations=settings.translation_weight,
            temperature=settings.temperature,
            same_meaning=settings.same_meaning,
            target_variance=self.variance,
        )
        if not torch.isfinite(loss.total):
            raise MlingEmbedError(
                f"the loss is {float(loss.total.detach())} at step {state.step}.",
                next_step="Lower the learning rates, or train with bf16 = false.",
            )
        # Gradients of the processes sum to that of the batch, and Accelerate averages them.
        self.accelerator.backward(loss.total * self.accelerator.num_processes)
        share = rate_share(state.step, self.n_steps, settings.warmup_ratio)
        self.optimizers.step(share=share, max_grad_norm=settings.max_grad_norm)
        seen = torch.tensor([len(numbers), sum(int(part.attention_mask.sum()) for part in slices)], device=device)
        new_sentences, new_tokens = self.accelerator.reduce(seen).tolist()
        state.step += 1
        state.sentences, state.tokens = state.sentences + new_sentences, state.tokens + new_tokens
        if state.step == math.ceil(settings.warmup_ratio * self.n_steps) + settings.logging_steps:
            _, first = np.unique(rows.cpu().numpy(), return_index=True)
            require_spread(vectors.detach().cpu().numpy()[first], wanted.cpu().numpy()[first])
        return loss

    def gave_up(self) -> bool:
        """Say whether the dev score has not risen for as many measurements as the settings wait for."""
        patience = self.settings.early_stopping_patience
        return patience is not None and self.state.without_gain >= patience

    def evaluate(self) -> None:
        """Measure the student, and keep it if none was better."""
        if self.measure is None:
            return
        began = time.perf_counter()
        self.student.eval()
        score = self.measure(self.student, self.state) if self.accelerator.is_main_process else 0.0
        score = from_main(self.accelerator, score)
        state = self.state
        if score > state.best_score:
            state.best_score, state.best_step, state.without_gain = score, state.step, 0
            if self.accelerator.is_main_process:
                self.store.save_best(state.step, {"model": self.student.state_dict()}, {"score": score})
        else:
            state.without_gain += 1
        self.write({"dev": score, "best": state.best_score, "best_step": state.best_step})
        self.watch.leave_out(time.perf_counter() - began)

    def log(self, loss: LossParts) -> None:
        """Write the loss, the rate and the throughput since the last time."""
        state = self.state
        parts = {name: round(float(getattr(loss, name).detach()), 6) for name in LossParts.__dataclass_fields__}
        rate = self.settings.learning_rate * rate_share(state.step - 1, self.n_steps, self.settings.warmup_ratio)
        self.write({**parts, "learning_rate": rate, **self.watch.read(state, self.n_steps)})

    def write(self, facts: Mapping[str, Any]) -> None:
        """Add a line to the log, and tell the trackers."""
        if self.accelerator.is_main_process:
            record = {"step": self.state.step, "epoch": self.state.epoch, "sentences": self.state.sentences, **facts}
            append_text(self.folder / LOG_FILE, json.dumps(record) + "\n")
        if self.settings.report_to:
            self.accelerator.log(dict(facts), step=self.state.step)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.accelerator.is_main_process:
            tensors = {"model": self.student.state_dict(), "optimizer": self.optimizers.tensors()}
            self.store.save(self.state.step, tensors, asdict(self.state))
        self.accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Leave the student with the weights that scored best, or the last ones if nothing was measured."""
        best = self.store.best() if self.measure is not None else None
        if best is not None:
            self.student.load_state_dict(best.tensors["model"])
        elif self.state.best_step >= 0:
            logger.warning("the best weights cannot be read; the student keeps the last ones")
        self.student.eval()
        self.accelerator.end_training()


def _collator(
    student: SentenceTransformer, sentences: TrainingSet, targets: Targets, settings: TrainingSettings
) -> Collator:
    """Make the collator with the special tokens that the student's tokenizer puts around a text."""
    encoded = student.tokenizer("a", return_special_tokens_mask=True)
    own = [place for place, special in enumerate(encoded["special_tokens_mask"]) if not special]
    return Collator(
        sentences,
        targets,
        prefix_ids=encoded["input_ids"][: own[0]],
        suffix_ids=encoded["input_ids"][own[-1] + 1 :],
        pad_id=student.tokenizer.pad_token_id,
        max_length=settings.max_seq_length,
    )


def batch_sampler(sentences: TrainingSet, settings: TrainingSettings, seed: int) -> BatchSampler:
    """Return the sampler that a training with these settings has."""
    return BatchSampler(
        sentences,
        tokens_per_batch=settings.tokens_per_batch,
        max_length=settings.max_seq_length,
        language_temperature=settings.language_temperature,
        max_translations=settings.max_translations,
        english_share=settings.english_share,
        seed=seed,
    )


def wants_bf16(settings: TrainingSettings, device: str) -> bool:
    """Say whether products run in bf16, after a look at the hardware if it is left to that."""
    return native_bf16(device.partition(":")[0]) if settings.bf16 == "auto" else settings.bf16


def _set_dropout(student: SentenceTransformer, share: float) -> None:
    """Set every dropout of a student: targets are noise enough to learn from, and a teacher's own is not needed."""
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
