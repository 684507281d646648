"""Distil a static student from a built corpus, and measure it on Tatoeba, the STS benchmark and its dev split.

python benchmarks/pool_static.py CORPUS OUT [--run DIR] [--set fit.epochs=6] [--no-teacher-index] [--seed 0]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from full_evaluation import StoredTeacher, full_evaluation, mean, record
from measure import CHOSEN, Measurement, peak_rss_bytes, talk

from mling_embed.distillation.config import read_config
from mling_embed.distillation.run import Distilled, run
from mling_embed.encoders.static import as_static
from mling_embed.errors import DataError
from mling_embed.evaluation.runner import evaluate
from mling_embed.evaluation.suites.tatoeba import tasks as tatoeba_tasks
from mling_embed.students.static import untrained


def evaluated(result: Measurement, done: Distilled, *, seed: int, teacher_index: bool) -> None:
    """Measure the student on every suite, and the same vocabulary untrained."""
    index = StoredTeacher(done.teacher) if teacher_index else None
    with result.phase("evaluation"):
        figures, found = full_evaluation(done.student, done.teacher, done.corpus, index=index, seed=seed)
    with result.phase("evaluation: untrained"):
        before = evaluate(untrained(as_static(done.student), seed=seed), list(tatoeba_tasks(CHOSEN)))
    result.figures |= figures | {"tatoeba_15_untrained": mean(each.score for each in before)}
    result.scores = [record(each) for each in found]


def main() -> None:
    """Parse the options, distil, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a folder that `mling-embed data build` made")
    parser.add_argument("out", type=Path, help="the result, as JSON")
    parser.add_argument("--run", type=Path, help="folder of the run [default: a temporary one]")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting, such as fit.epochs=3")
    parser.add_argument("--no-teacher-index", action="store_true", help="do not encode the tests with the teacher")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    result = Measurement("pool_static", seeds=[options.seed])
    with TemporaryDirectory() as temporary:
        folder = options.run or Path(temporary) / "run"
        values = {"out": folder, "seed": options.seed, "data": {"corpus": options.corpus.absolute()}}
        config = read_config(None, values, options.settings)
        if (folder / "config.toml").exists():
            raise DataError("a run is there already: its times would not be those of a whole run.", where=folder)
        done = run(config, progress=talk)
        peak = peak_rss_bytes()
        result.seconds |= {f"distillation: {name}": seconds for name, seconds in done.seconds.items()}
        evaluated(result, done, seed=options.seed, teacher_index=not options.no_teacher_index)
        result.facts = {
            "corpus": done.corpus.fingerprint,
            "english": done.corpus.n_english,
            "pairs": done.corpus.n_pairs,
            "languages": len(done.corpus.languages),
            "vocabulary": len(as_static(done.student).table),
            "dim": done.student.dim,
            "targets_computed": done.targets.computed,
            "distillation_peak_rss_bytes": peak,
            "settings": options.settings,
            "fit": asdict(config.fit),
        }
    result.figures["fit_minutes"] = done.seconds["student"] / 60
    result.write(options.out)


if __name__ == "__main__":
    main()
