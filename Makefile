# Every target sets up what it needs; nothing has to be installed before but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8
export UV_PYTHON_DOWNLOADS := never
READY := $(VENV)/.ready

.PHONY: help demo journeys test check format bench bench-full clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       set up, start everything, walk the journeys, stay up until Ctrl-C"
	@echo "make journeys   walk the journeys and exit (non-zero if a step fails)"
	@echo "make test       run all tests"
	@echo "make check      format, lint, types, import contracts"
	@echo "make format     put format and imports in order"
	@echo "make bench      measure against pgbench in one run (LOADS=a,b picks some); bench-full adds full tables"
	@echo "make clean      remove what make and the demo have set up, data and keys included"

# The lock file decides what is installed; it is only looked at again when it changed.
$(READY): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Obverse needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x $(UV) || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@echo "Installing locked dependencies into $(VENV) ..."
	@$(UV) sync --frozen --inexact --quiet
	@touch $@

demo: $(READY)
	@exec $(BIN)/obverse demo

journeys: $(READY)
	@exec $(BIN)/obverse journeys

test: $(READY)
	@$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy bench
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	@$(BIN)/python -m bench

bench-full: $(READY)
	@$(BIN)/python -m bench --full

clean:
	rm -rf $(VENV) .obverse .cache
