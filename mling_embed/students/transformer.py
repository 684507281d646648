"""What transformer students have in common: a start that is kept, a training, a folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.anatomy import encoder_layers, require_known_family, token_embedding
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.pruning import choose_layers, require_layers
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.errors import UsageError
from mling_embed.progress import Progress, silent
from mling_embed.tokenizers.tokenizer_json import plain_tokenizer, read_state
from mling_embed.training.dev_accuracy import DevAccuracy, NeverBelowStart
from mling_embed.training.settings import TrainingSettings
from mling_embed.training.targets import Targets
from mling_embed.training.trainer import train
from mling_embed.training.training_set import TrainingSet, training_sentences

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_START = "start"
_START_FILE = "start.json"


def train_transformer_student(
    start: SentenceTransformer,
    corpus: ParallelCorpus,
    targets: Targets,
    folder: Path,
    *,
    settings: TrainingSettings,
    sentences: TrainingSet | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> SentenceTransformer:
    """Train a student on a corpus's training split; a stopped training in the same folder goes on.

    Args:
        start: Where it starts from, with the head that the targets ask for; it is changed.
        corpus: Parallel text.
        targets: The teacher's vectors of the corpus's English rows.
        folder: Of the checkpoints and the log.
        settings: Of the training.
        sentences: The training split, if it is tokenized already.
        device: Where it is trained; the best that there is by default.
        seed: Of batches and dropout.
        progress: Told of the work done.

    Returns:
        The student with the weights that did best on the dev split, or the last ones without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prompt = TransformerEncoder(start).prompt
    if sentences is None or prompt:
        sentences = training_sentences(corpus, plain_tokenizer(start), prompt=prompt, progress=progress)
    dev = DevAccuracy(corpus, targets, seed=seed)
    measure = NeverBelowStart(dev, folder / _START_FILE) if dev else None
    state = train(
        start,
        sentences,
        targets,
        settings=settings,
        folder=folder,
        device=device,
        seed=seed,
        measure=measure,
        progress=progress,
    )
    if measure is not None and state.step and not state.best_step:
        logger.warning("no step of the training was better than the start on the dev split, so the start is kept")
    return start


def require_trainable(
    student: SentenceTransformer,
    *,
    layers: int | Sequence[int] | None = None,
    trim: bool = False,
    layer_decay: float = 1.0,
    trained_layers: int | None = None,
) -> None:
    """Refuse an encoder that cannot become a student, before anything is computed for it.

    An encoder of any family is trained whole. Where its layers are left out, learn at different rates or not at all, or
    its vocabulary is trimmed, its family must be one whose parts are known.

    Args:
        student: An encoder.
        layers: To keep, their number or which; all by default.
        trim: Whether its vocabulary is trimmed.
        layer_decay: Factor from each layer's learning rate to that of the one below.
        trained_layers: Topmost layers that are trained, of those kept; all by default.

    Raises:
        UsageError: It is no transformer with a fast tokenizer, it has no such layers, or its family is not known.
    """
    token_embedding(student)
    read_state(student.tokenizer)
    if trim:
        require_known_family(student, "its vocabulary cannot be trimmed")
    if layers is not None:
        require_known_family(student, "layers cannot be left out")
        n_layers = len(encoder_layers(student))
        require_layers(choose_layers(n_layers, layers) if isinstance(layers, int) else layers, n_layers)
    if layer_decay != 1 or trained_layers is not None:
        require_known_family(student, "its layers cannot have rates of their own")
    if trained_layers is not None:
        kept = layers if isinstance(layers, int) else len(layers or encoder_layers(student))
        if trained_layers > kept:
            raise UsageError(f"cannot train {trained_layers} of {kept} layers (train.trained_layers).")


def kept_start(folder: Path) -> SentenceTransformer | None:
    """Return the start that `keep_start` wrote, or `None`."""
    return load_sentence_transformer(folder / _START, device="cpu") if (folder / _START).exists() else None


def keep_start(start: SentenceTransformer, folder: Path) -> None:
    """Write where a student starts from, so that a stopped run need not make it again."""
    write_model(start, folder / _START)
