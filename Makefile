# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Build output lives in one cache folder outside the clone, shared by both, so that second runs are quick.

CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/waxwing
export CARGO_TARGET_DIR ?= $(CACHE)/target
export WAXWING_TOOLS ?= $(CACHE)/tools
export PATH := $(HOME)/.cargo/bin:$(WAXWING_TOOLS)/bin:$(PATH)
BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: help demo test test-full chaos upgrade soak bench fuzz mutants lies known setup-demo setup-test setup-bench setup-fuzz setup-mutants build fmt lint layers unit release clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup-demo build ## Alice sends Bob a file through servers that never see it, and some of them die (FILE=…, DEMO_EXIT=1 ends it)
	@$(BIN)/waxd demo $(if $(FILE),--file "$(FILE)")

test: setup-test ## everything that must hold: format, lints, layers, tests
	@scripts/test.sh

test-full: setup-test ## the same, then the long forms: hundreds of faults, ten minutes without network
	@scripts/test-full.sh

chaos: setup-test build ## parts of a cluster die while people use it (CHAOS_FAULTS=600 CHAOS_SEED=…)
	@CHAOS_FAULTS=$${CHAOS_FAULTS:-600} cargo nextest run --locked --workspace -E 'binary(chaos) and test(whatever_dies)' --no-capture

upgrade: setup-test ## servers and clients of the version before and of this one together, under load
	@CACHE="$(CACHE)" scripts/upgrade.sh

soak: setup-test build ## 16 GiB under a bound of memory, then an hour of faults (SOAK_GIB=16 SOAK_MINUTES=60)
	@scripts/soak.sh

bench: setup-bench build ## speed beside curl and nginx in the same run (BENCH='--size 256 --runs 3')
	@$(BIN)/bench $(BENCH)

fuzz: setup-fuzz ## throw bytes at every parser of strangers' bytes (FUZZ_SECONDS=60 for each, FUZZ_TARGETS='grant bundle')
	@FUZZ_WORK="$(CACHE)/fuzz" scripts/fuzz.sh

mutants: setup-mutants ## change the code one expression at a time and see which tests notice (MUTANTS='envelope format')
	@CARGO_TARGET_DIR="$(CACHE)/mutation/target" MUTATION_WORK="$(CACHE)/mutation" \
	  cargo run --quiet --locked --manifest-path mutation/Cargo.toml -- $(if $(MUTANTS),$(MUTANTS),envelope format)

lies: setup-demo ## take each check of spec/THREATS.md away and see that a test of its row notices
	@CARGO_TARGET_DIR="$(CACHE)/mutation/target" MUTATION_WORK="$(CACHE)/mutation" \
	  cargo run --quiet --locked --manifest-path mutation/Cargo.toml -- lies $(LIES)

known: ## known answers the other way round: Python computes them again and opens what we seal (needs python3 with venv)
	@scripts/known.sh

setup-demo: ## install or name what `make demo` needs
	@scripts/setup.sh demo

setup-test: ## install or name what `make test` needs
	@scripts/setup.sh test

setup-bench: ## install or name what `make bench` needs
	@scripts/setup.sh bench

setup-fuzz: ## install or name what `make fuzz` needs
	@scripts/setup.sh fuzz

setup-mutants: ## install or name what `make mutants` needs
	@scripts/setup.sh mutants

build: ## the two executables, in the profile that tests share
	@cargo build --locked --workspace --bins

fmt: ## format the code
	@cargo fmt --all

lint: ## clippy, warnings denied
	@cargo clippy --locked --workspace --all-targets -- -D warnings

layers: ## the walls of the house
	@scripts/layers.sh

unit: ## the tests alone
	@cargo nextest run --locked --workspace

release: setup-demo ## small, fast executables
	@cargo build --locked --release -p cli -p waxd
	@echo "built: $(CARGO_TARGET_DIR)/release/wax and $(CARGO_TARGET_DIR)/release/waxd"

clean: ## remove the cache folder
	rm -rf "$(CACHE)"
