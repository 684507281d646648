"""Send a server requests that are made from its own description, valid ones and others: none may make it fail.

Schemathesis reads ``/openapi.json`` and makes the cases; it runs in a Python of its own.

python benchmarks/serving_fuzz.py OUT [--model NAME] [--examples 250]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from measure import Measurement, say
from serving_process import PEERS_VARIABLE, ours, peer_program

from mling_embed.indexing.index import Index

LANGUAGES = ("en", "de")


def main() -> None:
    """Parse the options, serve an index that may be changed, send, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--examples", type=int, default=250, help="of each operation and way of making them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    program = peer_program("schemathesis")
    if program is None:
        parser.error(f"schemathesis is not installed, nor in an environment of ${PEERS_VARIABLE}")
    result = Measurement("serving_fuzz", seeds=[options.seed])
    with TemporaryDirectory() as temporary:
        with Index.create(Path(temporary) / "index", model=options.model) as index:
            index.add(["Where is the station?", "Wo ist der Bahnhof?"], ["a", "b"], LANGUAGES)
        with ours(Path(temporary) / "index", "--model-name", "served") as (_, address):
            command = [program, "run", f"{address}/openapi.json", "--url", address]
            command += ["--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--mode", "all"]
            command += ["--max-examples", str(options.examples), "--seed", str(options.seed), "--workers", "2"]
            command += ["--continue-on-failure", "--no-color", "--suppress-health-check", "all"]
            with result.phase("fuzzing"):
                done = subprocess.run(command, capture_output=True, text=True, cwd=temporary, env={**os.environ})
            say(done.stdout[-3000:])
            alive = httpx.get(f"{address}/healthz", timeout=60).json() == {"status": "ok"}
            metrics = httpx.get(f"{address}/metrics", timeout=60).text
    answers: Counter[str] = Counter()
    for method, count in re.findall(r'te_request_success\{method="(\w+)"\} (\S+)', metrics):
        answers[f"answered: {method}"] = int(float(count))
    for status, count in re.findall(r'te_request_failure\{err="(\d+)"\} (\S+)', metrics):
        answers[f"refused: {status}"] = int(float(count))
    requests = sum(int(float(count)) for count in re.findall(r"te_request_count\{\S+\} (\S+)", metrics))
    failed = sum(count for name, count in answers.items() if name.startswith("refused: 5"))
    result.figures |= {"cases": float(requests), "server_errors": float(failed), "lives": float(alive)}
    result.scores = [{"task": name, "n": count, "score": float(count)} for name, count in sorted(answers.items())]
    result.write(options.out)


if __name__ == "__main__":
    main()
