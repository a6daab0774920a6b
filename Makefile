# The commands people use. Everything they need beyond Rust, a C compiler and git (and Node for
# `make bench`) is installed by tools/setup, or named by it in one line.

ifndef CARGO_TARGET_DIR
CARGO_TARGET_DIR := $(shell tools/target-directory)
endif
export CARGO_TARGET_DIR

# `make demo PROFILE=dev` builds faster and runs slower.
PROFILE ?= release
PROFILE_DIRECTORY = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
FLOWFORGE = $(CARGO_TARGET_DIR)/$(PROFILE_DIRECTORY)/flowforge

# `make up LISTEN=0.0.0.0:8080 DATA_DIR=/var/lib/flowforge`
LISTEN ?= 127.0.0.1:8080
DATA_DIR ?= .flowforge

# `make sim SEEDS=100000`
SEEDS ?= 2000

# `make bench BENCH_FLAGS='--only webhook --seconds 3'`; bench/README.md lists the flags.
BENCH_FLAGS ?=

.PHONY: help setup setup-tests needs-node build demo up check test sim crash bench contracts

help:
	@echo 'make demo    the main job end to end on real data, then again through a kill -9'
	@echo 'make up      build and start on http://$(LISTEN), data in $(DATA_DIR)'
	@echo 'make test    everything CI runs; ends with "N passed, N failed"'
	@echo 'make check   formatting, lints, tidy, licences (no tests)'
	@echo 'make sim     the engine against SEEDS=$(SEEDS) seeds of crashes, delays and duplicates'
	@echo 'make crash   every fault point times every example workflow'
	@echo 'make bench   every workload beside its peers, one JSON object a line, a table at the end'
	@echo 'make contracts  write the generated files in contracts/ anew'

setup:
	@tools/setup

# What only tests need besides: a browser, a directory of certificates, a validator and a fuzzer of OpenAPI documents.
setup-tests:
	@tools/setup --tests

build: setup
	cargo build --locked --profile $(PROFILE) --package flowforge

demo: build
	$(FLOWFORGE) demo

up: build
	exec $(FLOWFORGE) up --data-dir $(DATA_DIR) --listen $(LISTEN)

check: setup
	cargo xtask check

test: setup-tests
	@cargo xtask test

sim: setup
	FLOWFORGE_SIM_SEEDS=$(SEEDS) cargo test --release --package flowforge-engine --test simulation

crash: setup
	cargo test --package flowforge --test crash -- --include-ignored --nocapture

bench: needs-node build
	@node bench/run.mjs --flowforge $(FLOWFORGE) $(BENCH_FLAGS)

# Before anything is built.
needs-node:
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
	    { echo 'bench: install Node 20 or newer with npm first: https://nodejs.org' >&2; exit 1; }

contracts: setup
	cargo xtask contracts
