"""Mine news in the form of BUCC: every margin, beside random, cosine 1-nearest-neighbor, LASER's and stopes' selection.

Texts that stand twice on a side are left out; gold pairs with such texts still count. Thresholds are tuned on the first
language and applied to the others (F1 with >=); beside them stand each language's own best threshold, and the one that
calibration finds without any gold pair. LASER's and stopes' selections are written here as their code does it, on the
same vectors.

python benchmarks/mining_bucc.py OUT --data FOLDER --languages de,zh,ru (--model MODEL | --vectors FOLDER)

FOLDER of the data holds ``de-en.de``, ``de-en.en`` and ``de-en.gold``; one of vectors ``NAME-de-en.de.npy`` and so on.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Measurement, say

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import as_encoder
from mling_embed.metrics.bucc import best_threshold, bucc_scores, unrepeated_rows
from mling_embed.mining.calibration import calibrate, read_gold, wrong_pairs
from mling_embed.neighbors.margins import Margin, margin_scores, mean_similarity
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows

K = 4
Found = tuple[np.ndarray, np.ndarray]  # margins of pairs, and whether each is gold


@dataclass(frozen=True)
class Language:
    """Hold one language's neighbors in both directions, five of each, and its gold pairs as rows."""

    name: str
    both: tuple[Neighbors, Neighbors]
    gold: set[tuple[int, int]]
    n_gold: int
    n_source: int
    n_target: int

    def found(self, source: np.ndarray, target: np.ndarray, margins: np.ndarray) -> Found:
        """Return the margins of pairs, and whether each is gold."""
        correct = [pair in self.gold for pair in zip(source.tolist(), target.tolist(), strict=True)]
        return margins, np.array(correct, dtype=bool)


def rows_of(path: Path) -> tuple[list[str], list[str]]:
    """Return the ids and the texts of a file."""
    cells = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [name for name, _ in cells], [text for _, text in cells]


def language_of(name: str, data: Path, vectors_of: Any) -> Language:
    """Read a language, leave out texts that stand twice, and search."""
    ids, vectors = [], []
    for side in (name, "en"):
        names, texts = rows_of(data / f"{name}-en.{side}")
        kept = unrepeated_rows(texts)
        ids.append({names[row]: place for place, row in enumerate(kept.tolist())})
        vectors.append(unit_rows(vectors_of(name, side, texts)[kept]))
    gold = read_gold(data / f"{name}-en.gold").pairs
    rows = {(ids[0][one], ids[1][other]) for one, other in gold if one in ids[0] and other in ids[1]}
    return Language(name, top_k_both(*vectors, K + 1), rows, len(gold), len(vectors[0]), len(vectors[1]))


def narrowed(neighbors: Neighbors) -> Neighbors:
    """Return the neighbors without the one more that calibration looks at."""
    return Neighbors(neighbors.indices[:, :K], neighbors.scores[:, :K])


def ours(language: Language, margin: Margin, selection: Selection) -> tuple[Found, ScoredPairs]:
    """Select as the package does."""
    pairs = select(*map(narrowed, language.both), margin=margin, selection=selection)
    return language.found(pairs.source, pairs.target, pairs.margins), pairs


def margins_of(rows: Neighbors, others: Neighbors) -> np.ndarray:
    """Return the ratio margins of each row's neighbors."""
    means = mean_similarity(rows)[:, None], mean_similarity(others)[rows.indices]
    return margin_scores(rows.scores, *means, margin=Margin.RATIO)


def peer(language: Language, *, first_only: bool) -> Found:
    """Select as LASER's mine_bitexts does with ``max`` retrieval, or stopes, which looks at the nearest alone."""
    lists = []
    for rows, others in (language.both, language.both[::-1]):
        rows, others = narrowed(rows), narrowed(others)
        margins = margins_of(rows, others)
        best = np.zeros(len(margins), dtype=np.int64) if first_only else margins.argmax(axis=1)
        lists.append((rows.indices[np.arange(len(best)), best], margins[np.arange(len(best)), best]))
    (forward, scores), (backward, scores_back) = lists
    source = np.concatenate([np.arange(len(forward)), backward])
    target = np.concatenate([forward, np.arange(len(backward))])
    margins = np.concatenate([scores, scores_back])
    seen_source: set[int] = set()
    seen_target: set[int] = set()
    kept = []
    for place in np.argsort(-margins):
        one, other = int(source[place]), int(target[place])
        if one not in seen_source and other not in seen_target:
            seen_source.add(one)
            seen_target.add(other)
            kept.append(int(place))
    return language.found(source[kept], target[kept], margins[kept])


def random_pairs(language: Language, seed: int) -> Found:
    """Pair the sides at random, with random scores."""
    drawn = np.random.default_rng(seed)
    n = min(language.n_source, language.n_target)
    source, target = (drawn.permutation(size)[:n] for size in (language.n_source, language.n_target))
    return language.found(source, target, drawn.random(n))


