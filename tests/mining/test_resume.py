"""A mining that is killed goes on, and ends as if nobody had killed it; shards that come later change no byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.sides import MiningOptions

SHARDS, ROWS = 4, 40
SLOW = """
import sys, time
from pathlib import Path
import numpy as np
from mling_embed.mining.mine import mine_bitext
from mling_embed.mining.sides import MiningOptions
here = Path(sys.argv[1])
vectors = np.load(here / "source.npy"), np.load(here / "target.npy")
def progress(work, done, total):
    print(work, done, flush=True)
    time.sleep(0.05)
options = MiningOptions(work=here / "work", shard_rows=20)
mined = mine_bitext(here / "de", here / "en", vectors=vectors, options=options, progress=progress)
mined.write(here / "mined.tsv", with_ids=True)
"""


def sides(folder: Path, shards: int = SHARDS) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.random.default_rng(0)
    source = drawn.standard_normal((SHARDS * ROWS, 12)).astype(np.float32)
    target = (source + 0.3 * drawn.standard_normal(source.shape)).astype(np.float32)
    for language in ("de", "en"):
        (folder / language).mkdir(parents=True, exist_ok=True)
        for shard in range(shards):
            lines = (f"{language} {number}\n" for number in range(shard * ROWS, (shard + 1) * ROWS))
            (folder / language / f"part-{shard}.{language}").write_text("".join(lines))
    np.save(folder / "source.npy", source)
    np.save(folder / "target.npy", target)
    return source[: shards * ROWS], target[: shards * ROWS]


def mined_bytes(folder: Path, vectors: tuple[np.ndarray, np.ndarray], options: MiningOptions) -> bytes:
    mined = mine_bitext(folder / "de", folder / "en", vectors=vectors, options=options)
    mined.write(folder / "out.tsv", with_ids=True)
    return (folder / "out.tsv").read_bytes()


def test_killed_and_resumed_is_uninterrupted(tmp_path: Path) -> None:
    vectors = sides(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    tiles = 0
    while tiles < 12:
        tiles += process.stdout.readline().startswith("mining tiles")
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "mined.tsv").exists()
    assert 10 <= len(list((tmp_path / "work" / "tiles").rglob("*.safetensors"))) < 64
    expected = mined_bytes(tmp_path, vectors, MiningOptions())
    assert mined_bytes(tmp_path, vectors, MiningOptions(work=tmp_path / "work", shard_rows=20)) == expected


@pytest.mark.parametrize("shard_rows", [15, 20, 1000])
def test_shards_that_come_later_change_nothing(tmp_path: Path, shard_rows: int) -> None:
    options = MiningOptions(work=tmp_path / "work", shard_rows=shard_rows)
    mined_bytes(tmp_path, sides(tmp_path, SHARDS - 1), options)
    before = set((tmp_path / "work" / "tiles").rglob("*.safetensors"))
    vectors = sides(tmp_path)
    grown = mined_bytes(tmp_path, vectors, options)
    per_part = -(-ROWS // shard_rows)
    added = set((tmp_path / "work" / "tiles").rglob("*.safetensors")) - before
    assert (len(before), len(added)) == ((3 * per_part) ** 2, 7 * per_part**2)
    assert grown == mined_bytes(tmp_path, vectors, MiningOptions())
