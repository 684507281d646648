"""Compare the time that the teacher's vectors of a corpus take: ours, and once per pair as the usual example does.

On the same pairs, in one process: `TargetStore.compute` with an empty store (each distinct English sentence once,
batches of equal token counts, the machine's best number format); `SentenceTransformer.encode` of the English of
every pair, language by language, in batches of 32, fp32; then ours again, from the store.

python benchmarks/teacher_targets.py CORPUS OUT [--pairs 12000] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measure import Measurement, say

from mling_embed.corpora.parallel import ParallelCorpus
from mling_embed.encoders.loading import load_sentence_transformer
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.encoders.transformer import TransformerEncoder
from mling_embed.training.targets import TargetStore

MIN_LANGUAGES = 6


def sample(corpus: ParallelCorpus, n_pairs: int, seed: int) -> dict[str, list[str]]:
    """Draw English sentences with all their translations until there are `n_pairs` pairs.

    Returns:
        Language -> the English sentences of its pairs.
    """
    rows = {language: corpus.pairs(language).english_rows for language in corpus.languages}
    n_of = np.bincount(np.concatenate(list(rows.values())), minlength=corpus.n_english)
    order = np.random.default_rng(seed).permutation(corpus.n_english)
    drawn = order[: int(np.searchsorted(np.cumsum(n_of[order]), n_pairs)) + 1]
    chosen = np.zeros(corpus.n_english, dtype=bool)
    chosen[drawn] = True
    found = {language: corpus.english_texts(of[chosen[of]]) for language, of in rows.items()}
    return {language: texts for language, texts in found.items() if texts}


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--pairs", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    corpus = ParallelCorpus.open(options.corpus)
    english = sample(corpus, options.pairs, options.seed)
    if len(english) < MIN_LANGUAGES:
        say(f"only {len(english)} languages share this English; at least {MIN_LANGUAGES} show what sharing saves")
    distinct = list(dict.fromkeys(text for texts in english.values() for text in texts))
    n_pairs = sum(map(len, english.values()))
    say(f"{n_pairs:,} pairs, {len(english)} languages, {len(distinct):,} distinct English sentences")
    result = Measurement("teacher_targets", seeds=[options.seed])
    model = load_sentence_transformer(DEFAULT_TEACHER)
    teacher = TransformerEncoder(model)
    teacher.encode(distinct[:64])
    model.encode(distinct[:64])
    with TemporaryDirectory() as folder:
        with result.phase("ours"):
            targets = TargetStore(teacher, root=Path(folder)).compute(distinct)
        with result.phase("once per pair"):
            peer = {
                language: model.encode(texts, batch_size=32, show_progress_bar=False)
                for language, texts in english.items()
            }
        with result.phase("ours again, from the store"):
            TargetStore(teacher, root=Path(folder)).compute(distinct)
        rows = {text: row for row, text in enumerate(distinct)}
        cosines = []
        for language, texts in english.items():
            ours = targets.take(np.asarray([rows[text] for text in texts])).astype(np.float32)
            norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(peer[language], axis=1)
            cosines.append((ours * peer[language]).sum(axis=1) / norms)
        del targets
    cosine = np.concatenate(cosines)
    seconds = result.seconds
    ours_s, peer_s, again_s = (seconds[name] for name in ("ours", "once per pair", "ours again, from the store"))
    result.figures = {
        "ratio": peer_s / ours_s,
        "ratio_of_sentences": n_pairs / len(distinct),
        "second_run_seconds": again_s,
        "min_cosine": float(cosine.min()),
        "mean_cosine": float(cosine.mean()),
    }
    for name, n, duration in (("ours", len(distinct), ours_s), ("once per pair", n_pairs, peer_s)):
        result.scores.append({"task": name, "n": n, "score": n / duration, "seconds": duration})
    result.facts = {
        "pairs": n_pairs,
        "languages": len(english),
        "distinct_english": len(distinct),
        "precision": str(teacher.precision),
        "corpus": corpus.fingerprint,
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
