# Two commands matter: `make demo` and `make test`. Python 3.11 or later is all that a machine must have.

# The first Python on PATH that is new enough. Another one: make PYTHON=/path/to/python3.13 demo
PYTHON ?= $(or $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done),python3)
PY := .venv/bin/python
SET_UP = $(PYTHON) frontend_example/demo/set_up.py
NPM = $(PY) frontend_example/demo/node.py npm --prefix
DEMO_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=
PYTEST_ARGS ?=
# Test processes. Many tests start servers of their own, so more than this is no gain on two cores.
JOBS ?= 2
COMPILE = $(PY) -m uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo console docs reference test lint format bench bench-scale sbom lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## everything together at http://localhost:8080; with DEMO_ARGS=--check it tries itself out
	@$(SET_UP) python issuer app console
	@exec $(PY) frontend_example/demo/run.py $(DEMO_ARGS)

console: ## the console's files, for a server that runs from this folder
	@$(SET_UP) python console

# pytest comes last, so that its summary is the last line. The plugin makes a skipped test a failure; the profile has
# hypothesis search in the same places each time, and allows for a slow machine.
test: ## linters, types, the front end's tests and all of pytest
	@$(SET_UP) python issuer app console chromium nginx caddy gateways prometheus
	@$(MAKE) --no-print-directory check
	@PYTHONPATH=.ci $(PY) -m pytest -p every_test_runs --hypothesis-profile=ci -n $(JOBS) --dist loadfile \
		$(PYTEST_ARGS)

lint: ## what `make test` checks before it runs pytest
	@$(SET_UP) python app console
	@$(MAKE) --no-print-directory check

.PHONY: check
check:
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	MYPYPATH=frontend_example/demo $(PY) -m mypy frontend_example/demo
	$(NPM) frontend_example run --silent check
	$(NPM) frontend_example run --silent test
	$(NPM) bff/web/console run --silent check
	$(NPM) bff/web/console run --silent test

format: ## rewrites the Python code as the formatter wants it
	@$(SET_UP) python
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs: ## the documentation site, in build/site
	@$(SET_UP) python
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

reference: ## the tables of docs/configuration.md, from the settings
	@$(SET_UP) python
	$(PY) -m documentation.reference

bench: ## the benchmarks, with tables as the result
	@$(SET_UP) python issuer nginx caddy wrk
	@exec $(PY) -m benchmarks $(BENCH_ARGS)

bench-scale: ## a million sessions, a login storm, a renewal storm; with BENCH_ARGS="store --sessions 20000" less of it
	@$(SET_UP) python nginx
	@exec $(PY) -m benchmarks.scale $(BENCH_ARGS)

sbom: ## the bill of materials of a release, in build/bff.cdx.json
	@$(SET_UP) python
	$(PY) .ci/sbom.py build/bff.cdx.json

lock: ## writes the lock files from pyproject.toml; LOCK_ARGS=--upgrade takes the newest versions
	@$(SET_UP) python
	$(COMPILE) $(LOCK_ARGS) pyproject.toml -o requirements.lock
	$(COMPILE) $(LOCK_ARGS) pyproject.toml --group dev -o requirements-dev.lock
	$(COMPILE) $(LOCK_ARGS) .ci/uv.in -o .ci/uv.lock
	$(COMPILE) $(LOCK_ARGS) .ci/gateways.in -o .ci/gateways.lock

# For docker-compose.yml. Kept when it is there: the stored sessions and Keycloak's realm depend on it.
.env: ## secrets for docker compose, made for this machine alone
	@umask 077; $(PYTHON) -c 'import secrets; print(*(f"{name}={secrets.token_urlsafe(32)}" for name in \
	("BFF_KEY", "DEMO_CLIENT_SECRET", "KEYCLOAK_ADMIN_PASSWORD")), sep="\n")' > $@
	@echo "Wrote $@. Next: docker compose up --build"

clean: ## removes what the targets above have made
	rm -rf build .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	rm -rf bff/web/console/node_modules bff/web/console/dist
	rm -rf frontend_example/node_modules frontend_example/dist frontend_example/demo/issuer/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
