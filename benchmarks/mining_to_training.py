"""Train students on what scoring keeps, and on what mining finds, beside the pairs as they were.

A sample of the pool's everyday sentences is the parallel text. One static student each is trained on

- its pairs (``true``);
- the same with 5% of the pairs of a language shuffled among themselves (``shuffled``);
- what `score_bitext` keeps of those (``cleaned``);
- what `mine_bitext` finds in the two sides alone, their order forgotten, at an expected precision of .9 (``mined``).

Of sentences that none has seen, the share is counted whose English sentence is found first among the teacher's vectors.

python benchmarks/mining_to_training.py OUT [--languages de,ja] [--pairs 4000] [--held-out 2000] [--shuffled 0.05]

The encoder that scores and mines is the first of those that `mining_vectors.py` tells of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from conditions_file import data_folder
from measure import Measurement, say
from mining_vectors import KeptVectors, encoders

from mling_embed.corpora.archives import open_plain
from mling_embed.corpora.lines import Decoding, read_lines
from mling_embed.distillation.front_door import distill
from mling_embed.encoders.loading import load
from mling_embed.encoders.packaged_teacher import DEFAULT_TEACHER
from mling_embed.metrics.confidence import wilson_interval
from mling_embed.mining.calibration import ByPrecision
from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.score import score_bitext
from mling_embed.mining.scored import write_kept
from mling_embed.mining.sources import SentenceSource
from mling_embed.neighbors.topk import top_k
from mling_embed.neighbors.vectors import unit_rows
from mling_embed.training.targets import TargetStore

POOL = "pool/train_tatoeba.tsv.zst"
PRECISION = 0.9
Pair = tuple[str, str, str]  # an English sentence, its translation, the language


def pool_pairs(languages: Sequence[str]) -> dict[str, list[Pair]]:
    """Read the pool's pairs of languages."""
    found: dict[str, list[Pair]] = {language: [] for language in languages}
    path = data_folder() / POOL
    with open_plain(path) as stream:
        for line in read_lines(stream, decoding=Decoding.STRICT, where=path):
            language, english, other, *_ = line.text.split("\t")
            if language in found:
                found[language].append((english, other, language))
    return found


