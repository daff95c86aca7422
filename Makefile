# demo and test set up everything they need; the others assume nothing either.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= .demo/models
HOST ?= http://127.0.0.1:8000
SPEC ?= loadtests/compare/digits.yaml
# Three processes: many tests wait for servers that start. A file stays together, for its fixtures.
# A test gets a second chance, since on a busy machine processes may start late; what is wrong fails twice.
# Why it took the second is shown at the end.
PYTEST_ARGS ?=
PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder --reruns 1 --rerun-show-tracebacks
# Slow tests measure, or hold servers to their times: two processes leave them a CPU each.
PARALLEL_SLOW ?= $(subst -n 3,-n 2,$(PARALLEL))
# For images: which target, and what builds it.
TARGET ?= cpu
DOCKER ?= docker
IMAGE_BUILD_ARGS ?=
PIP_FLAGS := --quiet --disable-pip-version-check
# Servers start hundreds of times in the tests; none shall compile everything again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-slow check check-deploy protos dashboards chart requirements requirements-check image image-test compose
.PHONY: bench bench-swap locust compare clean help

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.demo ## Build the demo models, serve them, and print examples to try
	@$(BIN)/underway demo $(DEMO) --serve

test: .venvs/.tests ## Set up everything and run the tests, but for the slow ones
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(PYTEST_ARGS)

test-slow: .venvs/.tests ## The tests left out there: comparing, Locust, object stores, many frontends, Envoy, console
	@$(BIN)/python -m pytest $(PARALLEL_SLOW) -m slow $(PYTEST_ARGS)

.venvs/.tests: $(VENV)/.loadtests .venvs/clients/.ready .venvs/onnx/.ready .venvs/deploy/.ready .venvs/stores/.ready
	@tests/e2e/fetch_libb64.sh $(CURDIR)/.venvs/clients/lib
	@tests/e2e/fetch_prometheus.sh $(CURDIR)/.venvs/prometheus
	@tests/e2e/fetch_browser.sh $(CURDIR)/.venvs/axe
	@touch $@

check: $(VENV)/.dev ## Formatting, lint, types, import directions, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m protos.generate --check
	@$(BIN)/python -m deploy.grafana.boards --check
	@$(BIN)/python -m deploy.helm.generate --check

check-deploy: $(VENV)/.dev .venvs/deploy/.ready .venvs/deploy-scan/.ready ## Hold the chart against Trivy's and Checkov's rules
	@$(BIN)/python -m tests.deploy.scan

protos: $(VENV)/.dev ## Generate the code of protos/ and the JSON Schema of model.yaml
	@$(BIN)/python -m protos.generate
	@$(BIN)/python -m server.repository.schema

dashboards: $(VENV)/.dev ## Generate Grafana's dashboards from deploy/grafana/boards
	@$(BIN)/python -m deploy.grafana.boards
	@$(BIN)/python -m deploy.helm.generate

chart: $(VENV)/.dev ## Write the chart's table of values, and copy rules and dashboards into it
	@$(BIN)/python -m deploy.helm.generate

requirements: ## Pin the images' packages anew, from pyproject.toml; needs uv
	@requirements/docker/compile.sh

requirements-check: ## Fail where that would change something
	@requirements/docker/compile.sh --check

image: ## Build the image underway:TARGET; TARGET=onnx for another than cpu
	@$(DOCKER) build -f deploy/docker/Dockerfile --target $(TARGET) -t underway:$(TARGET) $(IMAGE_BUILD_ARGS) .

image-test: $(VENV)/.dev .venvs/stores/.ready .venvs/deploy/.ready ## Build the image of TARGET and run the tests of images against it
	@$(BIN)/underway demo $(DEMO)
	@deploy/docker/image_test.sh $(TARGET)

compose: $(VENV)/.demo ## Demo models, gateway, Prometheus, Grafana and Locust in containers
	@$(BIN)/underway demo $(DEMO)
	@$(DOCKER) compose -f deploy/compose/compose.yaml up --build

bench-swap: $(VENV)/.loadtests ## Measure 50 swaps of a model under load; BENCH_ARGS="--quick" for less
	@$(BIN)/python -m loadtests.swap $(BENCH_ARGS)

compare: $(VENV)/.loadtests ## Compare the digits models, or what SPEC says; COMPARE_ARGS="--out DIR ..." for more
	@$(BIN)/underway demo $(DEMO)
	@$(BIN)/underway compare $(SPEC) $(COMPARE_ARGS)

bench: $(VENV)/.loadtests ## Measure serving beside bare protocol libraries; BENCH_ARGS="--quick" for less
	@$(BIN)/python -m loadtests.bench $(BENCH_ARGS)

locust: $(VENV)/.loadtests ## Locust's page for the server at HOST; LOCUST_ARGS="--headless ..." for more
	@$(BIN)/locust -f loadtests/locustfile.py --host $(HOST) $(LOCUST_ARGS)

clean: ## Remove environments and demo models
	rm -rf $(VENV) .venvs .demo .bench .compare

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Underway needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml requirements/constraints.txt | $(VENV)/bin/python
	@echo "Installing the server, PyTorch, TensorFlow and ONNX Runtime (about a minute, once) ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c requirements/constraints.txt -e '.[server,tracing,torch,tensorflow,onnx,demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "Installing the tools for tests ..."
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c requirements/constraints.txt -e '.[server,tracing,envoy,torch,tensorflow,onnx,demo,dev,s3,gcs,azure,hf]'
	@touch $@

$(VENV)/.loadtests: $(VENV)/.dev
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c requirements/constraints.txt -e '.[loadtests]'
	@touch $@

.venvs/%/.ready: requirements/%.txt
	@echo "Creating .venvs/$* ..."
	@$(PYTHON) -m venv .venvs/$*
	@.venvs/$*/bin/python -m pip install $(PIP_FLAGS) -r $<
	@touch $@
