"""Labelling ahead of a run: a teacher's vectors of a corpus, made here, on a cluster, or in shares."""

from __future__ import annotations

from pathlib import Path

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.fitness import examine, require_cosine
from mling_embed.encoders.loading import load
from mling_embed.encoders.precision import Precision
from mling_embed.engines.encoding import Model
from mling_embed.engines.engine import Engine
from mling_embed.progress import Progress, silent
from mling_embed.training.targets import Targets, TargetStore


def label_corpus(
    corpus: str | Path,
    teacher: str,
    *,
    prompt: str | None = None,
    precision: Precision = Precision.AUTO,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Targets:
    """Compute the targets of a corpus's English sentences; a run with this teacher then finds them in the cache.

    Args:
        corpus: A folder that `build_corpus` made, seen by all machines, as the cache is.
        teacher: A folder, or a name of the hub.
        prompt: Put before every text; by default the teacher's own.
        precision: Number format of its products.
        engine: Who encodes; this process by default.
        progress: Told of texts done.

    Raises:
        UsageError: The teacher is not fit to teach.
        DataError: Corpus or teacher cannot be read.
        Interrupted: Others label a part of the sentences.
    """
    texts = ParallelCorpus.open(corpus).english_texts()
    encoder = load(teacher, prompt=prompt, precision=precision)
    require_cosine(encoder, examine(encoder))
    elsewhere = None if engine is None else (engine, Model.of(teacher, encoder, prompt=prompt))
    return TargetStore(encoder).compute(texts, progress=progress, elsewhere=elsewhere)
