"""Mine news in the form of BUCC: every margin, beside random, cosine 1-nearest-neighbor, LASER's and stopes' selection.

Texts that stand twice on a side are left out; gold pairs with such texts still count. Thresholds are tuned on the first
language and applied to the others (F1 with >=); beside them stand each language's own best threshold, the one that
calibration finds without any gold pair, and the one that a tenth of the gold pairs tells. LASER's and stopes'
selections are written here as their code does it, on the same vectors.

python benchmarks/mining_bucc.py OUT [--languages de,ru,zh] [--name CONDITION]

`mining_vectors.py` says where the sets and the encoders are.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import Measurement, say
from mining_vectors import KeptVectors, encoders, rows_of, set_file

from mling_embed.metrics.bucc import best_threshold, bucc_scores, unrepeated_rows
from mling_embed.mining.calibration import best_f1_by_known, calibrate, read_gold, wrong_pairs
from mling_embed.neighbors.margins import Margin, margin_scores, mean_similarity
from mling_embed.neighbors.order import Neighbors
from mling_embed.neighbors.selection import ScoredPairs, Selection, select
from mling_embed.neighbors.topk import top_k_both
from mling_embed.neighbors.vectors import unit_rows

K = 4
KNOWN_SHARE = 0.1  # of the gold pairs, for a threshold by known pairs
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


def language_of(name: str, vectors: KeptVectors) -> Language:
    """Read a language, leave out texts that stand twice, and search."""
    ids, sides = [], []
    for side in (name, "en"):
        names, texts = rows_of(name, side)
        kept = unrepeated_rows(texts)
        ids.append({names[row]: place for place, row in enumerate(kept.tolist())})
        sides.append(unit_rows(vectors.encode(texts)[kept]))
    gold = read_gold(set_file(name, "gold")).pairs
    rows = {(ids[0][one], ids[1][other]) for one, other in gold if one in ids[0] and other in ids[1]}
    return Language(name, top_k_both(sides[0], sides[1], K + 1), rows, len(gold), len(sides[0]), len(sides[1]))


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


def compare(result: Measurement, model: str, languages: list[Language]) -> None:
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
                    "task": f"{model}, {language.name}-en: {name}",
                    "language": language.name,
                    "n": language.n_gold,
                    "score": scores.f1,
                    "precision": scores.precision,
                    "recall": scores.recall,
                    "threshold": threshold,
                    "best_f1": best.f1,
                    "best_threshold": own,
                }
            )
            say(f"{model} {language.name} {name}: F1 {scores.f1:.4f}, at its best {best.f1:.4f}")
            if language is not languages[0]:
                means.setdefault(name, []).append(scores.f1)
    result.figures |= {f"{model}: f1 {name}": float(np.mean(values)) for name, values in means.items()}


def calibrated(result: Measurement, model: str, languages: list[Language]) -> None:
    """Compare the expected precision with the real one, and the thresholds found without all gold with the best one."""
    gaps, lost, lost_by_known = [], [], []
    for language in languages:
        (margins, correct), pairs = ours(language, Margin.RATIO, Selection.MAX)
        wrong = wrong_pairs(*language.both, pairs, K, margin=Margin.RATIO, selection=Selection.MAX)
        expected = calibrate(margins, wrong.margins)
        drawn = np.random.default_rng(result.seeds[0]).random(len(margins)) < KNOWN_SHARE
        known = margins[drawn & correct]
        missed = round(KNOWN_SHARE * (language.n_gold - int(correct.sum())))  # as many of those that were not mined
        thresholds = {
            "best": best_threshold(margins, correct, language.n_gold),
            "calibrated": expected.at_best_f1(),
            "by known pairs": best_f1_by_known(expected, known, len(known) + missed),
        }
        scores = {way: bucc_scores(margins, correct, language.n_gold, threshold=at) for way, at in thresholds.items()}
        lost.append(scores["best"].f1 - scores["calibrated"].f1)
        lost_by_known.append(scores["best"].f1 - scores["by known pairs"].f1)
        for way, found in scores.items():
            task = f"{model}, {language.name}-en: threshold {way}"
            figures = {"precision": found.precision, "recall": found.recall, "threshold": thresholds[way]}
            shares = {"expected_wrong_share": expected.wrong_share, "wrong_share": 1 - float(correct.mean())}
            result.scores.append({"task": task, "n": language.n_gold, "score": found.f1, **figures, **shares})
            say(f"{task}: F1 {found.f1:.4f}")
        for precision in (0.95, 0.9, 0.8, 0.7):
            at = bucc_scores(margins, correct, language.n_gold, threshold=expected.threshold_for(precision))
            gaps.append(abs(at.precision - precision))
            task = f"{model}, {language.name}-en: expected precision {precision}"
            result.scores.append({"task": task, "n": at.n_mined, "score": at.precision, "recall": at.recall})
    result.figures |= {
        f"{model}: calibrated, F1 below the best": float(np.mean(lost)),
        f"{model}: by known pairs, F1 below the best": float(np.mean(lost_by_known)),
        f"{model}: calibrated, precision off by": float(np.mean(gaps)),
        f"{model}: calibrated, precision off by at most": float(np.max(gaps)),
    }


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--languages", default="de,ru,zh,ja,uk,cs")
    parser.add_argument("--name", default="mining_bucc", help="of the condition")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = options.languages.split(",")
    result = Measurement(options.name, seeds=[options.seed], facts={"k": K, "known_share": KNOWN_SHARE})
    for model, vectors in encoders().items():
        result.facts[model] = vectors.encoder.fingerprint
        with result.phase(f"{model}: encode and search"):
            languages = [language_of(name, vectors) for name in names]
        with result.phase(f"{model}: select"):
            compare(result, model, languages)
            calibrated(result, model, languages)
    result.write(options.out)


if __name__ == "__main__":
    main()
