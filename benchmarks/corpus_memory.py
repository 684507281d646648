"""Write results/corpus_build.json: what building a corpus of generated pairs takes (see corpus_build.py).

python benchmarks/corpus_memory.py OUT [--pairs 10000000] [--folder DIR] [--measured FILE.json]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from corpus_build import measure
from measure import Measurement, say

from mling_embed.files import read_json

GIB = 2**30


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--pairs", type=int, default=10_000_000, help="pairs to generate [default: 10 million]")
    parser.add_argument("--folder", type=Path, help="where to put the generated file and the corpus")
    parser.add_argument("--measured", type=Path, help="take what corpus_build.py --out wrote, instead of measuring")
    options = parser.parse_args()
    if options.measured:
        found = read_json(options.measured)
    else:
        say(f"generating and building {options.pairs:,} pairs")
        with TemporaryDirectory(dir=options.folder) as folder:
            found = measure(options.pairs, Path(folder))
    peak = found.pop("peak_rss_bytes")
    seconds = {"generate": found.pop("generation_seconds"), "build": found.pop("seconds")}
    result = Measurement("corpus_build", seeds=[0], seconds=seconds, peak_rss_bytes=peak)
    result.figures = {"peak_gib": peak / GIB, "pairs_per_second": found["pairs_per_second"]}
    result.facts = {name: value for name, value in found.items() if name not in ("python", "machine")}
    result.write(options.out)


if __name__ == "__main__":
    main()
