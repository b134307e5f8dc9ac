# `make help` explains the targets. Everything runs in .venv, which the first target that needs it makes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= kubedock:latest
BASE ?= docker.io/library/python:3.11-slim
BUILDAH_OPTIONS ?=
# The tests' files go with the run.
PYTEST := tmp=$$(mktemp -d /tmp/kd-XXXXXX) && trap 'rm -rf "$$tmp"' EXIT && TMPDIR="$$tmp" $(BIN)/python -m pytest
FAST := not cluster and not embedded and not prove

.DEFAULT_GOAL := help
.PHONY: help install tools docker run serve format lint test cover test-cluster test-embedded prove bench docs tables wheels image check clean

# $(call packages,NAMES): install Debian packages, and say so; elsewhere, or without root, say what is missing.
packages = \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Debian packages: $(1)"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1 \
	    || { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1) >/dev/null; }; } </dev/null; \
	else \
	  echo "What is missing: $(1). As root: apt-get install --no-install-recommends $(1)" >&2; exit 1; \
	fi
TOOLS := runc conmon skopeo umoci
# The docker command is in the first of these that a release has.
DOCKER := docker-cli docker.io
# pip keeps nothing outside of the checkout.
export PIP_NO_CACHE_DIR := 1

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call packages,python3-venv); }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.develop: $(BIN)/python setup.cfg constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint,docs]'
	@touch $@ $(VENV)/.serve

install: $(VENV)/.develop ## Make the environment with all tools

tools: ## Install what the embedded node runs containers with (Debian packages; needs root)
	@for tool in $(TOOLS); do command -v $$tool >/dev/null || missing=1; done; \
	if [ -n "$$missing" ]; then $(call packages,$(TOOLS)); fi

docker: ## Install the docker command, for tests (a Debian package; needs root)
	@known() { for name in $(DOCKER); do if apt-get install -qq --simulate $$name >/dev/null 2>&1; then return; fi; done; false; }; \
	command -v docker >/dev/null || { known || { apt-get update -qq; known; } || true; $(call packages,$$name); }

run: $(VENV)/.serve tools ## Show kubedock at work on this machine, without a cluster (needs root)
	@$(BIN)/python -m kubedock.demo $(ARGS)

serve: $(VENV)/.serve ## Serve on the current kubeconfig; ARGS="-n my-namespace" gives options
	$(BIN)/kubedock server $(ARGS)

format: $(VENV)/.develop ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.develop ## Check format, style, types and layers; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.develop ## Run all tests that need no cluster (under 3 minutes)
	@$(PYTEST) -q -m '$(FAST)' $(ARGS)

cover: $(VENV)/.develop ## Run the same tests and report what they do not reach
	$(BIN)/coverage run --branch --source kubedock -m pytest -q -m '$(FAST)' $(ARGS)
	$(BIN)/coverage report --show-missing --skip-covered --fail-under=90

test-cluster: $(VENV)/.develop ## Run the suite on the real Kubernetes of KUBECONFIG
	@$(PYTEST) -q -m 'cluster and not prove' $(ARGS)

test-embedded: $(VENV)/.develop tools docker ## Run the suites on the embedded node: real containers on this machine (root; under 10 minutes)
	@$(PYTEST) -q -m 'embedded and not prove' $(ARGS)

prove: $(VENV)/.develop ## Run everything with its full counts; needs the cluster
	@export CI=true; $(PYTEST) -q $(ARGS)
	$(MAKE) bench ARGS=

bench: $(VENV)/.develop ## Measure
	$(BIN)/python -m tests.bench $(ARGS)

docs: $(VENV)/.develop ## Build the documentation; every warning is an error
	$(BIN)/sphinx-build -q -n -W --keep-going -b html docs docs/_build/html

tables: $(VENV)/.develop ## Write the parts of the documentation that are made from the code
	$(BIN)/python -m tests.support.documents

wheels: $(VENV)/.serve ## Install kubedock and what it needs into build/image/site; PYTHON must be the base's version
	rm -rf build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt --target build/image/site .
	cd build/image/site/bin && ls | grep -vx -e kubedock -e gunicorn | xargs rm -f && sed -i '1s|.*|#!/usr/bin/env python3|' kubedock gunicorn
	rm -rf build/lib build/bdist.*
	mkdir build/image/lib
	find build/image/site -name '*.so' -exec ldd {} + | awk '$$2 == "=>" && $$1 !~ /^lib(c|m)\.so/ {print $$3}' | sort -u | xargs -r cp -L -t build/image/lib
	$(BIN)/python -m compileall -q --invalidation-mode unchecked-hash build/image/site

image: wheels ## Build the image with buildah: IMAGE=name, BASE=python image, BUILDAH_OPTIONS
	buildah bud $(BUILDAH_OPTIONS) --build-arg BASE=$(BASE) -t $(IMAGE) .

check: lint test docs ## All that a change must pass without a cluster

clean: ## Remove what the targets have made
	rm -rf $(VENV) build docs/_build kubedock.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
