.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check up down lock bench-data bench-science bench-training bench-repro bench-serving

BIN := .venv/bin

help:  ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

setup:  ## Make .venv from the lock files
	@infra/setup.sh

demo: setup  ## Simulate, validate, train, judge, register, serve and predict
	@$(BIN)/cascada demo

TESTS ?=
test: setup  ## Run the tests; TESTS=some of them
	@$(BIN)/pytest -m "not slow" --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TESTS)

test-slow: setup  ## Run the tests that take minutes: pushes, agents, faults, crates, traces, the platform, frameworks (20 minutes)
	@$(BIN)/pytest -m slow --numprocesses 2 --dist loadfile

check: setup  ## Lint, types, import contracts and doctests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q --doctest-modules cascada models --override-ini addopts=
	@$(BIN)/pytest -q --override-ini addopts=--import-mode=importlib tests/data/test_rules.py tests/data/test_validation.py::test_every_rule_has_a_case

up: setup  ## Start Prefect, MLflow, a worker, the service of the champion and the overview
	@$(BIN)/cascada up

down:  ## Stop what `make up`, `make demo` or `cascada` started
	@$(BIN)/cascada down

lock:  ## Compile the lock files anew
	@infra/lock.sh

DATA ?= ../shared/data
bench-data: setup  ## Measure ETL, simulator, CORSIKA reader and realism; DATA=folder of the open data sets
	@infra/bench.sh etl
	@infra/bench.sh simulator
	@infra/bench.sh corsika
	@infra/bench.sh realism --data $(DATA)

bench-science: setup  ## Measure autoencoders and baselines on the open data sets; DATA=their folder
	@infra/bench.sh science --data $(DATA)

bench-training: setup  ## Measure Lightning against a bare loop, bf16 and compiling
	@infra/bench.sh training

bench-repro: setup  ## Measure what recording and tracing cost, verdicts on planted changes, and lines of code beside MLflow
	@infra/bench.sh recording
	@infra/bench.sh trace
	@infra/bench.sh verify
	@infra/bench.sh effort

bench-serving: setup  ## Measure the service against a FastAPI service written by hand
	@infra/bench.sh serving
