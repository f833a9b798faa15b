# One command checks all: `make test`. One shows it: `make run`. Both make their own virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE ?= examples/text_statistics.md

.PHONY: run test format lint types contracts check attacks soak bench clean

run: $(VENV)/.installed
	$(BIN)/pyflowctl run $(EXAMPLE)

test: $(VENV)/.developed lint types contracts check

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.developed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

format: $(VENV)/.developed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.developed
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(VENV)/.developed
	$(BIN)/mypy

contracts: $(VENV)/.developed
	$(BIN)/lint-imports

check: $(VENV)/.developed
	$(BIN)/pytest --numprocesses=2 --dist=worksteal

attacks: $(VENV)/.developed
	$(BIN)/pytest --numprocesses=2 --dist=worksteal --write-table tests/attacks

soak: $(VENV)/.developed
	PYTHONPATH=tests $(BIN)/python tests/soak.py $(SOAK)

bench: $(VENV)/.developed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
