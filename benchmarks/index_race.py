"""Build and ask an index beside LanceDB and txtai on the same vectors, and kill each while it adds.

Sentences, queries and vectors are those of `index_speed.py`, the contestants those of `index_peers.py`, each with its
defaults, one after the other. The others run in an environment of their own, whose python is named by ``--peers`` or
``$MLING_EMBED_BENCH_PEERS``.

python benchmarks/index_race.py OUT [--model STUDENT] [--peers PYTHON]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from index_data import PER_LANGUAGE, encoding, read_sentences, vectors_of
from index_speed import STUDENT_VARIABLE
from measure import FOLDER, Measurement, say

from mling_embed.encoders.contract import PromptRole
from mling_embed.encoders.loading import load
from mling_embed.neighbors.vectors import unit_rows

PEERS_VARIABLE = "MLING_EMBED_BENCH_PEERS"
OURS, PEERS = ("mling_embed",), ("lancedb", "lancedb ivf-pq", "txtai")


def raced(result: Measurement, folder: Path, python: str, names: tuple[str, ...]) -> None:
    """Let contestants of one environment run, and note down what each says."""
    command = [python, str(FOLDER / "index_peers.py"), str(folder), *names]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in told.splitlines():
        if line.startswith("{"):
            say(line)
            found = json.loads(line)
            result.scores.append(found)
            name = found["task"].replace(" ", "_").replace("-", "_")
            for figure in ("build_seconds", "p50_ms", "kills_that_lost"):
                result.figures[f"{name}_{figure}"] = float(found[figure])
            result.figures[f"{name}_recall_at_10"] = found["score"]


def main() -> None:
    """Parse the options, race, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default=os.environ.get(STUDENT_VARIABLE), help=f"default: ${STUDENT_VARIABLE}")
    parser.add_argument("--per-language", type=int, default=PER_LANGUAGE, help="sentences of each of ten languages")
    parser.add_argument("--peers", default=os.environ.get(PEERS_VARIABLE), help=f"default: ${PEERS_VARIABLE}")
    options = parser.parse_args()
    if not options.model or not options.peers:
        parser.error(f"name a student and a python: --model and --peers, or ${STUDENT_VARIABLE} and ${PEERS_VARIABLE}")
    result = Measurement("index_race")
    sentences, encoder = read_sentences(per_language=options.per_language), load(options.model)
    with result.phase("encode what is not kept"):
        vectors = vectors_of(encoder, sentences.texts, PromptRole.PASSAGE)
        queries = unit_rows(vectors_of(encoder, sentences.queries, PromptRole.QUERY))
    result.facts |= {"rows": len(vectors), "dim": encoder.dim, "fingerprint": encoder.fingerprint[:16]}
    result.facts |= encoding(encoder, sentences.texts, vectors)
    with TemporaryDirectory() as folder, result.phase("race"):
        np.save(Path(folder) / "vectors.npy", unit_rows(vectors))
        np.save(Path(folder) / "queries.npy", queries)
        raced(result, Path(folder), sys.executable, OURS)
        raced(result, Path(folder), options.peers, PEERS)
    result.write(options.out)


if __name__ == "__main__":
    main()
