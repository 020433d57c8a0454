.DEFAULT_GOAL := help
.PHONY: help setup setup-demo lint test demo bench impact soak docs clean
SHELL := /bin/bash

python := .venv/bin/python
pytest := $(python) -m pytest
# What needs the machine to itself (real locks, real runs of act) stays out of the parallel half.
beside_each_other := tests/integration/feature_matrix tests/integration/smart_dispatch
parallel_tests := tests/unit tests/contract $(beside_each_other)
serial_tests := tests/integration tests/e2e $(addprefix --ignore=,$(beside_each_other))
empty :=
packages := $(subst $(empty) $(empty),:,$(addprefix $(CURDIR)/,shared $(wildcard action-*) tests))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what development needs: system packages (says which and why) and .venv
	@scripts/system-packages test
	@scripts/setup

setup-demo:
	@scripts/system-packages demo
	@scripts/setup

lint: setup ## ruff, mypy, shellcheck, actionlint, zizmor, README tables, cargo fmt
	@scripts/lint

test: setup ## Lint and all tests
	@failed=0; \
	scripts/lint || failed=1; \
	$(pytest) -n 2 $(parallel_tests) || failed=1; \
	$(pytest) $(serial_tests) || failed=1; \
	exit $$failed

demo: setup-demo ## Run the whole pipeline under act, cold and warm, and show its job summaries
	@$(python) scripts/demo.py

bench: setup ## Run all benchmarks and write docs/benchmarks.md (ONLY="store locks": these, no page); fails on a missed bar
	@PYTHONPATH=$(packages) $(python) tests/bench/run_all.py $(ONLY)

impact: setup ## Measure the source document's approach beside the actions, and write docs/impact.md; 12 minutes
	@scripts/system-packages impact
	@PYTHONPATH=$(packages) $(python) tests/bench/impact.py

soak: setup ## The randomised tests in full; `make test` runs a twentieth of them
	@SOAK=1 $(pytest) -m soak --timeout 0 tests

docs: setup ## Write the tables in the READMEs anew from action.yml
	@$(python) scripts/readme_tables.py

clean: ## Remove everything that was made here
	@rm -rf .venv .tools build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis examples/voice-app/target
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
