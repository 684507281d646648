"""Load a server beyond what it can do, and stop it in the middle.

64 clients ask without a pause, twice as many as the server lets wait: every vector that comes is compared with a local
one, what is refused must be refused with 429, and the server's memory is watched: the most of it after 20 seconds
beside the most until then, and its mean in the last quarter of the rest beside that in the first. Then, under the same
load, the server is told to stop: what it has accepted it must finish.

python benchmarks/serving_load.py OUT [--model NAME] [--seconds 120] [--clients 64]
"""

from __future__ import annotations

import argparse
import base64
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from jaxtyping import Float32
from measure import Measurement, say
from numpy import ndarray
from serving_process import ours, resident_bytes

from mling_embed.encoders.loading import load

NEAR = 1e-5
WARM_SECONDS = 20  # after which the server's memory is to grow no more
SAMPLES = 4  # of its memory in a second, which goes up with each batch and down again


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    vectors: int = 0
    seconds: list[float] = field(default_factory=list)


def client(
    address: str, texts: list[str], local: Float32[ndarray, "n dim"], seed: int, until: threading.Event, seen: Seen
) -> None:
    """Ask for a few texts at a time until it is time to stop."""
    random = np.random.default_rng(seed)
    with httpx.Client(base_url=address, timeout=120) as connection:
        while not until.is_set():
            rows = random.choice(len(texts), int(random.integers(1, 9)), replace=False)
            body = {"input": [texts[row] for row in rows], "encoding_format": "base64"}
            began = time.perf_counter()
            try:
                answer = connection.post("/v1/embeddings", json=body)
            except httpx.ConnectError:
                seen.statuses["no connection"] += 1
                time.sleep(0.1)
                continue
            except httpx.TransportError:
                seen.statuses["cut off"] += 1
                continue
            seen.statuses[str(answer.status_code)] += 1
            if answer.status_code == 429:
                time.sleep(0.05)
            if answer.status_code != 200:
                continue
            seen.seconds.append(time.perf_counter() - began)
            found = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in answer.json()["data"]]
            seen.vectors += len(found)
            seen.wrong += int((np.abs(np.stack(found) - local[rows]).max(axis=1) > NEAR).sum())


def main() -> None:
    """Parse the options, load, stop, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=64)
    options = parser.parse_args()
    result = Measurement("serving_load")
    texts = [
        f"Sentence {number} of {number * 7} is about {'trains and ' * (number % 6)}stations." for number in range(400)
    ]
    local = load(options.model).encode(texts)
    seen, until = [Seen() for _ in range(options.clients)], threading.Event()
    waiting = options.clients // 2
    served = ours("--vectors-only", "--model", options.model, "--max-requests", str(waiting))
    with served as (process, address):
        threads = [
            threading.Thread(target=client, args=(address, texts, local, number, until, each))
            for number, each in enumerate(seen)
        ]
        with result.phase("load"):
            for thread in threads:
                thread.start()
            memory = []
            for _ in range(int(options.seconds * SAMPLES)):
                time.sleep(1 / SAMPLES)
                memory.append(resident_bytes(process.pid))
        before = sum((each.statuses for each in seen), Counter())
        process.send_signal(signal.SIGTERM)
        with result.phase("stop"):
            code = process.wait(90)
        until.set()
        for thread in threads:
            thread.join()
    total = sum((each.statuses for each in seen), Counter())
    say(str(dict(total)))
    durations = np.concatenate([each.seconds for each in seen])
    warm = min(WARM_SECONDS * SAMPLES, len(memory) // 2)
    quarter = (len(memory) - warm) // 4
    result.figures |= {
        "wrong_vectors": float(sum(each.wrong for each in seen)),
        "memory_growth": max(memory[warm:]) / max(memory[:warm]) - 1,
        "mean_memory_growth": float(np.mean(memory[-quarter:]) / np.mean(memory[warm : warm + quarter])) - 1,
        "other_statuses": float(sum(n for status, n in before.items() if status not in ("200", "429"))),
        "cut_off_by_the_stop": float(total["cut off"]),
        "exit_code": float(code),
        "answered": float(total["200"]),
        "refused_429": float(total["429"]),
    }
    result.facts |= {
        "clients": options.clients,
        "waiting_requests": waiting,
        "statuses": dict(total),
        "vectors": sum(each.vectors for each in seen),
        "vectors_per_second": sum(each.vectors for each in seen) / options.seconds,
        "median_seconds": float(np.median(durations)),
        "p99_seconds": float(np.quantile(durations, 0.99)),
        "rss_bytes_most_warming_up": max(memory[:warm]),
        "rss_bytes_most": max(memory[warm:]),
        "rss_bytes_most_of_each_10_s": [
            max(memory[start : start + 10 * SAMPLES]) for start in range(0, len(memory), 10 * SAMPLES)
        ],
    }
    result.write(options.out)


if __name__ == "__main__":
    main()
