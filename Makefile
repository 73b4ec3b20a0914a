# Two commands on a fresh machine: `make demo` and `make test`. Both share one set-up stamp.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint smoke docs clean

demo: $(VENV)/.ready
	$(BIN)/sparring demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

smoke: $(VENV)/.ready
	$(BIN)/python results/reproductions.py --check
	rm -rf runs/all-smoke
	$(BIN)/sparring reproduce --all --scale smoke --out runs/all-smoke

docs: $(VENV)/.ready
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[all,test]'
	touch $@

clean:
	rm -rf $(VENV) sparring-demo
