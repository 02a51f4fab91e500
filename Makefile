# The two commands: `make run` and `make test`. Everything lies in .venv and results/.
PYTHON ?= python3
CORES ?= all
CONFIG ?= config/config.yaml
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --configfile $(CONFIG)
READY := $(VENV)/.ready

.PHONY: run setup test lint format schema study-checks bench clean help

run: setup  ## run the workflow on CONFIG (default: the embedded sample)
	@$(SNAKEMAKE) --quiet rules
	@$(BIN)/python -m latentcell.where $(CONFIG)

setup: $(READY)  ## create .venv with exactly pinned dependencies

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "latentcell needs Python 3.11 or newer, found $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

test: setup lint  ## style, types and the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --cov latentcell --cov-report term-missing:skip-covered --cov-fail-under 90

lint: setup  ## ruff, mypy, snakefmt and snakemake's own lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: setup  ## bring the style in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

schema: setup  ## write the schema and the table of keys anew from the settings
	$(BIN)/python -m latentcell.schema

study-checks: setup  ## measure what docs/study-checks.md states (needs the deposit)
	for part in pca gmvae ffnn; do $(BIN)/python bench/study_checks.py $$part || exit 1; done

bench: setup  ## time the engine beside plain implementations (docs/benchmarks.md)
	$(BIN)/python bench/engine.py $(BENCH)

clean:  ## remove what runs have made, but not downloads
	find results -mindepth 1 ! -name README.md -delete

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /: /'
