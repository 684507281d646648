"""Measure building a corpus from generated pairs: seconds, peak memory, disk.

python benchmarks/corpus_build.py [--pairs 10000000] [--folder DIR] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zstandard

BUILD = """
import json, resource, sys, time
from pathlib import Path
from mling_embed.corpora.build import build_corpus
from mling_embed.corpora.inputs import guess_input
start = time.perf_counter()
corpus = build_corpus([guess_input(sys.argv[1])], Path(sys.argv[2]), decontaminate=False)
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
counts = {name: corpus.info[name] for name in ("read", "kept", "rejected", "english", "english_dev")}
print(json.dumps({"seconds": round(seconds, 1), "peak_rss_bytes": peak, **counts}))
"""
LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "cs")
BATCH = 100_000


def generate(path: Path, n_pairs: int, seed: int = 0) -> None:
    """Write `n_pairs` rows ``language<TAB>english<TAB>other``, a tenth of them repeated English, 2% duplicates."""
    random = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnoprstuvwz"))
    words = ["".join(random.choice(letters, size)) for size in random.integers(2, 10, 50_000)]
    others = ["".join(random.choice(letters, size)) + "é" for size in random.integers(2, 10, 50_000)]
    with path.open("wb") as raw, zstandard.ZstdCompressor(level=1).stream_writer(raw) as file:
        for start in range(0, n_pairs, BATCH):
            count = min(BATCH, n_pairs - start)
            lengths = random.integers(4, 18, count)
            picks = random.integers(0, len(words), (count, 18))
            lines: list[str] = []
            for i in range(count):
                chosen = picks[i, : lengths[i]]
                if i % 50 == 49:
                    lines.append(lines[-1])
                    continue
                english = " ".join(words[j] for j in chosen) if i % 10 else f"repeated sentence {int(chosen[0])}"
                other = " ".join(others[j] for j in chosen)
                lines.append(f"{LANGUAGES[i % len(LANGUAGES)]}\t{english}\t{other}\n")
            file.write("".join(lines).encode())


def measure(n_pairs: int, folder: Path) -> dict[str, object]:
    """Generate the file, build it in a process of its own, and return what it took."""
    source, out = folder / "pairs.tsv.zst", folder / "corpus"
    start = time.perf_counter()
    generate(source, n_pairs)
    generated = time.perf_counter() - start
    command = [sys.executable, "-c", BUILD, str(source), str(out)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "pairs": n_pairs,
        **result,
        "pairs_per_second": round(n_pairs / result["seconds"]),
        "corpus_bytes": disk,
        "input_bytes": source.stat().st_size,
        "generation_seconds": round(generated, 1),
        "python": platform.python_version(),
        "machine": platform.processor() or platform.machine(),
    }


def main() -> None:
    """Parse the options, measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where to put the generated file and the corpus")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        text = json.dumps(measure(options.pairs, Path(folder)), indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
