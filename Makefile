# Holdfast: `make help` lists what there is. All that is assumed is make and Python 3.11 or newer.

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Settings may stand in the environment or on the command line. Of the latter, make would expand a `$`, which a password may
# have; they are passed on as they were typed.
SETTINGS := DATABASE_URL DATABASE_ADMIN_URL DATABASE_PRIMARY HOLDFAST_HOME HOLDFAST_HOST HOLDFAST_PORT PYTHON VENV
$(foreach name,$(SETTINGS),$(if $(findstring command,$(origin $(name))),$(eval override export $(name) := $$(value $(name)))))

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: up
up: ## Install, start a database of our own (or use DATABASE_URL=…), and serve the API
	@exec scripts/with-venv run holdfast up $(ARGS)

.PHONY: test
test: ## Run the checks and all tests; ARGS="-k name" for some
	@exec scripts/with-venv dev python scripts/test.py $(ARGS)

.PHONY: check
check: ## Run the checks alone: lint, format, types, import contracts
	@exec scripts/with-venv dev python scripts/test.py --checks-only

.PHONY: bench
bench: ## Measure, beside the references; ARGS="--help" for more
	@exec scripts/with-venv dev python -m benchmarks $(ARGS)

.PHONY: soak
soak: ## Load a server for long and watch what grows; run the state machines with many seeds
	@exec scripts/with-venv dev python -m benchmarks.soak $(ARGS)

.PHONY: lock
lock: ## Pin the dependencies again; ARGS="--upgrade" for newer ones
	@exec scripts/lock $(ARGS)

.PHONY: clean
clean: ## Remove what can be made again: the environment and caches, never the data
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .test
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
