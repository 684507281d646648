"""The pretrained student: a multilingual encoder that is there already, pruned, trimmed, in the teacher's space."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.anatomy import encoder_layers
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.fitness import examine
from mling_embed.encoders.heads import dense, with_head
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.pruning import choose_layers, prune_layers
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.encoders.vocabulary_change import trim_vocabulary
from mling_embed.progress import Progress, silent
from mling_embed.students.closed_form import FittedHead, HeadKind, closed_form_head
from mling_embed.students.head_sample import HeadSample, english_sample, head_sample
from mling_embed.training.settings import HEAD_PAIRS
from mling_embed.training.targets import Targets, TargetStore
from mling_embed.training.training_set import training_texts

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_WORK = "the student's own vectors"
_PROMPT_NAMES = ("query", "document", "passage")
_USUAL_POOLINGS = ("mean", "cls")


def starting_student(
    name: str,
    corpus: ParallelCorpus,
    targets: Targets,
    *,
    unit_norm: bool,
    layers: int | Sequence[int] | None = None,
    trim: bool = False,
    prompt: str | None = None,
    pairs: int = HEAD_PAIRS,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[SentenceTransformer, FittedHead]:
    """Return a pretrained encoder as a student starts from it: pruned, trimmed, prompted, and in the teacher's space.

    Args:
        name: A folder, or a name of the Hugging Face hub.
        corpus: Parallel text, whose tokens a trimmed vocabulary holds, and to a sample of which the head is fitted.
        targets: The teacher's vectors of the corpus's English rows.
        unit_norm: Whether the targets have length one.
        layers: Layers to keep, their number or which; all by default.
        trim: Leave out tokens that the corpus does not hold.
        prompt: Put before every text from now on; by default the encoder's own for queries.
        pairs: To fit the head to; English sentences of a corpus without pairs.
        device: Where the sample is encoded; the best that there is by default.
        seed: Of the sample, and of what is held out of it.
        progress: Told of the work done.

    Raises:
        UsageError: The encoder has no such layers, or is of a family whose parts are not known.
        DataError: Its vectors are not finite, or all the same.
    """
    student = load_sentence_transformer(name, device="cpu")
    if layers is not None:
        numbers = choose_layers(len(encoder_layers(student)), layers) if isinstance(layers, int) else layers
        student = prune_layers(student, numbers)
    one_prompt(student, prompt)
    if trim:
        texts = _prompted(training_texts(corpus), TransformerEncoder(student).prompt)
        trimmed = trim_vocabulary(student, texts, progress=progress)
        logger.info("trimmed %d rows, %.1f MB", trimmed.rows_saved, trimmed.megabytes_saved)
        student = trimmed.model
    sample = head_sample(corpus, pairs=pairs, seed=seed)
    return with_closed_form_head(
        student, sample, targets, unit_norm=unit_norm, device=device, seed=seed, progress=progress
    )


def student_of_english(
    name: str,
    texts: Sequence[str],
    teacher: Encoder,
    *,
    prompt: str | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[SentenceTransformer, FittedHead]:
    """Return a multilingual encoder in the teacher's space without a single translation.

    What a head learns of English sentences holds for other languages as far as the encoder puts them side by side.

    Args:
        name: A folder, or a name of the Hugging Face hub.
        texts: English sentences of any kind, ten thousand or more; the nearer to later use the better.
        teacher: Whose space it is.
        prompt: Put before every text from now on; by default the encoder's own for queries.
        device: Where the sentences are encoded; the best that there is by default.
        seed: Of what is held out.
        progress: Told of the work done.

    Raises:
        DataError: There are too few sentences, or the vectors of one of the two are not finite, or all the same.
    """
    sample = english_sample(texts)
    targets = TargetStore(teacher).compute(sample.texts, progress=progress)
    student = load_sentence_transformer(name, device="cpu")
    one_prompt(student, prompt)
    return with_closed_form_head(
        student,
        sample,
        targets,
        unit_norm=examine(teacher).unit_norm,
        device=device,
        seed=seed,
        progress=progress,
    )


def with_closed_form_head(
    student: SentenceTransformer,
    sample: HeadSample,
    targets: Targets,
    *,
    unit_norm: bool,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[SentenceTransformer, FittedHead]:
    """Return an encoder with the head that puts it into the teacher's space; it shares its body with the one given.

    What the encoder pools is offered to the head in a second way too, the first token beside the mean or the mean
    beside the first token, which is kept if the head does better with both.

    Args:
        student: An encoder.
        sample: Sentences to fit the head to; their vectors are kept, as the teacher's are.
        targets: The teacher's vectors, by the rows that the sample names.
        unit_norm: Whether the targets have length one.
        device: Where the sample is encoded; where the student is by default.
        seed: Of what is held out.
        progress: Told of the work done.

    Raises:
        DataError: The sample is too small, or the encoder's vectors are not finite, or all the same.
    """
    home, usual, wider = student.device, with_head(student, unit_norm=False), with_wider_pooling(student)
    widths = list(dict.fromkeys(int(each.get_embedding_dimension() or 0) for each in (usual, wider)))
    if device is not None:
        wider.to(device)
    vectors = TargetStore(TransformerEncoder(wider)).compute(sample.texts, work=_WORK, progress=progress).matrix()
    wider.to(home)
    rows, place = np.unique(sample.rows, return_inverse=True)
    # A training heeds directions alone, and a teacher of vectors of any length asks for lengths too.
    kinds = [kind for kind in HeadKind if unit_norm or kind is not HeadKind.TRAINED]
    wanted = targets.take(rows)
    fitted = closed_form_head(vectors, wanted, place, kinds=kinds, widths=widths, seed=seed, progress=progress)
    body = usual if fitted.head.weight.shape[1] == widths[0] else wider
    headed = with_head(body, dense(fitted.head.weight, fitted.head.bias), unit_norm=unit_norm)
    headed.similarity_fn_name = "cosine"
    return headed, fitted


def with_wider_pooling(model: SentenceTransformer) -> SentenceTransformer:
    """Return a model that gives mean and first token side by side, its own pooling first, without normalising.

    One that has other modules behind its pooling is returned as it is, but for the closing `Normalize`.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    bare = with_head(model, unit_norm=False)
    if len(bare) != 2 or not isinstance(bare[1], Pooling):
        return bare
    own = (bare[1].pooling_mode,) if isinstance(bare[1].pooling_mode, str) else tuple(bare[1].pooling_mode)
    modes = (*own, *(mode for mode in _USUAL_POOLINGS if mode not in own))
    bare[1] = Pooling(bare[1].embedding_dimension, pooling_mode=modes, include_prompt=bare[1].include_prompt)
    return bare


def one_prompt(model: SentenceTransformer, prompt: str | None = None) -> None:
    """Let a model put one prompt before every text, in place: queries, passages, and texts without a role.

    A teacher's target is the same whatever a sentence is to a search, and so is its student's vector.

    Args:
        model: An encoder; a prompt is pooled with the text from now on, as it is while a student is trained.
        prompt: By default the model's own default prompt, or else the one of its queries.
    """
    from sentence_transformers.sentence_transformer.modules import Pooling

    if prompt is None:
        own = {name: text for name, text in model.prompts.items() if text}
        prompt = own.get(model.default_prompt_name or "") or own.get(_PROMPT_NAMES[0], "")
    model.prompts = dict.fromkeys(_PROMPT_NAMES, prompt)
    model.default_prompt_name = _PROMPT_NAMES[0] if prompt else None
    for module in model.modules():
        if isinstance(module, Pooling):
            module.include_prompt = True


def _prompted(texts: Iterable[Sequence[str]], prompt: str) -> Iterator[list[str]]:
    for part in texts:
        yield [prompt + text for text in part]
