# make           set up .venv, then make every result    make lock   renew requirements.txt
# make test      set up .venv, then run every check      make clean  remove what is not tracked
# make test-all  the same with slow tests, and more cases of each law
# make bench     measure, beside other programs and the machine, into results/bench/
PYTHON ?= python3
BIN := .venv/bin
export VIRTUAL_ENV := $(CURDIR)/.venv
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)
unexport PYTHONDONTWRITEBYTECODE # each of a run's processes would compile the package anew
export UV_COMPILE_BYTECODE := 1
export UV_LINK_MODE := copy
LOCK := uv pip compile --quiet --universal --python-version 3.11 --extra workflow --extra test \
        --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock"

.PHONY: all test test-all bench lock clean
all: .venv/.installed
	$(BIN)/snakemake || { $(BIN)/tokwatt check; false; }

test: .venv/.installed
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --quiet --check
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/pytest -n 2 -m "not slow"

test-all: .venv/.installed
	$(BIN)/pytest -n 2 --hypothesis-profile thorough

bench: .venv-bench/.installed
	.venv-bench/bin/python -m benchmarks

lock: $(BIN)/uv
	$(BIN)/$(LOCK) pyproject.toml --output-file requirements.txt

clean:
	rm -rf .venv .venv-bench .snakemake results report.html ro-crate-metadata.json .*_cache .hypothesis

.venv/.installed: requirements.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --require-hashes --requirements requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The same lock, with what the benchmark compares with on top: fleet-sim has only pre-releases.
.venv-bench/.installed: requirements.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-bench
	$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --require-hashes --requirements requirements.txt
	$(BIN)/uv pip install --quiet --python .venv-bench/bin/python --no-build-isolation --prerelease allow --editable '.[bench]'
	touch $@

$(BIN)/uv:
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'tokwatt needs Python 3.11, 3.12 or 3.13 with its venv module; name one with: make PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
