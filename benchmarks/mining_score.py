"""Score a parallel text with known faults: does `score_bitext` flag the wrong pairs, and no others?

The gold pairs of mining sets are the parallel text. Three times it is spoilt: 5% of the pairs are shuffled among
themselves; one half is shifted by a line; both. Precision and recall of the flagged pairs are counted against the wrong
ones; a pair that is wrong already in the gold set counts against precision.

python benchmarks/mining_score.py OUT [--languages de,ru,zh]

The data are those of mining_bucc.py, and so are the vectors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from measure import Measurement, say
from mining_vectors import KeptVectors, encoders, rows_of, set_file

from mling_embed.mining.calibration import read_gold
from mling_embed.mining.score import score_bitext

SHUFFLED = 0.05


def parallel_text(language: str) -> list[tuple[str, str, str]]:
    """Return the gold pairs of a language: English, the other side, its language."""
    sides = [dict(zip(*rows_of(language, side), strict=True)) for side in (language, "en")]
    gold = sorted(read_gold(set_file(language, "gold")).pairs)
    return [(sides[1][english], sides[0][other], language) for other, english in gold]


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


def judge(
    result: Measurement, name: str, pairs: list[tuple[str, str, str]], vectors: KeptVectors, **how: bool
) -> tuple[float, float]:
    """Spoil, score, and count."""
    others = [other for _, other, _ in pairs]
    spoilt_sides = spoilt(others, result.seeds[0], **how)
    wrong = np.array([given != right for given, right in zip(spoilt_sides, others, strict=True)])
    given = [(english, other, language) for (english, _, language), other in zip(pairs, spoilt_sides, strict=True)]
    scored = score_bitext(given, model=vectors)
    flagged = np.array([bool(pair.reasons) for pair in scored])
    right = int((wrong & flagged).sum())
    precision, recall = right / max(int(flagged.sum()), 1), right / int(wrong.sum())
    shifts = [(shift.first_line, shift.last_line, shift.shift) for shift in scored.shifts]
    language = pairs[0][2]
    task = f"{name}, {language}-en: " + " and ".join(name for name, wanted in how.items() if wanted)
    counts = {"n": int(wrong.sum()), "flagged": int(flagged.sum()), "shifts": shifts}
    shares = {"expected_wrong_share": scored.calibrations[language].wrong_share, "wrong_share": float(wrong.mean())}
    result.scores.append({"task": task, "score": recall, "precision": precision, **counts, **shares})
    say(f"{task}: precision {precision:.3f}, recall {recall:.3f}, shifts {shifts}")
    return precision, recall


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--languages", default="de,ru,zh,ja,uk,cs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("mining_score", seeds=[options.seed], facts={"shuffled": SHUFFLED})
    ways = {"shuffled": (True, False), "shifted": (False, True), "both": (True, True)}
    for name, vectors in encoders().items():
        result.facts[name] = vectors.encoder.fingerprint
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        with result.phase(f"{name}: score"):
            for language in options.languages.split(","):
                for side in (language, "en"):
                    vectors.encode(rows_of(language, side)[1])  # in the pieces that are kept
                pairs = parallel_text(language)
                for way, (shuffle, shift) in ways.items():
                    found[way].append(judge(result, name, pairs, vectors, shuffle=shuffle, shift=shift))
        for way, values in found.items():
            precision, recall = np.mean(values, axis=0)
            result.figures |= {f"{name}: {way}, precision": float(precision), f"{name}: {way}, recall": float(recall)}
    result.write(options.out)


if __name__ == "__main__":
    main()
