# SPDX-License-Identifier: GPL-3.0-or-later
# `make` prints this list. Each target sets up what it needs on a fresh Debian 12 or 13 machine; a second run starts at once.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
BOOTSTRAP := provisioning/bootstrap.sh
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: help bootstrap demo test check bench test-kernels test-releases soak clean

help: ## Print this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

bootstrap: ## Set this machine up (Debian packages, virtual environment, compiled parts)
	@$(BOOTSTRAP) test

demo: ## Show the server answering on the NIC path (ZONE=example.org FILE=path for your own zone, ROOT=path for a root zone)
	@$(BOOTSTRAP) run
	@$(PYTHON) -m demo --zone "$${ZONE-}" --file "$${FILE-}" --root "$${ROOT-}"

test: ## Run every test (needs root; boots Debian's kernel in an emulator, sets the other release of Debian up in a root of its own)
	@$(BOOTSTRAP) test
	@$(PYTEST) -n auto -m "not soak" $(ARGS)

check: ## Style, types, sizes and the tests that need no root, in under a minute
	@$(BOOTSTRAP) check
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@$(PYTEST) -q -n auto -m "(unit or property) and not slow and not soak" $(ARGS)

bench: ## Measure (SUITE=nic; see docs/measure.md)
	@$(BOOTSTRAP) $(if $(filter scale,$(SUITE)),lab,test)
	@$(PYTHON) -m bench $(if $(SUITE),$(SUITE),nic) $(ARGS)

test-kernels: ## Load and test the XDP program on Debian's kernels in an emulator (KERNELS="6.1 6.12")
	@$(BOOTSTRAP) kernels
	@tests/kernels/matrix.sh $(KERNELS)

test-releases: ## Run every test in a root of each release of Debian (RELEASES="bookworm trixie")
	@$(BOOTSTRAP) test
	@for release in $(or $(RELEASES),bookworm trixie); do \
	  tests/releases/run_in.sh $$release "make test ARGS='-m \"not soak and not releases\" $(ARGS)'"; done

soak: ## The long runs (hours)
	@$(BOOTSTRAP) test
	@$(PYTEST) -m soak $(ARGS)

clean: ## Remove what was built, the virtual environment and caches
	@rm -rf .venv .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/work
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find appliance -name '*.so' -delete
