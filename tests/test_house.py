"""What holds for the whole package: what is imported when, what is public, how things are named."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mling_embed

PACKAGE = Path(mling_embed.__file__).parent
ROOT = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "torch",
    "sentence_transformers",
    "transformers",
    "datasets",
    "pyarrow",
    "faiss",
    "scipy",
    "pandas",
    "tokenizers",
}
MODULE_NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]
NOT_IMPORTED_HERE = {"__main__.py"}


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nimport json\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_numpy_at_most() -> None:
    loaded = modules_after("import mling_embed")
    assert loaded & (HEAVY | {"typer", "rich", "pydantic", "httpx", "jinja2"}) == set()


def test_help_loads_no_heavy_module_and_no_verb() -> None:
    loaded = modules_after("from mling_embed.cli import main\nmain(['--help'])")
    assert loaded & (HEAVY | {"numpy", "rich", "pydantic", "httpx"}) == set()
    assert {name for name in loaded if name.startswith("mling_embed.cli.")} == set()


def test_verb_modules_are_light_at_the_top() -> None:
    loaded = modules_after("from mling_embed.cli import VERBS, load_verb\nfor verb in VERBS: load_verb(verb)")
    assert loaded & HEAVY == set()
    assert "mling_embed.cli.doctor" in loaded


def test_every_public_name_resolves_and_is_listed_once() -> None:
    names = mling_embed.__all__
    assert len(names) == len(set(names))
    assert mling_embed.__version__
    assert {"distill", "evaluate", "load"} <= set(names)
    assert [name for name in names if getattr(mling_embed, name, None) is None] == []
    assert set(names) <= set(dir(mling_embed))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = mling_embed.no_such_name


@pytest.mark.parametrize("module", [name for name in MODULE_NAMES if name not in NOT_IMPORTED_HERE])
def test_every_module_imports(module: str) -> None:
    name = ".".join(["mling_embed", *Path(module).with_suffix("").parts]).removesuffix(".__init__")
    assert importlib.import_module(name).__doc__


def test_modules_are_named_for_their_subject() -> None:
    nameless = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert [name for name in MODULE_NAMES if Path(name).stem.strip("_") in nameless] == []


@pytest.mark.parametrize("path", MODULES, ids=MODULE_NAMES)
def test_modules_and_functions_stay_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 400
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno is None or f.end_lineno - f.lineno >= 60] == []


@pytest.mark.parametrize("path", MODULES, ids=MODULE_NAMES)
def test_no_assert_no_pickle_no_print_outside_the_command_line(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert imported & {"pickle", "dill", "joblib", "shelve"} == set()
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert path.is_relative_to(PACKAGE / "cli") or "print" not in called


def test_the_installed_version_is_the_one_in_the_code() -> None:
    assert importlib.metadata.version("mling-embed") == mling_embed.__version__


def test_doctor_knows_the_floors_of_the_project_file() -> None:
    from mling_embed.cli.doctor import FLOORS, PYTHON_FLOOR

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = dict(line.split(">=") for line in project["dependencies"])
    assert {package: required.get(package) for package in FLOORS} == FLOORS
    assert project["requires-python"] == f">={PYTHON_FLOOR}"
