# Each target makes its own .venv on first use, and anew when the pins change.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
WHAT ?=

.PHONY: help demo test lint bench soak vectors reference clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt hatch_build.py packager/native/hashes.c
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) has no venv module; on Debian: apt install python3-venv" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## make a real release of the bundled collection in demo-release/
	@mkdir -p demo-release
	@cp docs/demo/packager.toml demo-release/packager.toml
	@cd demo-release && ../$(BIN)/packager release

test soak: export PYTHONDONTWRITEBYTECODE := # hundreds of commands are started, each would compile its modules again

test: $(STAMP) ## run the tests in four processes, without the long ones of soak
	$(BIN)/pytest -n 4 --dist worksteal -m 'not soak'

SPELLED := README.md CHANGELOG.md Makefile pyproject.toml .ci bench docs manifests packager release_templates tests

lint: $(STAMP) ## check style, types, imports, duplicate names, language and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python .ci/check_names.py
	$(BIN)/python .ci/check_language.py
	$(BIN)/codespell $(SPELLED)

bench: $(STAMP) ## run all benchmarks, or one: make bench WHAT=pack
	$(BIN)/python -m bench.run $(WHAT)

soak: $(STAMP) ## run the long tests, such as many kills
	$(BIN)/pytest -n 2 -m soak

vectors: $(STAMP) ## make the golden vectors and schemas again; git diff should then be empty
	for script in manifests/vectors/make.py manifests/vectors/make_names.py manifests/vectors/make_headers.py manifests/vectors/shard/make.py manifests/vectors/folder/make.py manifests/vectors/chain/make.py manifests/schema/make.py; do \
	  $(BIN)/python $$script || exit 1; done

clients: $(STAMP) ## make docs/reference/clients.md again with five real clients
	WRITE_CLIENTS=1 $(BIN)/pytest -n 0 -m soak tests/interop/test_matrix.py

reference: $(STAMP) ## make docs/reference/ again from --help and the API
	$(BIN)/python docs/make_reference.py

clean: ## remove what these targets made
	rm -rf .venv demo-release build dist bench/data
