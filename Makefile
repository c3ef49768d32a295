# A fresh machine needs only Python 3.11 or newer, make and git.

PYTHON ?= python3
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

BIN := .venv/bin
STAMP := .venv/.installed
WITHIN := PATH="$(CURDIR)/$(BIN):$$PATH"
MODERN = $(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)
FOUND = $(shell $(PYTHON) --version 2>/dev/null || echo missing)
TOO_OLD = mediaos-migrate needs Python 3.11 or newer, but $(PYTHON) is $(FOUND); name another one, as in `make install PYTHON=python3.12`

# The tests sync ten thousands of times, and ask in other ways what a power cut leaves: in memory that costs nothing.
MEMORY = $(shell test -w /dev/shm && df -Pm /dev/shm | awk 'NR == 2 && $$4 > 4000 { print "TMPDIR=/dev/shm" }')

SIZE ?= 10000
ROUNDS ?= 3
ONLY ?= carry,growth,live
BENCH = $(BIN)/python -m benchmarks --size $(SIZE) --rounds $(ROUNDS) --only $(ONLY)

# The tests start thousands of processes; they compile us once, not each for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-all lint bench bench-docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP)  ## Set up .venv with the command mediaos-migrate

demo: $(STAMP)  ## Migrate a small MediaOS and bring it back, in a temporary folder
	@$(WITHIN) sh playbooks/demo.sh

test: lint  ## Check style and types, run all tests
	$(WITHIN) $(MEMORY) python -m pytest -n $(JOBS) --dist worksteal $(COVERAGE)

test-all: export MEDIAOS_MIGRATE_ALL_TESTS = 1
test-all: COVERAGE = --cov --cov-report=term
test-all: test  ## The same with all of what `test` runs a sample of, and measure the coverage, which takes twice as long

lint: $(STAMP)  ## Check style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## Measure us and others side by side: SIZE=1000000 ROUNDS=3 ONLY=carry,growth,live
	$(BENCH)

bench-docs: $(STAMP)  ## The same, and write docs/performance.md with it
	$(BENCH) --keep docs/performance.json
	@rm -f docs/performance.png
	@$(PYTHON) -m venv .venv/plot && .venv/plot/bin/python -m pip install -qq --disable-pip-version-check '.[bench]'
	-.venv/plot/bin/python -m benchmarks.plot
	$(BIN)/python -m benchmarks.page

clean:  ## Remove what the other targets made
	rm -rf .venv .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Done again only when pyproject.toml changes; an environment that does not work is made anew.
$(STAMP): pyproject.toml
	$(if $(filter True,$(MODERN)),,$(error $(TOO_OLD)))
	@echo "Setting up .venv ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@
