"""Score a parallel text with known faults: does `score_bitext` flag the wrong pairs, and no others?

The gold pairs of mining sets are the parallel text. Three times it is spoilt: 5% of the pairs are shuffled among
themselves; one half is shifted by a line; both. Precision and recall of the flagged pairs are counted against the wrong
ones; a pair that is wrong already in the gold set counts against precision.

python benchmarks/mining_score.py OUT --data FOLDER --languages de,zh,ru (--model MODEL | --vectors PREFIX)

The data are those of mining_bucc.py, and so are the vectors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Measurement, say
from mining_bucc import rows_of

from mling_embed.mining.calibration import read_gold
from mling_embed.mining.score import score_bitext

SHUFFLED = 0.05


class KnownVectors:
    """Encode texts whose vectors are known.

    Args:
        vectors: The vector of each text.
    """

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self._vectors = vectors
        self._unknown = np.ones_like(next(iter(vectors.values())))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors; any other text has one of ones."""
        return np.stack([self._vectors.get(text, self._unknown) for text in texts])


def parallel_text(language: str, data: Path) -> list[tuple[str, str, str]]:
    """Return the gold pairs of a language: English, the other side, its language."""
    sides = [dict(zip(*rows_of(data / f"{language}-en.{side}"), strict=True)) for side in (language, "en")]
    gold = sorted(read_gold(data / f"{language}-en.gold").pairs)
    return [(sides[1][english].strip(), sides[0][other].strip(), language) for other, english in gold]


def spoilt(others: list[str], seed: int, *, shuffle: bool, shift: bool) -> list[str]:
    """Return the other sides, spoilt."""
    drawn, spoilt_sides = np.random.default_rng(seed), list(others)
    if shuffle:
        rows = drawn.choice(len(others), int(SHUFFLED * len(others)), replace=False)
        for row, other in zip(rows.tolist(), np.roll(rows, 1).tolist(), strict=True):
            spoilt_sides[row] = others[other]
    if shift:
        middle = len(others) // 2
        half = spoilt_sides[middle:]
        spoilt_sides[middle:] = [half[-1], *half[:-1]]
    return spoilt_sides


def judge(result: Measurement, pairs: list[tuple[str, str, str]], model: Any, **how: bool) -> tuple[float, float]:
    """Spoil, score, and count."""
    others = [other for _, other, _ in pairs]
    spoilt_sides = spoilt(others, result.seeds[0], **how)
    wrong = np.array([given != right for given, right in zip(spoilt_sides, others, strict=True)])
    given = [(english, other, language) for (english, _, language), other in zip(pairs, spoilt_sides, strict=True)]
    scored = score_bitext(given, model=model)
    flagged = np.array([bool(pair.reasons) for pair in scored])
    right = int((wrong & flagged).sum())
    precision, recall = right / max(int(flagged.sum()), 1), right / int(wrong.sum())
    shifts = [(shift.first_line, shift.last_line, shift.shift) for shift in scored.shifts]
    language = pairs[0][2]
    task = f"{language}-en: " + " and ".join(name for name, wanted in how.items() if wanted)
    counts = {"n": int(wrong.sum()), "flagged": int(flagged.sum()), "shifts": shifts}
    shares = {"expected_wrong_share": scored.calibrations[language].wrong_share, "wrong_share": float(wrong.mean())}
    result.scores.append({"task": task, "score": recall, "precision": precision, **counts, **shares})
    say(f"{task}: precision {precision:.3f}, recall {recall:.3f}, shifts {shifts}")
    return precision, recall


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", default="de,zh,ru,ja")
    parser.add_argument("--model")
    parser.add_argument("--vectors", type=Path, help="a folder, with the prefix of its files' names")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    facts = {"shuffled": SHUFFLED, "model": str(options.model or options.vectors)}
    result = Measurement("mining_score", seeds=[options.seed], facts=facts)
    ways = {"shuffled": (True, False), "shifted": (False, True), "both": (True, True)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with result.phase("score"):
        for language in options.languages.split(","):
            pairs = parallel_text(language, options.data)
            model: Any = options.model
            if model is None:
                vectors: dict[str, np.ndarray] = {}
                for side in (language, "en"):
                    path = options.vectors.with_name(f"{options.vectors.name}-{language}-en.{side}.npy")
                    texts = [text.strip() for text in rows_of(options.data / f"{language}-en.{side}")[1]]
                    vectors.update(zip(texts, np.load(path, allow_pickle=False), strict=True))
                model = KnownVectors(vectors)
            for name, (shuffle, shift) in ways.items():
                found[name].append(judge(result, pairs, model, shuffle=shuffle, shift=shift))
    for name, values in found.items():
        precision, recall = np.mean(values, axis=0)
        result.figures |= {f"{name}, precision": float(precision), f"{name}, recall": float(recall)}
    result.write(options.out)


if __name__ == "__main__":
    main()
