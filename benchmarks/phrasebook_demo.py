"""Run ``mling-embed demo --json`` in an empty cache, and write down what it reached.

python benchmarks/phrasebook_demo.py OUT [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Measurement, peak_rss_bytes

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.evaluation.suites.phrasebook import PHRASEBOOK, phrasebook_sentences
from mling_embed.files import HOME_VARIABLE, sha256_of
from mling_embed.metrics.confidence import wilson_interval


def main() -> None:
    """Parse the options, run the demonstration, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes = {
        task.label.languages[0]: len(task.source_texts) for task in phrasebook_sentences(manifest_folder() / PHRASEBOOK)
    }
    result = Measurement("phrasebook_demo", seeds=[options.seed])
    with TemporaryDirectory() as folder, result.phase("whole command"):
        command = [sys.executable, "-m", "mling_embed", "demo", "--json", "--seed", str(options.seed)]
        command += ["--out", str(Path(folder) / "demo")]
        environment = {**os.environ, HOME_VARIABLE: str(Path(folder) / "cache"), "HF_HUB_OFFLINE": "1"}
        printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = json.loads(printed.splitlines()[-1])
    result.peak_rss_bytes = peak_rss_bytes(children=True)
    result.seconds |= {f"demonstration: {name}": seconds for name, seconds in found["seconds"].items()}
    for language, figures in found["languages"].items():
        n = sizes[language]
        low, high = wilson_interval(round(figures["after"] * n), n)
        score = {"task": f"{language}-en", "n": n, "score": figures.pop("after"), "low": low, "high": high}
        result.scores.append({**score, **figures})
    result.figures = {"mean_top1": found["mean"].pop("after"), "worst_top1": min(s["score"] for s in result.scores)}
    result.figures |= {f"mean_{name}": value for name, value in found["mean"].items()}
    if "multilingual" in found["mean"]:
        result.figures["worst_multilingual"] = min(score["multilingual"] for score in result.scores)
    result.facts = {"phrasebook": sha256_of(manifest_folder() / PHRASEBOOK / "sentences.tsv")}
    result.write(options.out)


if __name__ == "__main__":
    main()
