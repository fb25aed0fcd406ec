SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO ?= go

# Extra flags for go test, as in: make test TESTFLAGS='-run TestAdmission -count=10'
TESTFLAGS ?=
# The time of each fuzz target; FUZZBUDGET, in seconds, bounds the sum of all (0: no bound).
FUZZTIME ?= 10s
FUZZBUDGET ?= 0
# Where make cluster listens (empty: 8080).
PORT ?=
# Which benchmarks, and how long each.
BENCH ?= .
BENCHTIME ?= 0.3s
# How long the long simulation and the chaos go on, and where from (empty: a new seed, which is printed). With HISTORIES the
# simulation plays that many instead, each on both databases.
SIMTIME ?= 10m
HISTORIES ?=
CHAOSTIME ?= 3m
SEED ?=

# Where make e2e leaves its pictures (empty: nowhere).
PICTURES ?=

# Built once, by the Go that is to read the code: a linter built by an older one refuses it.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .tools/bin/golangci-lint-$(GOLANGCI_VERSION)-$(shell $(GO) env GOVERSION)

# The packages whose tests take longest, to be begun first; the rest fills the gaps.
SLOW_PACKAGES := ./postgres ./internal/simtest ./cmd/rentroll ./internal/chaos ./internal/sqlstore ./sqlite

# Everything but the benchmarks, which the race detector only makes slow.
RACE_PACKAGES = $$($(GO) list ./... | grep -v '/bench\(/\|$$\)')

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Compile everything and make the binary ./rentroll, without cgo
	CGO_ENABLED=0 $(GO) build ./...
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o rentroll ./cmd/rentroll

.PHONY: run
run: ## Start a server with a demonstration platform at work
	$(GO) run ./cmd/rentroll serve --demo

.PHONY: cluster
cluster: ## Start two servers on one PostgreSQL behind nginx, from locally installed programs
	@GO='$(GO)' deploy/local $(PORT)

.PHONY: test
test: ## The everyday tests, about four minutes on two cores, without cgo
	@.ci/postgres
	CGO_ENABLED=0 $(GO) test -timeout 30m -p 3 -parallel 4 $(TESTFLAGS) $(SLOW_PACKAGES) ./... # many of them wait for other programs

# SQLite is C that was translated to Go, with memory of its own: nothing that
# the detector could tell about, and most of the time. No package besides: this
# one uses no generic types. A package that does compiles copies of sync's and
# sync/atomic's, the linker keeps one copy for the whole program, and with one
# that is not instrumented the detector reports races that are none.
RACE := -race -gcflags='modernc.org/sqlite/lib=-race=false'

.PHONY: race
race: ## The tests under the race detector (needs a C compiler)
	@cc=$$($(GO) env CC); command -v "$${cc%% *}" >/dev/null || { echo "make race: the race detector needs a C compiler, and '$$cc' is not one; install gcc or set CC" >&2; exit 1; }
	@.ci/postgres
	CGO_ENABLED=1 $(GO) test $(RACE) -timeout 60m -parallel 4 $(TESTFLAGS) $(SLOW_PACKAGES) $(RACE_PACKAGES)

.PHONY: fuzz
fuzz: ## Each fuzz target of the tree for FUZZTIME
	@GO='$(GO)' .ci/fuzz '$(FUZZTIME)' '$(FUZZBUDGET)'

.PHONY: fuzz-long
fuzz-long: ## Each fuzz target of the tree for ten minutes
	@$(MAKE) --no-print-directory fuzz FUZZTIME=10m FUZZBUDGET=0

.PHONY: sim
sim: ## The seeded simulation for SIMTIME, or HISTORIES of it, from SEED
	SIM_DURATION='$(if $(HISTORIES),,$(SIMTIME))' SIM_HISTORIES='$(HISTORIES)' SIM_SEED='$(SEED)' \
		$(GO) test -count=1 -timeout 0 $(if $(HISTORIES),-run TestSimulationCounted,-v) $(TESTFLAGS) ./internal/simtest/...

.PHONY: chaos
chaos: ## Servers and PostgreSQL killed and cut off under load for CHAOSTIME, by SEED
	@.ci/postgres
	CHAOS_DURATION='$(CHAOSTIME)' CHAOS_SEED='$(SEED)' $(GO) test -count=1 -timeout 0 -v $(TESTFLAGS) ./internal/chaos/...

.PHONY: bench
bench: ## The benchmarks, then the comparison with baselines, which writes bench/README.md
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime '$(BENCHTIME)' -benchmem -timeout 30m ./bench/...
	$(GO) run ./bench -readme bench/README.md

.PHONY: lint
lint: $(GOLANGCI) ## Formatting, vet and linters; changes nothing
	@unformatted=$$(find . -path './.?*' -prune -o -name node_modules -prune -o -name testdata -prune -o -name '*.go' -exec gofmt -l {} +); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GOLANGCI) run ./...

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code as lint wants it
	$(GOLANGCI) fmt

.PHONY: check
check: ## All that CI runs
	@.ci/run

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION), once (one to two minutes)"
	GOBIN='$(CURDIR)/.tools/bin' GOFLAGS= .ci/again $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .tools/bin/golangci-lint $@

.PHONY: e2e
e2e: ## The console in a real browser, on both databases, and the API by a client of Node (needs Node and Chromium)
	@.ci/postgres
	cd console && ../.ci/again npm ci --ignore-scripts --no-audit --no-fund
	cd httpapi/e2e && ../../.ci/again npm ci --ignore-scripts --no-audit --no-fund
	CGO_ENABLED=0 $(GO) test -count=1 -tags e2e -timeout 30m $(TESTFLAGS) ./httpapi/e2e
	E2E_PICTURES='$(PICTURES)' CGO_ENABLED=0 $(GO) test -count=1 -tags e2e -timeout 60m $(TESTFLAGS) ./console/e2e

.PHONY: assets
assets: ## Fetch what the console serves of others' work, at the versions of its lock file
	cd console && npm ci --ignore-scripts --no-audit --no-fund && node assets.mjs
