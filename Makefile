# Each target sets itself up on a fresh machine: a virtual environment in .venv, then the work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

SCENES ?= 5

.PHONY: help demo test check bench bench-all train-network clean

help:
	@echo "make demo    simulate a living room, recover it, write demo-scene/report.html"
	@echo "make test    run the tests"
	@echo "make check   lint, format, types, import layers"
	@echo "make bench [SCENES=5]    quality and time beside other packages, written to benchmarks/results; bench-all: every page there"
	@echo "make train-network SPEECH=DIR    train the network of recover, or go on with it"
	@echo "make clean   remove .venv and caches"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "arrayscene needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[rooms,sofa,hdf5,train,test,check]'
	touch $@

demo: $(STAMP)
	$(BIN)/arrayscene demo

test: $(STAMP)
	$(BIN)/pytest

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

bench: $(STAMP)
	$(BIN)/python benchmarks/separation.py --scenes $(SCENES)
	$(BIN)/python benchmarks/speed.py

bench-all: SCENES = 20
bench-all: bench
	@set -e; for script in $(filter-out benchmarks/separation.py benchmarks/speed.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(BIN)/python "$$script"; done

train-network: $(STAMP)
	$(BIN)/arrayscene train network $(if $(SPEECH),--speech $(SPEECH)) $(if $(OUT),--out $(OUT))

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
