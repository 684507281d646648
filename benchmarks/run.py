"""Run the benchmarks again and compare them with what is promised, record them, or write the report.

python benchmarks/run.py list                              name, group, minutes, and whether its data are here
python benchmarks/run.py verify [--group short] [NAME ...] run, compare with the promises and with what was recorded
python benchmarks/run.py record NAME ...                   run on a clean tree, and keep the result
python benchmarks/run.py report [--check]                  write RESULTS.md and the marked parts of README.md

Each builds its own corpus from the shared data ($MLING_EMBED_BENCH_DATA, or ../shared/data beside the checkout); test
files come from the cache and the mirrors. What is not there is skipped, with the reason. A figure is OK, OKISH or FAIL;
with a FAIL the exit code is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from conditions_file import RESULTS, Condition, Verdict, build_corpus, data_folder, read_conditions
from measure import ARGUMENTS, CHANGES, FOLDER, KEYS, ROOT, SCHEMA, commit, say
from rendering import fill_marked, results_page

from mling_embed.errors import DamagedFileError, MlingEmbedError, UsageError
from mling_embed.files import read_json, write_bytes, write_text

PAGE = FOLDER / "RESULTS.md"
README = ROOT / "README.md"


def read_result(path: Path, condition: Condition) -> dict[str, Any]:
    """Read a result and see that it is one of its condition.

    Raises:
        DamagedFileError: It has other keys, another schema, or another condition's name.
    """
    result: dict[str, Any] = read_json(path)
    if tuple(name for name in result if name != ARGUMENTS) != KEYS or result["schema"] != SCHEMA:
        raise DamagedFileError(f"keys {', '.join(result)}; expected {', '.join(KEYS)}, schema {SCHEMA}.", where=path)
    if result["condition"] != condition.name:
        raise DamagedFileError(f"is of condition {result['condition']}, not {condition.name}.", where=path)
    return result


def recorded() -> list[tuple[Condition, dict[str, Any]]]:
    """Return the conditions that have a result, with it."""
    found = [condition for condition in read_conditions() if condition.result.is_file()]
    return [(condition, read_result(condition.result, condition)) for condition in found]


def execute(condition: Condition, out: Path) -> dict[str, Any]:
    """Run a condition's command; its result names what is of this machine alone as the command does: ``{corpus}``.

    Raises:
        CalledProcessError: It failed.
    """
    say(f"--- {condition.name}: {condition.title} (about {condition.minutes:g} minutes)")
    places = {"out": str(out), "corpus": str(build_corpus(condition) or ""), "data": str(data_folder())}
    script, *options = (part.format(**places) for part in condition.command)
    subprocess.run([sys.executable, str(FOLDER / script), *options], check=True, cwd=ROOT, stdout=sys.stderr.fileno())
    told = out.read_text(encoding="utf-8")
    for name, place in places.items():
        told = told.replace(place, f"{{{name}}}") if place else told
    write_text(out, told)
    return read_result(out, condition)


def chosen(names: Sequence[str], group: str | None) -> list[Condition]:
    """Return the conditions of these names, and of a group if one is named."""
    return [each for each in read_conditions(tuple(names)) if group in (None, each.group)]


def verify(names: Sequence[str], *, group: str | None = None) -> int:
    """Run conditions and print how each figure compares; return the exit code."""
    failed = False
    for condition in chosen(names, group):
        if reason := condition.missing():
            print(f"{Verdict.SKIPPED}\t{condition.name}\t{reason}", flush=True)
            continue
        try:
            with TemporaryDirectory() as folder:
                figures = execute(condition, Path(folder) / "result.json")["figures"]
        except subprocess.CalledProcessError as error:
            print(f"{Verdict.FAIL}\t{condition.name}\tthe command ended with {error.returncode}", flush=True)
            failed = True
            continue
        kept = read_result(condition.result, condition)["figures"] if condition.result.is_file() else {}
        for each in condition.promise:
            found, before = figures.get(each.metric), kept.get(each.metric)
            verdicts = [each.verdict(found)] + ([each.beside(found, before)] if before is not None else [])
            verdict = max(verdicts, key=list(Verdict).index)
            failed |= verdict is Verdict.FAIL
            shown = "no such figure" if found is None else f"{found:.6g}"
            limits = f"promised {each.promised:.6g}, tolerance {each.tolerance:.6g}, better: {each.better}"
            recorded_as = "not recorded" if before is None else f"recorded {before:.6g}"
            print(f"{verdict}\t{condition.name}\t{each.metric}\t{shown}\t{limits}\t{recorded_as}", flush=True)
    return 1 if failed else 0


def record(names: Sequence[str]) -> int:
    """Run conditions on a clean tree and keep their results; their promises stay as they are.

    Raises:
        UsageError: The code has changes that are not committed.
    """
    if commit().endswith(CHANGES):
        raise UsageError(
            "the code has changes that are not committed: nobody could run this again.",
            next_step="Commit them first: git status.",
        )
    code = 0
    for condition in chosen(names, None):
        if reason := condition.missing():
            print(f"{Verdict.SKIPPED}\t{condition.name}\t{reason}", flush=True)
            code = 1
            continue
        with TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            execute(condition, out)
            write_bytes(condition.result, out.read_bytes())
        print(f"recorded\t{condition.name}\t{condition.result.relative_to(ROOT)}", flush=True)
    return code


def listed() -> int:
    """Print each condition: name, group, minutes, whether it is recorded, and why it cannot be run, if so."""
    for condition in read_conditions():
        kept = "recorded" if condition.result.is_file() else "not recorded"
        print(condition.name, condition.group, f"{condition.minutes:g}", kept, condition.missing() or "", sep="\t")
    return 0


def report(*, check: bool) -> int:
    """Write the report, or say whether it is what would be written."""
    found = recorded()
    pages = {PAGE: results_page(found)}
    if README.is_file():
        pages[README] = fill_marked(README.read_text(encoding="utf-8"), found)
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not check:
            write_text(path, pages[path])
        print(f"{'stale' if check else 'written'}\t{path.relative_to(ROOT)}")
    return 1 if check and stale else 0


def main() -> int:
    """Parse the command line, do it, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="print the conditions")
    for verb, text in (("verify", "run and compare"), ("record", "run and keep the result")):
        each = verbs.add_parser(verb, help=text)
        each.add_argument("names", nargs="*" if verb == "verify" else "+", help="conditions [default: all]")
        if verb == "verify":
            each.add_argument("--group", choices=("short", "long"), help="those of this group alone")
    verbs.add_parser("report", help="write the tables").add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is not what it would be"
    )
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    try:
        if options.verb == "report":
            return report(check=options.check)
        if options.verb == "list":
            return listed()
        return record(options.names) if options.verb == "record" else verify(options.names, group=options.group)
    except MlingEmbedError as error:
        say(f"error: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
