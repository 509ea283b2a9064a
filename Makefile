# The house's commands. The environment lives in .venv and is made again only when the lock changes.
PYTHON ?= python3
BIN := .venv/bin
MADE := .venv/made-from-lock
SHARE ?= full
PIP := $(BIN)/pip --disable-pip-version-check --no-input

ifeq ($(SHARE),ci)
PROOF := CATCHWATER_PROOF_SECONDS=60 CATCHWATER_PROOF_SEEDS=1 CATCHWATER_PROOF_KILLS=100
PROVEN := proof and not full
else
PROOF := CATCHWATER_PROOF_SECONDS=60 CATCHWATER_PROOF_SEEDS=5 CATCHWATER_PROOF_KILLS=300
PROVEN := proof
endif

.PHONY: setup demo test check static proof twin bench docs schema lock clean

setup: $(MADE)

$(MADE): requirements/dev.txt requirements/flights.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	$(PIP) download --quiet --no-deps --no-binary :all: --no-build-isolation --require-hashes \
		-d .venv/share/flights -r requirements/flights.txt
	touch $@

# A demo needs no Spark, no cloud and no tests: without the whole environment it makes a small one of its own.
DEMO := $(if $(wildcard $(MADE)),.venv,.venv-demo)

demo: $(DEMO)/made-from-lock
	$(DEMO)/bin/catchwater demo totesys

.venv-demo/made-from-lock: requirements/demo.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip --disable-pip-version-check --no-input install --quiet --require-hashes -r $<
	.venv-demo/bin/pip --disable-pip-version-check --no-input install --quiet --no-deps --no-build-isolation -e .
	touch $@

test: setup
	$(BIN)/pytest -m "not proof" -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

check: setup static test

static: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml src tools
	$(BIN)/python tools/docs_check.py

proof: setup
	$(PROOF) $(BIN)/pytest -m "$(PROVEN)" -n 2 --dist loadfile --no-loadscope-reorder --timeout 1800 --durations 20 -rA

# The compiled infrastructure of totesys, applied to emulators on this machine; needs Terraform.
# BREAK=all, or a text in the names of grants: then each is taken away in turn.
twin: setup
	rm -rf .tmp/twin && mkdir -p .tmp/twin && cp -R examples/totesys .tmp/twin/totesys
	$(BIN)/catchwater twin --env dev $(if $(BREAK),--break $(BREAK)) .tmp/twin/totesys

bench: setup .bench/peers/made-from-lock
	PYTHONPATH=. $(BIN)/python -m bench.run

.bench/peers/made-from-lock: requirements/bench.txt
	$(PYTHON) -m venv .bench/peers
	.bench/peers/bin/pip --disable-pip-version-check --no-input install --quiet --require-hashes -r $<
	touch $@

docs: setup schema
	$(BIN)/python tools/docs_check.py

schema: setup
	$(BIN)/python -c "import json; from catchwater.project.jsonschema import json_schema; \
		print(json.dumps(json_schema(), indent=2, ensure_ascii=False))" > docs/catchwater.schema.json

# Needs uv (pip install uv); the lock holds no address of a registry.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra all --extra demo pyproject.toml requirements/dev.in -o requirements/dev.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra demo --constraint requirements/dev.txt pyproject.toml requirements/demo.in -o requirements/demo.txt

clean:
	rm -rf .venv .venv-demo .bench .emulators .mypy_cache .ruff_cache .hypothesis .coverage
