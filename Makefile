# The main commands are `make run` and `make test`. All files go to .venv and results/.
PYTHON ?= python3
CORES ?= all
CONFIG ?= config/config.yaml
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --configfile "$(CONFIG)"
READY := $(VENV)/.ready
PYTEST := MAKEFLAGS= OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: run study verify setup test tests coverage test-cluster test-faults test-report lint format schema study-checks verdicts bench bench-scale quotes docs audit licences clean help

run: setup  ## run the workflow on CONFIG (default: scanpy's 700 PBMC, minutes)
	@$(SNAKEMAKE) --quiet rules
	@$(BIN)/python -m latentcell.cli.where "$(CONFIG)"

study: setup  ## run the controlled comparison and Table 5 on the authors' data (one night)
	@$(BIN)/snakemake --cores $(CORES) --configfile "$(if $(filter file,$(origin CONFIG)),config/comparison.yaml,$(CONFIG))" --quiet rules

verify: setup  ## list the changed result files of CONFIG's run
	@$(BIN)/latentcell verify "$(CONFIG)"

setup: $(READY)  ## create .venv with the pinned dependencies

# Compiles on all cores, unlike pip. Some files of libraries are for other versions of Python.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "latentcell needs Python 3.11 or newer, found $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	@touch $@

test: lint tests  ## check style and types, and run the tests

tests: setup
	$(PYTEST) -n 2 --dist loadgroup

coverage: setup  ## run the tests and list the lines that they miss (10 % at most)
	$(PYTEST) -n 2 --dist loadgroup --cov latentcell --cov-report term-missing:skip-covered --cov-fail-under 90

test-cluster: setup  ## test the workflow on Slurm; installs and starts Slurm (root, apt-get)
	LATENTCELL_SLURM=1 $(PYTEST) tests/cluster/test_slurm.py

test-faults: setup  ## test with killed runs, full disks and thousands of generated inputs
	LATENTCELL_FAULTS=1 $(PYTEST) tests/faults

test-report: setup  ## test answer.html in a browser; installs one if needed
	$(BIN)/python -m pip install --quiet --requirement requirements-report.txt
	command -v chromium chromium-browser google-chrome > /dev/null || $(BIN)/python -m playwright install chromium \
		|| { apt-get update -qq && apt-get install -qq --yes chromium; }
	LATENTCELL_BROWSER=1 $(PYTEST) tests/report

lint: setup  ## run ruff, mypy, snakefmt and snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers auto
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: setup  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/Snakefile workflow/rules

schema: setup  ## update the JSON schema and config/README.md from the settings
	$(BIN)/python -m latentcell.config.schema

study-checks: setup  ## measure the numbers on docs/study-checks.md (needs the deposited cells)
	for part in pca gmvae ffnn; do $(BIN)/python bench/study_checks.py $$part || exit 1; done

verdicts: setup  ## re-evaluate the study's claims from the records in docs/results
	$(BIN)/python bench/verdicts.py

bench: setup  ## compare the engine with plain implementations (docs/benchmarks.md)
	$(BIN)/python bench/engine.py $(BENCH)

bench-scale: setup  ## measure time and memory of each step (docs/benchmarks.md)
	$(BIN)/python bench/scale.py $(BENCH)

quotes: setup  ## update the numbers and tables on the pages from docs/results
	$(BIN)/python bench/quotes.py

docs: build/docs/.ready  ## build the site in build/site; fails on broken links
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=workflow/src build/docs/bin/mkdocs build --strict --quiet

build/docs/.ready: requirements-docs.txt
	$(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --no-compile --requirement requirements-docs.txt
	@touch $@

audit: build/audit/.ready  ## list known vulnerabilities of the dependencies (asks PyPI)
	build/audit/bin/pip-audit --requirement requirements.txt --no-deps --disable-pip
	build/audit/bin/pip-audit --requirement requirements-methods.txt --no-deps --disable-pip

licences: setup build/audit/.ready  ## update docs/licences.md
	{ printf '# Licences\n\nOf what `make setup` installs, pinned in `requirements.txt`; `make licences` writes this page.\n\n'; \
	  build/audit/bin/pip-licenses --python $(BIN)/python --format=markdown --from=mixed --ignore-packages latentcell \
	  | grep -Ev '^(\| +\|| )' | sed -E 's/ +\|/ |/g; s/-{4,}/---/g'; } > docs/licences.md

build/audit/.ready: requirements-audit.txt
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --requirement requirements-audit.txt
	@touch $@

clean:  ## delete the results of all runs; keep downloads
	find results/ -mindepth 1 ! -name README.md -delete

help:  ## list the targets
	@awk -v groups="Start: run study test clean;Results: verify verdicts quotes;Code: setup lint format schema docs licences audit help;Longer tests: coverage test-faults test-report test-cluster;Measurements: bench bench-scale study-checks" \
		'/^[a-z-]+:.*## / { name = $$0; sub(/:.*/, "", name); sub(/.*## /, ""); text[name] = $$0 } \
		END { n = split(groups, part, ";"); for (i = 1; i <= n; i++) { split(part[i], half, ":"); print (i > 1 ? "\n" : "") half[1]; \
		m = split(half[2], word, " "); for (j = 1; j <= m; j++) printf "  make %-14s %s\n", word[j], text[word[j]] } }' $(MAKEFILE_LIST)
