"""The static student of a multilingual encoder: its labels of a vocabulary and of sentences, no translations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from mling_embed import __version__
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import monolingual_input
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.contract import Encoder
from mling_embed.encoders.fitness import examine, require_cosine
from mling_embed.encoders.loading import load
from mling_embed.encoders.model_folder import write_model
from mling_embed.encoders.static import StaticEncoder
from mling_embed.progress import Progress, silent
from mling_embed.students.static import fit_static_student
from mling_embed.training.settings import FitSettings
from mling_embed.training.targets import TargetStore

logger = logging.getLogger(__name__)


def export_static(
    model: str | Path,
    out: str | Path,
    texts: Sequence[str],
    *,
    size: int | Literal["auto"] = "auto",
    fit: FitSettings = FitSettings(),  # noqa: B008 -- frozen
    decontaminate: bool = True,
    device: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> StaticEncoder:
    """Write the static student of an encoder, which encodes tens of thousands of sentences a second.

    The encoder labels each piece of a vocabulary that is trained on the texts (as model2vec does, Tulkens & van Dongen
    2024), and the texts themselves; the token table is fitted to both.

    Args:
        model: A folder, or a name of the Hugging Face hub; it reads the languages of the texts.
        out: The new folder; an earlier one there is replaced.
        texts: Files of sentences, one a line, as ``FILE:fi``; ten thousand or more of each language.
        size: Entries of the vocabulary; ``auto`` chooses by the texts.
        fit: How the token table is fitted.
        decontaminate: Keep out the sentences of known test sets.
        device: Where the encoder labels; the best that there is by default.
        seed: Of the vocabulary's sample and of the fit.
        progress: Told of the work done.

    Raises:
        UsageError: The encoder was trained for the dot product, or a file's language is not known.
        DataError: A file is missing, or nothing of the texts is left to learn from.
    """
    encoder = load(model, device=device)
    require_cosine(encoder, examine(encoder))
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as work:
        inputs = [monolingual_input(text) for text in texts]
        corpus = build_corpus(
            inputs, Path(work) / "corpus", dev_fraction=0.0, decontaminate=decontaminate, progress=progress
        )
        corpus.require_training_text(pairs=False)
        student = static_of(encoder, corpus, Path(work) / "fit", size=size, fit=fit, seed=seed, progress=progress)
        languages = sorted({str(each.language) for each in inputs})
        n_texts = corpus.n_english
    card = _card(str(model), encoder, languages=languages, n_texts=n_texts, n_tokens=len(student.table))
    write_model(student.to_sentence_transformer(), out, model_card=card, teacher=encoder.fingerprint)
    return student


def static_of(
    encoder: Encoder,
    corpus: ParallelCorpus,
    folder: Path,
    *,
    size: int | Literal["auto"] = "auto",
    fit: FitSettings = FitSettings(),  # noqa: B008 -- frozen
    seed: int = 0,
    progress: Progress = silent,
) -> StaticEncoder:
    """Return the static student of an encoder.

    Args:
        encoder: Labels the sentences and the vocabulary.
        corpus: Sentences of any language in place of English ones; translations count for nothing.
        folder: Where the vocabulary and the state after each epoch are kept.
        size: Entries of the vocabulary; ``auto`` chooses by the corpus.
        fit: How the token table is fitted.
        seed: Of the vocabulary's sample and of the fit.
        progress: Told of the work done.
    """
    store = TargetStore(encoder)
    targets = store.compute(corpus.english_texts(), work="labelling", progress=progress)
    return fit_static_student(corpus, targets, folder, pieces=store, size=size, fit=fit, seed=seed, progress=progress)


def _card(model: str, encoder: Encoder, *, languages: Sequence[str], n_texts: int, n_tokens: int) -> str:
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- static-embeddings
---

# The static student of {model}

| | |
|---|---|
| made with | mling_embed {__version__} |
| teacher | {model}, fingerprint `{encoder.fingerprint[:16]}` |
| vocabulary | {n_tokens:,} tokens, each labelled by the teacher |
| sentences | {n_texts:,}, labelled by the teacher |
| languages | {", ".join(languages)} |
"""
