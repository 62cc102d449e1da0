# Each target does all its own set-up; only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help demo serve test check conformance bench bench-service soak seeded-bugs format lock notebooks lab clean

help:
	@echo "make demo       set up, run a study of 5,000 orders, write out/report.html"
	@echo "make serve      set up, accept orders on http://127.0.0.1:3000 and execute them"
	@echo "make test       set up, run all tests and notebooks"
	@echo "make check      what CI runs: format, lint, types, import rules, make test"
	@echo "make conformance  run anyio's own tests on our virtual-time backend"
	@echo "make bench      measure speed and memory, write benchmarks/results/*.json"
	@echo "make soak       storm real processes and virtual ones for a quarter of an hour, report it"
	@echo "make seeded-bugs  put known mistakes in, one at a time, and show which test finds each"
	@echo "make bench-service  measure the service beside the peer in ORDERENGINE_PEER"
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make format     reformat the code"
	@echo "make notebooks  run the notebooks in full and store their output"
	@echo "make lock       rewrite the locked requirements from pyproject.toml (needs uv)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "orderengine needs Python 3.11 or newer: make PYTHON=/path/to/python3 ..."; exit 2; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# pip refuses an editable install under --require-hashes: first the locked set, which holds the
# build backend, then this package alone.
$(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements/$*.txt"
	@$(PIP) --require-hashes -r requirements/$*.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.study
	@mkdir -p out
	$(BIN)/orderengine simulate --report out/report.html

serve: $(VENV)/.service
	$(BIN)/orderengine serve

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 3 --dist worksteal
	ORDERENGINE_NOTEBOOK_ORDERS=500 $(BIN)/python -m pytest -q -n 2 --dist worksteal --timeout=300 \
		--nbmake --nbmake-timeout=300 notebooks

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

conformance: $(VENV)/.conformance
	$(BIN)/python tests/conformance/anyio_suite.py

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

# CASES="e2e-200 scaling" measures these alone.
bench-service: $(VENV)/.bench
	$(BIN)/python -m benchmarks.service $(CASES)

# Reports go beside the benchmarks, where they are kept.
soak: $(VENV)/.dev
	$(BIN)/python -m tests.chaos --orders 20000 --faults 200 --report benchmarks/soak/processes.json
	$(BIN)/python -m tests.chaos.virtual --seeds 50000 --processes 2 \
		--report benchmarks/soak/virtual.json

seeded-bugs: $(VENV)/.dev
	$(BIN)/python -m tests.seeded_bugs --json benchmarks/soak/seeded_bugs.json

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:
	requirements/lock.sh

notebooks: $(VENV)/.dev
	$(BIN)/jupytext --quiet --to ipynb --update notebooks/*.py
	TQDM_DISABLE=1 $(BIN)/python -m pytest -q --timeout=600 --nbmake --nbmake-timeout=600 \
		--overwrite notebooks

lab: $(VENV)/.lab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_first_study.ipynb

clean:
	rm -rf $(VENV) out
