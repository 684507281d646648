"""Run the benchmarks again and compare them with what was recorded, record them, or write the report.

python benchmarks/run.py verify [NAME ...]   run, compare with the expected figures: OK, OKISH, FAIL or SKIPPED
python benchmarks/run.py record NAME ...     run, keep the result, and expect its figures from now on
python benchmarks/run.py report [--check]    write RESULTS.md and the marked parts of README.md

A benchmark on a built corpus finds its folder in $MLING_EMBED_BENCH_CORPUS; test files come from the cache and the
mirrors. What is not there is skipped, with the reason.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomli_w
from conditions_file import CONDITIONS, CORPUS_VARIABLE, RESULTS, Condition, Verdict, read_conditions
from measure import FOLDER, KEYS, ROOT, SCHEMA, say
from rendering import fill_marked, results_page

from mling_embed.errors import DamagedFileError, MlingEmbedError
from mling_embed.files import read_json, write_bytes, write_text
from mling_embed.toml_models import read_toml

PAGE = FOLDER / "RESULTS.md"
README = ROOT / "README.md"


def read_result(path: Path, condition: Condition) -> dict[str, Any]:
    """Read a result and see that it is one of its condition.

    Raises:
        DamagedFileError: It has other keys, another schema, or another condition's name.
    """
    result: dict[str, Any] = read_json(path)
    if tuple(result) != KEYS or result["schema"] != SCHEMA:
        raise DamagedFileError(f"keys {', '.join(result)}; expected {', '.join(KEYS)}, schema {SCHEMA}.", where=path)
    if result["condition"] != condition.name:
        raise DamagedFileError(f"is of condition {result['condition']}, not {condition.name}.", where=path)
    return result


def recorded() -> list[tuple[Condition, dict[str, Any]]]:
    """Return the conditions that have a result, with it."""
    found = [condition for condition in read_conditions() if condition.result.is_file()]
    return [(condition, read_result(condition.result, condition)) for condition in found]


def execute(condition: Condition, out: Path) -> dict[str, Any]:
    """Run a condition's command.

    Raises:
        CalledProcessError: It failed.
    """
    places = {"out": str(out), "corpus": os.environ.get(CORPUS_VARIABLE, "")}
    script, *options = (part.format(**places) for part in condition.command)
    say(f"--- {condition.name}: {condition.title} (about {condition.minutes:g} minutes)")
    subprocess.run([sys.executable, str(FOLDER / script), *options], check=True, cwd=ROOT, stdout=sys.stderr.fileno())
    return read_result(out, condition)


def verify(names: tuple[str, ...]) -> int:
    """Run conditions and print how each figure compares; return the exit code."""
    failed = False
    for condition in read_conditions(names):
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
        for each in condition.expect:
            found = figures.get(each.metric)
            verdict = each.verdict(found)
            failed |= verdict is Verdict.FAIL
            shown = "no such figure" if found is None else f"{found:.6g}"
            limits = f"expected {each.expected:.6g}, tolerance {each.tolerance:.6g}, better: {each.better}"
            print(f"{verdict}\t{condition.name}\t{each.metric}\t{shown}\t{limits}", flush=True)
    return 1 if failed else 0


def record(names: tuple[str, ...]) -> int:
    """Run conditions, keep their results, and set the expected figures to those found; limits stay as they are."""
    code = 0
    for condition in read_conditions(names):
        if reason := condition.missing():
            print(f"{Verdict.SKIPPED}\t{condition.name}\t{reason}", flush=True)
            code = 1
            continue
        with TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            keep(condition, execute(condition, out))
            write_bytes(condition.result, out.read_bytes())
        print(f"recorded\t{condition.name}\t{condition.result.relative_to(ROOT)}", flush=True)
    return code


def keep(condition: Condition, result: dict[str, Any]) -> None:
    """Write the figures of a result into its condition's file, as what is expected; and the corpus it was made on."""
    path = CONDITIONS / f"{condition.name}.toml"
    values = read_toml(path)
    for each in values["expect"]:
        if each.get("better", "higher") in ("higher", "lower"):
            each["expected"] = result["figures"][each["metric"]]
    for data in values.get("data", []):
        if "corpus" in data and "corpus" in result["facts"]:
            data["corpus"] = result["facts"]["corpus"]
        if "phrasebook" in data and "phrasebook" in result["facts"]:
            data["phrasebook"] = result["facts"]["phrasebook"]
    write_text(path, tomli_w.dumps(values))


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
    for verb, text in (("verify", "run and compare"), ("record", "run and keep the result")):
        each = verbs.add_parser(verb, help=text)
        each.add_argument("names", nargs="*" if verb == "verify" else "+", help="conditions [default: all]")
    verbs.add_parser("report", help="write the tables").add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is not what it would be"
    )
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    try:
        if options.verb == "report":
            return report(check=options.check)
        return (verify if options.verb == "verify" else record)(tuple(options.names))
    except MlingEmbedError as error:
        say(f"error: {error}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
