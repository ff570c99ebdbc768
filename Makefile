# The two commands that do everything are `make run` and `make test`; `make help` lists the others.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PROTOC := $(BIN)/python -m grpc_tools.protoc -Iprotos
PUBLIC_PROTOS := $(sort $(wildcard protos/tertulia/chat/v1/*.proto) protos/buf/validate/validate.proto)
INTERNAL_PROTOS := $(sort $(wildcard protos/tertulia_internal/*/v1/*.proto))

# TypeScript: node comes from PyPI into .venv, everything else from package-lock.json.
NODE := PATH=$(abspath $(BIN)):$$PATH
SDK_WEB := libs/sdk-web
WEB_CLIENT := services/web/client
WEB_SOURCES := $(shell find $(SDK_WEB)/src $(WEB_CLIENT)/src $(WEB_CLIENT)/public -type f -not -path '*/gen/*') \
	$(wildcard $(SDK_WEB)/*.json $(WEB_CLIENT)/*.json $(WEB_CLIENT)/*.ts $(WEB_CLIENT)/index.html)

.PHONY: web demo test-web help install proto run test test-fast faults lint format lock audit sbom build image deploy-check clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.venv/.installed: requirements.txt pyproject.toml libs/sdk/pyproject.toml
	@echo "installing into .venv (one to two minutes, once) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e libs/sdk -e .
	@touch $@

install: .venv/.installed ## make .venv with everything that is locked, and the project itself

gen/.made: $(PUBLIC_PROTOS) $(INTERNAL_PROTOS) .venv/.installed
	@rm -rf gen libs/sdk/tertulia/chat libs/sdk/buf && mkdir -p gen
	@PATH=$(BIN):$$PATH $(PROTOC) --python_out=libs/sdk --grpc_python_out=libs/sdk --mypy_out=quiet:libs/sdk \
		--mypy_grpc_out=quiet:libs/sdk $(PUBLIC_PROTOS)
	@PATH=$(BIN):$$PATH $(PROTOC) --python_out=gen --grpc_python_out=gen --mypy_out=quiet:gen --mypy_grpc_out=quiet:gen \
		$(INTERNAL_PROTOS)
	@touch gen/tertulia_internal/py.typed libs/sdk/buf/py.typed $@

proto: gen/.made ## generate the Python stubs of protos/

node_modules/.made: package-lock.json package.json $(SDK_WEB)/package.json $(WEB_CLIENT)/package.json .venv/.installed
	@echo "installing what the web client is made of into node_modules …"
	@$(NODE) npm ci --loglevel=error --no-progress > /dev/null
	@touch $@

$(SDK_WEB)/src/gen/.made: $(PUBLIC_PROTOS) $(SDK_WEB)/buf.gen.yaml node_modules/.made
	@$(NODE) buf generate --template $(SDK_WEB)/buf.gen.yaml
	@touch $@

$(WEB_CLIENT)/dist/index.html: $(WEB_SOURCES) $(SDK_WEB)/src/gen/.made
	@rm -rf $(SDK_WEB)/dist
	@$(NODE) npm run --silent build -w $(SDK_WEB)
	@$(NODE) npm run --silent build -w $(WEB_CLIENT) -- --logLevel warn

web: $(WEB_CLIENT)/dist/index.html ## build the TypeScript SDK and the web client

run: gen/.made web ## run all of Tertulia here; Ctrl-C stops it
	@$(BIN)/tertulia serve

demo: gen/.made ## fill the server that runs (make run) with conversations to look at
	@docs/demo/fill.sh

test: gen/.made test-web ## all tests
	$(BIN)/pytest -n 2 --dist loadgroup

test-fast: gen/.made ## the tests that start no server
	$(BIN)/pytest -n 2 -k "not cassandra" tests/unit tests/conformance

test-web: web ## the tests of the TypeScript SDK and the web client
	$(NODE) npm run --silent test -w $(SDK_WEB)
	$(NODE) npm run --silent test -w $(WEB_CLIENT)

bench: gen/.made ## measure all rows of docs/performance.md; BASE=rev compares with another revision; ARGS="--only W1 --runs 3"
	$(BIN)/python -m tests.bench $(if $(BASE),--base $(BASE)) $(ARGS)

faults: gen/.made ## break everything while people talk, and check every promise: docs/guarantees.md; ARGS="--seed 2 --only 'kill gateway'"
	@GRPC_VERBOSITY=NONE $(BIN)/python -m tests.faults $(ARGS)

lint: gen/.made web ## style, types, import rules, proto rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code --exclude-path protos/buf
	$(NODE) npx biome check $(SDK_WEB) $(WEB_CLIENT) biome.json
	$(NODE) npm run --silent check -w $(SDK_WEB)
	$(NODE) npm run --silent check -w $(WEB_CLIENT)

format: node_modules/.made ## put code and protos into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .
	$(BIN)/buf format -w --exclude-path protos/buf
	$(NODE) npx biome check --write $(SDK_WEB) $(WEB_CLIENT) biome.json

lock: .venv/.installed ## lock requirements.in anew
	$(BIN)/uv pip compile requirements.in --generate-hashes --upgrade --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --universal --quiet -o requirements.txt

audit: .venv/.installed ## ask what is known against the locked packages; where nobody can be asked, it says so and passes
	@$(NODE) python deploy/audit.py

sbom: ## the bill of materials of a checkout, from the locks: dist/sbom.cdx.json
	@mkdir -p dist && $(PYTHON) deploy/sbom_of_locks.py $(VERSION) > dist/sbom.cdx.json

build: gen/.made web ## both wheels, into dist/
	$(BIN)/python -m build --no-isolation --wheel --outdir dist libs/sdk
	$(BIN)/python -m build --no-isolation --wheel --outdir dist .

# docker, or what takes the same words: CONTAINERS=podman builds without a daemon and without root
CONTAINERS ?= docker
IMAGE ?= tertulia
IMAGE_BASE ?= python:3.11-slim-bookworm
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

image: ## the image of all services, tertulia:VERSION, and its bill of materials, dist/image.cdx.json
	$(CONTAINERS) build --file deploy/Dockerfile --build-arg BASE=$(IMAGE_BASE) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git describe --always --dirty 2> /dev/null || echo unknown) --tag $(IMAGE):$(VERSION) --tag $(IMAGE):dev .
	@mkdir -p dist && $(CONTAINERS) run --rm --read-only --entrypoint cat $(IMAGE):$(VERSION) /opt/tertulia/sbom.cdx.json > dist/image.cdx.json

deploy-check: gen/.made ## have the API server that kubectl asks (KUBECONFIG) look at every manifest; it applies nothing
	$(BIN)/python -m tests.deploy.server_side

clean: ## remove everything that make made
	rm -rf .venv gen dist node_modules $(SDK_WEB)/src/gen $(SDK_WEB)/dist $(WEB_CLIENT)/dist libs/sdk/tertulia/chat libs/sdk/buf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
