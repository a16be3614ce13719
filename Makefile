# Daily commands. Everything is installed into .venv and web/node_modules, once: a second run needs no network.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PAGES := bridge/static/widget.js
WEB_SOURCES := $(shell find web -mindepth 1 -name node_modules -prune -o -print)

.PHONY: help run dev test faults soak lint fmt bench web clean lock chromium check-python check-node

help:
	@echo 'make run    start Bridge: with your credentials from .env, or else with its sandbox (BRIDGE_PORT, 8080)'
	@echo 'make test   everything that gates a change: linters, types, pages, tests'
	@echo 'make faults every fault that must be survived, twenty times each (ROUNDS, 20)'
	@echo 'make soak   half an hour of kills, every message checked'
	@echo 'make lint   linters and types only          make fmt    format the code'
	@echo 'make dev    run, and rebuild pages on save  make bench  the benchmarks'
	@echo 'make lock   renew the lock files            make clean  remove all that was made here'

run: .venv/.run $(PAGES)
	@exec $(BIN)/bridge start

# Pages are built anew when one of their files is saved; changes in Python want Ctrl-C and again.
VITE := node_modules/.bin/vite build --watch --logLevel warn
dev: .venv/.run $(PAGES)
	@cd web && { \
	  $(VITE) --emptyOutDir false & pages=$$!; \
	  $(VITE) --config vite.widget.config.ts & widget=$$!; \
	  trap 'kill $$pages $$widget 2>/dev/null' EXIT INT TERM; \
	  cd .. && $(BIN)/bridge start; \
	}

test: lint chromium
	cd web && npm test --silent
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist worksteal -m 'not slow' $(ARGS)

# Each fault of tests/faults/README.md so many times, and a table of what held.
ROUNDS ?= 20
faults: chromium $(PAGES)
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist worksteal --quiet --no-header -p tests.faults.rounds --rounds $(ROUNDS) $(ARGS)

# Kills, repeated webhooks and cut calls for so many minutes: `make soak ARGS="--engine sqlite --minutes 30"`.
soak: .venv/.dev $(PAGES)
	$(BIN)/python -m benchmarks.soak $(ARGS)

lint: .venv/.dev web/node_modules/.package-lock.json $(PAGES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/compose-lint --fail-on low --strict-config --skip-suppressed --no-env --no-merge-overrides --quiet docker-compose.yml
	cd web && npm run --silent check

fmt: .venv/.dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.dev $(PAGES)
	$(BIN)/python -m benchmarks $(ARGS)

web: $(PAGES)

clean:
	rm -rf .venv web/node_modules bridge/static dist test-results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# -- set-up: each file below stands for a step that is done ------------------------------------------

.venv/.run: requirements/run.txt requirements/build.txt pyproject.toml
	@$(MAKE) --no-print-directory check-python
	@echo 'Installing the Python packages into .venv …'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo 'The venv module of $(PYTHON) is missing (Debian: apt-get install python3-venv).' >&2; exit 1; }
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo 'Installing the tools for tests into .venv …'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json web/.npmrc
	@$(MAKE) --no-print-directory check-node
	@echo 'Installing the packages of the pages into web/node_modules …'
	@cd web && npm ci --prefer-offline --no-audit --no-fund --silent
	@touch $@

$(PAGES): web/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo 'Building the pages …'
	@cd web && npm run --silent build
	@touch $@

chromium: .venv/.dev
	@$(BIN)/python -m tests.browser

check-python:
	@command -v $(PYTHON) >/dev/null || { echo 'Bridge needs Python 3.11 or newer: $(PYTHON) was not found. Name another with PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Bridge needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V). Name another with PYTHON=…" >&2; exit 1; }

check-node:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo 'The pages are built with Node.js 20.19 or newer and npm, which were not found.' >&2; exit 1; }
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' || { echo "The pages are built with Node.js 20.19 or newer, and this is $$(node -v)." >&2; exit 1; }

# Versions move only here. Needs uv (pip install uv).
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
lock:
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	echo hatchling | $(LOCK) - -c requirements/dev.txt -o requirements/build.txt
	cd web && npm install --package-lock-only