def contestants(language: Language, seed: int) -> dict[str, Found]:
    """Return what every way of mining finds."""
    found = {f"{margin}, max": ours(language, margin, Selection.MAX)[0] for margin in Margin}
    found |= {f"ratio, {each}": ours(language, Margin.RATIO, each)[0] for each in Selection if each != Selection.MAX}
    found["cosine 1-NN"] = ours(language, Margin.ABSOLUTE, Selection.FORWARD)[0]
    found["LASER, ratio, max"] = peer(language, first_only=False)
    found["stopes, ratio, max"] = peer(language, first_only=True)
    found["random"] = random_pairs(language, seed)
    return found


def compare(result: Measurement, languages: list[Language]) -> None:
    """Score every way on every language at three thresholds: tuned on the first, its own best, and by calibration."""
    tuned: dict[str, float] = {}
    means: dict[str, list[float]] = {}
    for language in languages:
        for name, (margins, correct) in contestants(language, result.seeds[0]).items():
            own = best_threshold(margins, correct, language.n_gold)
            threshold = tuned.setdefault(name, own)
            scores = bucc_scores(margins, correct, language.n_gold, threshold=threshold)
            best = bucc_scores(margins, correct, language.n_gold, threshold=own)
            result.scores.append(
                {
                    "task": f"{language.name}-en: {name}",
                    "n": language.n_gold,
                    "score": scores.f1,
                    "precision": scores.precision,
                    "recall": scores.recall,
                    "threshold": threshold,
                    "best_f1": best.f1,
                    "best_threshold": own,
                }
            )
            say(f"{language.name} {name}: F1 {scores.f1:.4f}, at its best {best.f1:.4f}")
            if language is not languages[0]:
                means.setdefault(name, []).append(scores.f1)
    result.figures |= {f"f1 {name}": float(np.mean(values)) for name, values in means.items()}


def calibrated(result: Measurement, languages: list[Language]) -> None:
    """Compare the expected precision with the real one, and the threshold found without gold with the best one."""
    gaps, lost = [], []
    for language in languages:
        (margins, correct), pairs = ours(language, Margin.RATIO, Selection.MAX)
        wrong = wrong_pairs(*language.both, pairs, K, margin=Margin.RATIO, selection=Selection.MAX)
        expected = calibrate(margins, wrong.margins)
        best = bucc_scores(
            margins, correct, language.n_gold, threshold=best_threshold(margins, correct, language.n_gold)
        )
        found = bucc_scores(margins, correct, language.n_gold, threshold=expected.at_best_f1())
        lost.append(best.f1 - found.f1)
        for precision in (0.95, 0.9, 0.8, 0.7):
            at = bucc_scores(margins, correct, language.n_gold, threshold=expected.threshold_for(precision))
            gaps.append(abs(at.precision - precision))
            result.scores.append(
                {
                    "task": f"{language.name}-en: expected precision {precision}",
                    "n": at.n_mined,
                    "score": at.precision,
                    "recall": at.recall,
                }
            )
        share = expected.wrong_share
        say(f"{language.name} calibrated: F1 {found.f1:.4f} (best {best.f1:.4f}); expected wrong {share:.3f}")
        result.scores.append(
            {
                "task": f"{language.name}-en: calibrated threshold",
                "n": language.n_gold,
                "score": found.f1,
                "best_f1": best.f1,
                "expected_wrong_share": expected.wrong_share,
                "wrong_share": 1 - float(correct.mean()),
            }
        )
    result.figures |= {
        "calibrated, F1 below the best": float(np.mean(lost)),
        "calibrated, precision off by": float(np.mean(gaps)),
        "calibrated, precision off by at most": float(np.max(gaps)),
    }


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", default="de,zh,ru,ja")
    parser.add_argument("--model")
    parser.add_argument("--vectors", type=Path, help="a folder, with the prefix of its files' names")
    parser.add_argument("--name", default="mining_bucc", help="of the condition")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement(
        options.name, seeds=[options.seed], facts={"k": K, "model": str(options.model or options.vectors)}
    )
    encoder = None if options.model is None else as_encoder(options.model)

    def vectors_of(name: str, side: str, texts: list[str]) -> np.ndarray:
        if encoder is not None:
            return encoder.encode(texts, role=PromptRole.QUERY)
        return np.load(options.vectors.with_name(f"{options.vectors.name}-{name}-en.{side}.npy"), allow_pickle=False)

    with result.phase("encode and search"):
        languages = [language_of(name, options.data, vectors_of) for name in options.languages.split(",")]
    with result.phase("select"):
        compare(result, languages)
    calibrated(result, languages)
    result.write(options.out)


if __name__ == "__main__":
    main()
