# From a fresh clone: `make demo`, `make test`. The first target that needs it makes .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
INSTALL := $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt
WHEEL := build/check-wheel

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench build check-wheel clean

help:  ## Print this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What the demo needs alone is there in a third of the time.
$(DEMO_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[teacher,offline]"
	touch $@

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[dev,teacher,offline,lid,onnx,openvino,serve]"
	touch $@

demo test check-wheel: export HF_HUB_OFFLINE := 1

# The original files of the data sets, where a checkout has them beside it.
ifeq ($(origin MLING_EMBED_MIRROR),undefined)
ifneq ($(wildcard ../shared/data/mirror/.),)
test check-wheel: export MLING_EMBED_MIRROR := $(abspath ../shared/data/mirror)
endif
endif

demo: $(DEMO_STAMP)  ## Go the whole way on the built-in phrasebook, offline.
	$(BIN)/mling-embed demo

test: $(STAMP)  ## Run the tests and the examples in docstrings, with coverage.
	$(BIN)/python -m pytest --doctest-modules --cov --cov-report=term mling_embed tests $(PYTEST_ARGS)

lint: $(STAMP)  ## Check style, types and floors.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## Mend what ruff can mend.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP)  ## Run the short benchmarks again and compare them with what is promised.
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[ray,stores]"
	$(BIN)/python benchmarks/run.py verify --group short

build: $(STAMP)  ## Build wheel and sdist into dist/.
	rm -rf dist
	$(BIN)/python -m build --outdir dist

# The wheel alone in its own environment, the dependencies borrowed from .venv. The .pth line adds the folder
# without reading the .pth files in it, so the editable checkout stays out of sight.
check-wheel: build  ## Run the tests against the built wheel, in a folder without the package.
	rm -rf $(WHEEL)
	$(BIN)/python -m venv $(WHEEL)/venv
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(WHEEL)/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth"
	$(WHEEL)/venv/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	cp -R tests pyproject.toml $(WHEEL)/
	cd $(WHEEL) && venv/bin/python -c 'import pathlib, mling_embed; where = pathlib.Path(mling_embed.__file__); print(where); raise SystemExit("site-packages" not in where.parts)'
	cd $(WHEEL) && venv/bin/python -m pytest tests $(PYTEST_ARGS)

clean:  ## Remove what was built; .venv stays.
	rm -rf dist build .coverage htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find mling_embed tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
