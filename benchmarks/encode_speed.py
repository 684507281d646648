"""Compare how fast a static student encodes: ours, model2vec, and sentence-transformers, with the same tables.

The same tokenizer, token table and sentences for all; each setting (one thread, two threads) in a process of its
own that may use as many cores; rounds interleaved, medians.

python benchmarks/encode_speed.py OUT [--corpus DIR] [--model DIR] [--sentences 20000] [--threads 1 2]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measure import Measurement, peak_rss_bytes, say

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.static import StaticEncoder
from mling_embed.evaluation.suites.phrasebook import PHRASEBOOK, phrasebook_sentences
from mling_embed.tokenizers.vocabulary import train_unigram

OURS, MODEL2VEC, TRANSFORMERS = "mling_embed", "model2vec", "sentence_transformers"
TRANSFORMERS_LARGE = "sentence_transformers, batch 1024"
DIM = 384
VOCABULARY = 65_536
TRAINING_SENTENCES = 100_000


def sentences(corpus: Path | None, n: int, seed: int) -> list[str]:
    """Draw sentences of all languages from a corpus, or repeat the phrasebook's."""
    random = np.random.default_rng(seed)
    if corpus is None:
        tasks = list(phrasebook_sentences(manifest_folder() / PHRASEBOOK))
        texts = [text for task in tasks for text in task.texts()]
        return [texts[place] for place in random.integers(0, len(texts), n)]
    opened = ParallelCorpus.open(corpus)
    shares = np.asarray([len(opened.pairs(language)) for language in opened.languages], dtype=np.float64)
    counts = random.multinomial(n, shares / shares.sum())
    drawn: list[str] = []
    for language, count in zip(opened.languages, counts.tolist(), strict=True):
        table = opened.pairs(language)
        drawn.extend(table.text_list(np.sort(random.choice(len(table), min(count, len(table)), replace=False))))
    return [drawn[place] for place in random.permutation(len(drawn))]


def student(model: Path | None, corpus: Path | None, seed: int) -> StaticEncoder:
    """Load a student, or make one with random token vectors: the values do not change the speed."""
    if model is not None:
        from mling_embed.encoders.loading import load_sentence_transformer

        return StaticEncoder.of(load_sentence_transformer(model, device="cpu"))
    say("training a vocabulary")
    texts = sentences(corpus, TRAINING_SENTENCES, seed + 1)
    tokenizer = train_unigram(texts, size=VOCABULARY if corpus else VOCABULARY // 8)
    random = np.random.default_rng(seed)
    return StaticEncoder(tokenizer, random.standard_normal((tokenizer.get_vocab_size(), DIM), dtype=np.float32))


def encoders(folder: Path) -> dict[str, Callable[[list[str]], Any]]:
    """Return how each contestant encodes, all with the model in `folder`."""
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    ours = StaticEncoder.of(model)
    peer = StaticModel(ours.table.numpy(), ours.tokenizer, normalize=True)
    return {
        OURS: ours.encode,
        MODEL2VEC: peer.encode,
        TRANSFORMERS: lambda texts: model.encode(texts, show_progress_bar=False),
        TRANSFORMERS_LARGE: lambda texts: model.encode(texts, batch_size=1024, show_progress_bar=False),
    }


def race(folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Measure the contestants in this process: sentences per second of each round, and how equal the vectors are."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    import torch

    torch.set_num_threads(threads)
    texts: list[str] = json.loads((folder / "sentences.json").read_text(encoding="utf-8"))
    contestants = encoders(folder / "model")
    parallel = "true" if threads > 1 else "false"
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    vectors: dict[str, Any] = {}
    for turn in range(rounds + 1):
        names = list(contestants)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            os.environ["TOKENIZERS_PARALLELISM"] = parallel  # model2vec changes it
            began = time.perf_counter()
            found = contestants[name](texts)
            seconds = time.perf_counter() - began
            if turn:  # the first is to warm up
                speeds[name].append(len(texts) / seconds)
            else:
                vectors[name] = np.asarray(found)
    others = (name for name in vectors if name != OURS)
    cosines = {name: float((vectors[OURS] * vectors[name]).sum(axis=1).min()) for name in others}
    return {"speeds": speeds, "min_cosine": cosines, "peak_rss_bytes": peak_rss_bytes()}


def main() -> None:
    """Parse the options, measure each setting in a process of its own, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--corpus", type=Path, help="take the sentences from it [default: from the phrasebook]")
    parser.add_argument("--model", type=Path, help="a static student's folder [default: random token vectors]")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--race", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.race is not None:  # the process of one setting; OUT is the folder of model and sentences
        print(json.dumps(race(options.out, options.race, options.rounds)))
        return
    result = Measurement("encode_speed", seeds=[options.seed])
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with result.phase("preparation"):
            encoder = student(options.model, options.corpus, options.seed)
            encoder.save(folder / "model", model_card="")
            texts = sentences(options.corpus, options.sentences, options.seed)
            (folder / "sentences.json").write_text(json.dumps(texts), encoding="utf-8")
        for threads in options.threads:
            with result.phase(f"race on {threads} threads"):
                found = _raced(folder, threads, options.rounds)
            _record(result, found, threads, len(texts))
    result.facts |= {
        "vocabulary": len(encoder.table),
        "dim": encoder.dim,
        "mean_characters": float(np.mean([len(text) for text in texts])),
        "rounds": options.rounds,
        "random_vectors": options.model is None,
    }
    result.write(options.out)


def _raced(folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    command = [sys.executable, __file__, str(folder), "--race", str(threads), "--rounds", str(rounds)]
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _record(result: Measurement, found: dict[str, Any], threads: int, n: int) -> None:
    medians = {name: float(np.median(speeds)) for name, speeds in found["speeds"].items()}
    for name, speeds in found["speeds"].items():
        score = {"task": name, "threads": threads, "n": n, "score": medians[name]}
        score |= {"low": min(speeds), "high": max(speeds), "min_cosine_to_ours": found["min_cosine"].get(name)}
        result.scores.append(score)
        if name != OURS:
            label = "sentence_transformers_batch_1024" if name == TRANSFORMERS_LARGE else name
            result.figures[f"ratio_to_{label}_{threads}"] = medians[OURS] / medians[name]
    equal = min(found["min_cosine"].values())
    result.figures["min_cosine"] = min(equal, result.figures.get("min_cosine", 1.0))
    result.peak_rss_bytes = max(result.peak_rss_bytes, found["peak_rss_bytes"])


if __name__ == "__main__":
    main()
