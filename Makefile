# `make` lists the targets. They need only Python >= 3.11 with venv, and make; uv is used when it is there.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo up test test-slow check format bench lock docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
LOCK := requirements/dev.txt
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP)  ## make the environment in .venv/, from the lock

$(STAMP): $(LOCK) pyproject.toml
	@scripts/install "$(PYTHON)" "$(VENV)" "$(LOCK)" "$(UV)"
	@touch $@

demo: $(STAMP)  ## run this repository's mesh on real data, end to end
	@$(PY) scripts/demo.py

up: $(STAMP)  ## serve the Dagster UI until Ctrl-C
	@$(BIN)/mesh up

test: $(STAMP)  ## run the tests: fast and integration
	@$(PY) -m pytest -m "not slow and not jvm and not browser"

test-slow: $(STAMP)  ## run the long tests: many kill points, long state machines
	@$(PY) -m pytest -m slow --hypothesis-profile=ci

check: $(STAMP)  ## format, lint, types, import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## format the code and mend what ruff can
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## measure speed against floors of the same run
	@$(PY) -m benchmarks all

lock:  ## resolve requirements/*.txt anew, with hashes (needs uv), and prove 3.11 to 3.13
	@scripts/lock "$(or $(UV),uv)"

docs: $(STAMP)  ## check the docs: links, settings, targets
	@$(PY) -m pytest -q tests/architecture/test_docs.py

clean:  ## remove the environment and the mesh's state
	@rm -rf $(VENV) .mesh landing
