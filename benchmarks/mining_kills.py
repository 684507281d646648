"""Kill a mining at random moments, add shards, change threads and tiles: is every byte of the result the same?

Two sides of six files, with near-translations of each other, are encoded by a static encoder of random word vectors and
mined in a work folder.

- ``--kills`` times a process is killed (SIGKILL) at a random moment of its encoding or mining, and another one goes on:
  its TSV is compared with that of a mining that nobody killed, in memory.
- One file after the other is added, to either side in turn: after each the result is compared with mining from scratch,
  and the new tiles are counted.
- One thread and two, and shards of 100 to 5,000 rows: the same bytes.

python benchmarks/mining_kills.py OUT [--kills 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from measure import Measurement, say

from mling_embed.encoders.static import StaticEncoder
from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.sides import MiningOptions
from mling_embed.tokenizers.vocabulary import train_unigram

FILES, ROWS, DIM, SHARD_ROWS = 6, 500, 32, 200
SYLLABLES = ("ba", "ko", "mi", "tu", "re", "sal", "dor", "nim")
WORDS = [
    f"{first}{second}" for first in SYLLABLES for second in ("ran", "del", "fis", "gom", "lup", "nex", "vat", "zil")
]


def sentence(number: int, replaced: int) -> str:
    """Return a sentence of its own for each number, of which a translation replaces some words."""
    drawn = np.random.default_rng(number)
    words = [WORDS[place] for place in drawn.integers(0, len(WORDS), 9)]
    other = np.random.default_rng(number + 10**6)
    for place in other.choice(9, replaced, replace=False):
        words[place] = WORDS[int(other.integers(0, len(WORDS)))]
    return " ".join(words)


def write_files(folder: Path, language: str, count: int) -> None:
    """Write the first files of a side; every fifth line repeats another one."""
    (folder / language).mkdir(parents=True, exist_ok=True)
    for file in range(count):
        numbers = [n - 7 if n % 5 == 0 and n > 7 else n for n in range(file * ROWS, (file + 1) * ROWS)]
        lines = (f"{sentence(number, 0 if language == 'de' else 3)}\n" for number in numbers)
        (folder / language / f"part-{file}.{language}").write_text("".join(lines), encoding="utf-8")


def make_encoder(folder: Path) -> Path:
    """Save a static encoder of random word vectors."""
    tokenizer = train_unigram([sentence(number, 0) for number in range(1000)], size=700)
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), DIM), dtype=np.float32)
    StaticEncoder(tokenizer, table).save(folder / "model", model_card="")
    return folder / "model"


def mine(folder: Path, work: Path | None, *, shard_rows: int = SHARD_ROWS) -> str:
    """Mine, and return the SHA-256 of the TSV."""
    options = MiningOptions(work=work, shard_rows=shard_rows)
    mined = mine_bitext(folder / "de", folder / "en", model=folder / "model", options=options)
    out = folder / f"{os.getpid()}.tsv"
    mined.write(out, with_ids=True)
    return sha256(out.read_bytes()).hexdigest()


def mine_and_die(folder: Path, work: Path, seconds: float) -> None:
    """Mine, and be killed some time after the beginning."""
    killer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
    killer.daemon = True
    killer.start()
    mine(folder, work)


def n_tiles(work: Path) -> int:
    """Return the number of tiles in a work folder."""
    return len(list((work / "tiles").rglob("*.safetensors")))


def kill_often(result: Measurement, folder: Path, expected: str) -> None:
    """Kill minings at random moments, each once, and let them go on."""
    chance = random.Random(result.seeds[0])
    began = time.perf_counter()
    shutil.rmtree(folder / "whole", ignore_errors=True)
    mine(folder, folder / "whole")
    seconds = time.perf_counter() - began
    kills = equal = 0
    while kills < result.facts["kills_wanted"]:
        work = folder / "killed"
        shutil.rmtree(work, ignore_errors=True)
        process = multiprocessing.get_context("fork").Process(
            target=mine_and_die, args=(folder, work, chance.uniform(0, seconds))
        )
        process.start()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            continue  # it was done before
        left = n_tiles(work)
        same = mine(folder, work) == expected
        kills, equal = kills + 1, equal + same
        result.scores.append({"task": f"kill {kills}", "n": 1, "score": float(same), "tiles_left": left})
        say(f"kill {kills}: {left} tiles were there, {'equal' if same else 'DIFFERENT'}")
    result.figures |= {"kills": float(kills), "kills_equal": float(equal)}


def grow(result: Measurement, folder: Path) -> None:
    """Add files one by one, and compare with mining from scratch."""
    work, place, counts = folder / "grown", folder / "growing", {"de": 1, "en": 1}
    shutil.copytree(folder / "model", place / "model")
    equal = steps = 0
    for step in range(2 * FILES - 1):
        if step:
            counts["en" if step % 2 else "de"] += 1
        for language, count in counts.items():
            write_files(place, language, count)
        before = n_tiles(work)
        same = mine(place, work) == mine(place, None)
        steps, equal = steps + 1, equal + same
        sizes = {"files": counts["de"] * counts["en"], "new_tiles": n_tiles(work) - before}
        result.scores.append({"task": f"{counts['de']} x {counts['en']} files", "n": 1, "score": float(same), **sizes})
    result.figures |= {"additions": float(steps), "additions_equal": float(equal)}


def vary(result: Measurement, folder: Path, expected: str) -> None:
    """Mine with other numbers of threads and rows of shards."""
    tries = equal = 0
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for shard_rows in (100, 333, 5000):
            same = mine(folder, None, shard_rows=shard_rows) == expected
            tries, equal = tries + 1, equal + same
            task = f"{threads} thread(s), {shard_rows} rows"
            result.scores.append({"task": task, "n": 1, "score": float(same)})
    torch.set_num_threads(1)
    result.figures |= {"variations": float(tries), "variations_equal": float(equal)}


def main() -> None:
    """Parse the options, measure, write."""
    torch.set_num_threads(1)  # a forked process has no other threads
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes = {"files": FILES, "rows": ROWS, "dim": DIM, "shard_rows": SHARD_ROWS}
    result = Measurement("mining_kills", seeds=[options.seed], facts={"kills_wanted": options.kills, **sizes})
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_encoder(folder)
        for language in ("de", "en"):
            write_files(folder, language, FILES)
        with result.phase("nobody kills it"):
            expected = mine(folder, None)
        result.facts["sha256"] = expected
        with result.phase("kills"):
            kill_often(result, folder, expected)
        with result.phase("additions"):
            grow(result, folder)
        with result.phase("threads and shards"):
            vary(result, folder, expected)
    say(str(result.figures))
    result.write(options.out)


if __name__ == "__main__":
    main()