def sampled(pairs: list[Pair], n_pairs: int, n_held_out: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Draw pairs, and others of which no sentence stands among them."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    drawn = [pairs[place] for place in order[:n_pairs]]
    seen = {text for english, other, _ in drawn for text in (english, other)}
    unseen = (pairs[place] for place in order[n_pairs:])
    kept = [pair for pair in unseen if pair[0] not in seen and pair[1] not in seen]
    return drawn, kept[:n_held_out]


def shuffled(pairs: list[Pair], share: float, seed: int) -> list[Pair]:
    """Shuffle the translations of a share of pairs among themselves."""
    rows = np.random.default_rng(seed).choice(len(pairs), round(share * len(pairs)), replace=False)
    spoilt = list(pairs)
    for row, other in zip(rows.tolist(), np.roll(rows, 1).tolist(), strict=True):
        spoilt[row] = (pairs[row][0], pairs[other][1], pairs[row][2])
    return spoilt


class Students:
    """Train students and test them on the same unseen sentences."""

    def __init__(self, result: Measurement, held_out: dict[str, list[Pair]], folder: Path) -> None:
        self._result, self._held_out, self._folder = result, held_out, folder
        teacher = TargetStore(load(DEFAULT_TEACHER))
        self._english = {language: list(dict.fromkeys(pair[0] for pair in held)) for language, held in held_out.items()}
        self._vectors = {
            language: unit_rows(teacher.compute(texts).matrix()) for language, texts in self._english.items()
        }

    def train(self, name: str, pairs: Any, **facts: float) -> None:
        """Train a student on pairs, or files of them, and count what it finds.

        Args:
            name: Of the student.
            pairs: Learned from.
            facts: What is known of them.
        """
        with self._result.phase(name):
            student = distill(DEFAULT_TEACHER, pairs, out=self._folder / name, seed=self._result.seeds[0])
        accuracies = []
        for language, held in self._held_out.items():
            vectors = unit_rows(student.encode([other for _, other, _ in held]))
            found = top_k(vectors, self._vectors[language], 1).indices[:, 0]
            right = sum(
                self._english[language][place] == english for place, (english, _, _) in zip(found, held, strict=True)
            )
            accuracies.append(right / len(held))
            low, high = wilson_interval(right, len(held))
            record = {"task": f"{name}, {language}", "n": len(held), "score": accuracies[-1], "low": low, "high": high}
            self._result.scores.append(record | facts)
            say(f"{name}, {language}: {accuracies[-1]:.4f} {facts}")
        self._result.figures[name] = float(np.mean(accuracies))


def cleaned(vectors: KeptVectors, spoilt: dict[str, list[Pair]], true: dict[str, list[Pair]], folder: Path) -> Any:
    """Write what scoring keeps; return the files, and the precision and recall of what it flags."""
    files, wrong, flagged, right = [], 0, 0, 0
    for language, pairs in spoilt.items():
        scored = score_bitext(pairs, model=vectors)
        bad = np.array([one != other for one, other in zip(pairs, true[language], strict=True)])
        flags = np.array([bool(pair.reasons) for pair in scored])
        wrong, flagged, right = wrong + int(bad.sum()), flagged + int(flags.sum()), right + int((bad & flags).sum())
        files.append(str(folder / f"kept.{language}.tsv"))
        write_kept(scored.split()[0], Path(files[-1]))
    return files, {
        "flag_precision": right / max(flagged, 1),
        "flag_recall": right / max(wrong, 1),
        "n_flagged": flagged,
    }


def mined(vectors: KeptVectors, true: dict[str, list[Pair]], folder: Path) -> Any:
    """Write what mining finds; return the files, and the precision and recall of that."""
    files, n_mined, n_right, n_true = [], 0, 0, 0
    for language, pairs in true.items():
        others, english = sorted({pair[1] for pair in pairs}), sorted({pair[0] for pair in pairs})
        sides = SentenceSource(language, texts=others), SentenceSource("en", texts=english)
        found = mine_bitext(*sides, model=vectors, threshold=ByPrecision(PRECISION))
        known = {(pair[1], pair[0]) for pair in pairs}
        n_mined, n_true = n_mined + len(found), n_true + len(known)
        n_right += sum((pair.source, pair.target) in known for pair in found)
        files.append(str(folder / f"mined.{language}.tsv"))
        found.write(Path(files[-1]))
    return files, {"n_mined": n_mined, "mined_precision": n_right / max(n_mined, 1), "mined_recall": n_right / n_true}


def n_lines(files: Sequence[str]) -> Iterator[int]:
    """Give the number of lines of each file."""
    return (Path(file).read_bytes().count(b"\n") for file in files)


def main() -> None:
    """Parse the options, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--languages", default="de,ja")
    parser.add_argument("--pairs", type=int, default=4000, help="of a language")
    parser.add_argument("--held-out", type=int, default=2000, help="sentences of a language that measure")
    parser.add_argument("--shuffled", type=float, default=0.05, help="share of the pairs")
    parser.add_argument("--name", default="mining_to_training", help="of the condition")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement(options.name, seeds=[options.seed])
    name, vectors = next(iter(encoders().items()))
    result.facts |= {"pairs": options.pairs, "shuffled": options.shuffled, name: vectors.encoder.fingerprint}
    pool = pool_pairs(options.languages.split(","))
    drawn = {each: sampled(pairs, options.pairs, options.held_out, options.seed) for each, pairs in pool.items()}
    true = {language: pairs for language, (pairs, _) in drawn.items()}
    spoilt = {language: shuffled(pairs, options.shuffled, options.seed) for language, pairs in true.items()}
    with result.phase("encode"):
        for pairs in true.values():
            for side in (0, 1):
                vectors.encode([pair[side] for pair in pairs])
    with TemporaryDirectory() as place:
        folder = Path(place)
        with result.phase("score"):
            kept_files, flags = cleaned(vectors, spoilt, true, folder)
        with result.phase("mine"):
            mined_files, found = mined(vectors, true, folder)
        students = Students(result, {language: held for language, (_, held) in drawn.items()}, folder)
        students.train("true", [pair for pairs in true.values() for pair in pairs])
        students.train("shuffled", [pair for pairs in spoilt.values() for pair in pairs])
        students.train("cleaned", kept_files, n_kept=sum(n_lines(kept_files)), **flags)
        students.train("mined", mined_files, **found)
    result.figures |= {name: float(value) for name, value in (flags | found).items()}
    result.figures["cleaned_minus_shuffled"] = result.figures["cleaned"] - result.figures["shuffled"]
    result.figures["mined_minus_true"] = result.figures["mined"] - result.figures["true"]
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
