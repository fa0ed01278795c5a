SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first that answers and is new enough (a shim may be on the PATH and run nothing).
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV   ?= .venv
BIN    := $(CURDIR)/$(VENV)/bin
VIEW   := build/view/ray_operator
IMG    ?= ray-operator:0.1.0
# kind: a cluster of our own. current: the one that kubectl points at.
CLUSTER ?= kind
export CLUSTER IMG

# The cluster's own kubeconfig, Docker socket and tools, when there is such a cluster.
# An assignment, because its failure ends the recipe; that of `eval "$(…)"` would not, and what
# follows would hit the cluster that kubectl happens to point at.
IN_CLUSTER = settings="$$($(BIN)/python -m hack.cluster env)"; eval "$$settings"; \
  export PATH="$(BIN):$$PATH"

##@ Start here

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: dev ## A real cluster, the operator, real Ray, and the sample answering.
	@$(BIN)/python -m hack.demo up

.PHONY: demo-down
demo-down: dev ## Take the demo down, cluster and all.
	@$(BIN)/python -m hack.demo down

.PHONY: test
test: ## Every check and test, the end-to-end core on a real cluster included.
	@$(MAKE) dev
	@$(BIN)/python -m hack.stages verify test-integration test-e2e

##@ Develop

.PHONY: dev
dev: $(VENV)/.made $(VIEW)/operator ## The virtual environment in .venv, with the ray-operator command.

$(VENV)/.made: requirements-dev.lock setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on the PATH; install one, or say PYTHON=/path/to/it" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "virtual environment: installing the locked versions (about a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --progress-bar off --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --progress-bar off --no-deps --editable .
	@touch $@

# What the readers of files (mypy, import-linter) must see: our folders under
# their import name. Three links, so that a new module shows up by itself.
$(VIEW)/operator:
	@mkdir -p $(VIEW)
	@for folder in operator api controllers; do ln -sfn ../../../$$folder $(VIEW)/$$folder; done

.PHONY: run
run: dev ## The operator on this host, against the current cluster.
	@$(IN_CLUSTER); $(BIN)/ray-operator --enable-leader-election=false --log-stdout-encoder=console $(ARGS)

.PHONY: generate
generate: dev ## Regenerate the CRDs, and the models from them.
	@$(BIN)/python -m hack.generate_crds
	@$(BIN)/python -m hack.generate_models

.PHONY: lock
lock: dev ## Choose the newest versions that setup.cfg allows, and lock them.
	@for extra in "" dev; do \
	  $(BIN)/pip-compile --quiet --upgrade --strip-extras --no-annotate --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --no-header $${extra:+--extra $$extra} \
	    --output-file requirements$${extra:+-$$extra}.lock setup.cfg; \
	done

.PHONY: fmt
fmt: dev ## Format the code.
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --quiet --fix-only

.PHONY: bench
bench: dev ## Measure the operator against a simulated cluster of 200 nodes (ARGS=--quick: minutes).
	@$(BIN)/python -m hack.bench $(ARGS)

##@ Check

.PHONY: verify
verify: dev ## The quick gate: format, lint, types, layers, generated files, unit tests.
	@$(BIN)/python -m hack.stages fmt-check lint types layers generated test-unit

.PHONY: fmt-check
fmt-check: dev
	@$(BIN)/ruff format --check

.PHONY: lint
lint: dev ## Lint.
	@$(BIN)/ruff check

.PHONY: types
types: dev ## Type-check, strictly.
	@$(BIN)/mypy | sed 's|^$(VIEW)/||'

.PHONY: layers
layers: dev ## Who may import whom, and that the plans are pure.
	@PYTHONPATH=build/view $(BIN)/lint-imports --no-cache

.PHONY: generated
generated: dev ## CRDs and models are what their generators make.
	@$(BIN)/python -m hack.generate_crds --check
	@$(BIN)/python -m hack.generate_models --check

.PHONY: test-unit
test-unit: dev ## Pure decisions, and our machinery against fakes.
	@$(BIN)/pytest --quiet test/unit $(PYTEST_ARGS)

.PHONY: test-integration
test-integration: dev ## The operator against a real kube-apiserver and etcd.
	@$(BIN)/python -m hack.cluster binaries
	@PATH="$(BIN):$$PATH" $(BIN)/pytest test/integration $(PYTEST_ARGS)

.PHONY: test-faults
test-faults: dev ## The operator killed, cut off, refused and misled at every place, on a real API server.
	@$(BIN)/python -m hack.cluster binaries
	@PATH="$(BIN):$$PATH" $(BIN)/pytest --show-capture=no -m "not soak" test/faults $(PYTEST_ARGS)

.PHONY: soak
soak: dev ## A random walk over specs and faults, for MINUTES=30 (SEED=n: the same steps again).
	@$(BIN)/python -m hack.cluster binaries
	@PATH="$(BIN):$$PATH" $(BIN)/pytest -m soak --timeout=0 --minutes=$(or $(MINUTES),30) \
	  $(if $(SEED),--seed=$(SEED)) test/faults/test_random_walk.py $(PYTEST_ARGS)

.PHONY: test-e2e
test-e2e: dev deploy ## The end-to-end core: kubectl and real Ray on a real cluster.
	@$(IN_CLUSTER); $(BIN)/pytest -m "e2e and not extended" test/e2e $(PYTEST_ARGS)

.PHONY: e2e-all
e2e-all: dev deploy ## Every end-to-end scenario.
	@$(IN_CLUSTER); $(BIN)/pytest -m e2e test/e2e $(PYTEST_ARGS)

##@ A cluster

.PHONY: cluster-up
cluster-up: dev ## A kind cluster (CLUSTER=current: the one kubectl points at).
	@$(BIN)/python -m hack.cluster up

.PHONY: cluster-down
cluster-down: dev ## Delete it (ALL=1: the Docker daemon and its network of ours too).
	@$(BIN)/python -m hack.cluster down $(if $(ALL),--all)

.PHONY: env
env: dev ## What to evaluate to use that cluster: eval "$(make env)".
	@$(BIN)/python -m hack.cluster env; echo 'export PATH="$(BIN):$$PATH"'

##@ The operator in it

.PHONY: image
image: cluster-up ## Build the operator's image (IMG=name:tag).
	@$(BIN)/python -m hack.cluster build-operator $(IMG)

.PHONY: load
load: image ## Bring the image into the kind cluster.
	@$(BIN)/python -m hack.cluster load $(IMG)

.PHONY: deploy
deploy: load ## Install the CRDs and the operator.
	@$(IN_CLUSTER); hack/deploy up

.PHONY: undeploy
undeploy: dev ## Remove both, and every Ray object with them.
	@$(IN_CLUSTER); hack/deploy down
