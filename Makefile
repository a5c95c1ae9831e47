# The one door: make run · make test · make lint · make bench · make release · make ci
SHELL := /bin/bash
export CARGO_TERM_COLOR ?= auto
# CI clones afresh each time: a build folder outside the checkout keeps the dependencies built.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/ioc-ci/target
# Each run builds our crates once; what an interrupted run left must not confuse the next.
export CARGO_INCREMENTAL := 0
endif
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/debug
DATA ?= data
MQTT ?= 127.0.0.1:1883
HTTP ?= 127.0.0.1:8080

.PHONY: run build release test lint bench ui-test browser-deps test-deps clean-data ci

## the whole centre on embedded parts with a live simulated city
run: build
	@BIN="$(BIN)" DATA="$(DATA)" MQTT="$(MQTT)" HTTP="$(HTTP)" bash tests/run-city.sh

build:
	cargo build --locked -p ioc -p ioc-sim

## installs what the tests need, runs them all
test: test-deps build
	cargo test --locked --workspace
	$(MAKE) --no-print-directory ui-test

ui-test:
	WORK="$(TARGET)/page-tests" bash dashboard/ui/dev/test.sh
	BIN="$(BIN)" bash tests/browser/test.sh

## what is given out: program, bill of materials (CycloneDX), checksums
release:
	cargo build --locked --release -p ioc
	BIN="$(TARGET)/release" DIST="$(TARGET)/dist" bash tests/supply/release.sh

test-deps:
	@bash tests/install-deps.sh

lint:
	cargo fmt --all --check
	IOC_UI=skip cargo clippy --locked --workspace --all-targets -- -D warnings
	bash tests/lint-tree.sh
	bash tests/lint-supply.sh
	python3 tests/lint-asvs.py

bench:
	cargo bench --locked -p ioc-journal -p ioc-ingest -p ioc-rules -p ioc-history -p ioc-alerts -p ioc-dashboard
	cargo build --locked --release -p ioc -p ioc-sim
	BIN="$(TARGET)/release" bash tests/bench-chain.sh
	bash tests/bench-attacks.sh
	WORK="$(TARGET)/page-tests" bash dashboard/ui/dev/bench.sh

clean-data:
	rm -rf "$(DATA)"
