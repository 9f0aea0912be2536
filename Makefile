# Everything is built into target/ and .venv/. Needed: cargo, a C compiler, a Python 3.11 to 3.15 with pip.
# Another Python than python3: make test PYTHON=python3.13
# A second build of one version beside the first: make test PYTHON=/usr/bin/python3.13 BUILD=-debian

PYTHON  ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags)')$(BUILD)
VENV    := $(CURDIR)/.venv/$(VERSION)
RUN     := $(VENV)/bin/python
TARGET  := $(CURDIR)/target/py$(VERSION)

# Each Python version has its own build directory, so that changing over rebuilds nothing.
export CARGO_TARGET_DIR = $(TARGET)
export PYO3_PYTHON      = $(RUN)
export VIRTUAL_ENV      = $(VENV)
TESTS = tests/python
# Processes that run the Python tests, each file in one of them.
JOBS ?= 2
# For programs that would take make's jobs for theirs.
ALONE = env -u MAKEFLAGS -u MFLAGS
RUST_CRATES = -p torpor-schema -p torpor-store -p torpor-engine

.PHONY: help demo build test test-rust test-c test-python test-all libraries pythons install-check bench lint schema headers clean
.DEFAULT_GOAL := help

help: ## List the commands.
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: build ## The main job: capture a running solver, kill it, adopt and resume it in another process.
	@demo/build-c
	@$(RUN) demo/demo.py

build: $(VENV)/.ready ## Build the Python package into .venv/<version>.
	@$(ALONE) $(VENV)/bin/maturin develop --release --locked -m pyshim/Cargo.toml >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }

$(VENV)/.ready: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 16) and "torpor works with Python 3.11 to 3.15; name one: make PYTHON=python3.13")'
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

test: $(VENV)/.ready ## The tests on one Python, about five minutes with the build on two cores.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-rust test-c
	@$(MAKE) --no-print-directory test-python

test-rust: $(VENV)/.ready ## The tests of the Rust crates.
	@$(ALONE) tests/rust $(RUST_CRATES)

test-c: build ## The tests of the C interface, and that Rust, C and Python read the same.
	@$(ALONE) tests/c/run

test-python: build ## The tests of the Python package.
	@$(RUN) -m pytest -q -n $(JOBS) --dist loadfile $(TESTS)

test-all: ## The tests with their long runs, on every Python that is found, debug builds and JIT too (hours; PARTS="3.13 disk").
	@PARTS="$(PARTS)" tests/all-pythons

libraries: build requirements/libraries.txt ## Stop programs over well-known libraries at random lines (installs many packages).
	@$(PYTHON) -m venv target/libraries-$(VERSION)
	@target/libraries-$(VERSION)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/libraries.txt
	@echo $(CURDIR)/pyshim/python >"$$(target/libraries-$(VERSION)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torpor.pth"
	@target/libraries-$(VERSION)/bin/python tests/foreign/run.py libraries

pythons: ## Install Debian's CPython 3.11 and 3.13 to 3.15, and its debug builds from 3.13 on, under /opt/cpython (Debian, as root).
	@SUITE=bookworm tests/tools/get-python 3.11
	@DBG=1 tests/tools/get-python 3.13 3.14 3.15

install-check: ## Check that pip install ./pyshim works by itself, in an empty environment.
	@rm -rf target/install-check && $(PYTHON) -m venv target/install-check
	@target/install-check/bin/python -m pip install --quiet --disable-pip-version-check ./pyshim
	@cd / && $(CURDIR)/target/install-check/bin/torpor --dir $(CURDIR)/target/install-check doctor

bench: build ## Capture, adopt and resume beside pickle, cloudpickle and memcpy; the store beside the machine's floors.
	@$(RUN) benches/run.py
	@cargo run --quiet --locked --release -p torpor-benches

lint: $(VENV)/.lint build ## Formatting, clippy, types; generated files are what their generators give.
	@cargo fmt --all --check
	@cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	@cd pyshim && $(RUN) -m mypy --strict -p torpor
	@cd pyshim && $(RUN) -m mypy.stubtest --concise --ignore-disjoint-bases torpor._native
	@for generate in $(wildcard schema/generate include/generate); do $$generate --check || exit 1; done

$(VENV)/.lint: $(VENV)/.ready requirements/lint.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements/lint.txt
	@touch $@

schema: ## Generate the Rust code of schema/snapshot.fbs.
	@schema/generate

headers: ## Generate include/ from the C interface.
	@include/generate

clean: ## Remove everything that was built.
	rm -rf target .venv pyshim/python/torpor/*.so
