# Causeway. `make` alone prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

export CGO_ENABLED := 0
# Everywhere, so that programs, tests and lint share what is compiled.
export GOFLAGS ?= -trimpath
GO         ?= go
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X causeway.dev/internal/version.version=$(VERSION)
BENCHTIME  ?= 200ms
ROUNDS     ?= 1
KINDS      ?=
FUZZTIME   ?= 20s
SOAK       ?= 5m
TESTFLAGS  ?=
STATICCHECK := $(GO) tool -modfile=tools/lint/go.mod staticcheck

.PHONY: help setup build demo check test test-interop test-interop-long soak test-acceptance test-terraform test-cli test-sdk test-timing bench bench-tunnel profile bench-scale bench-all fuzz lint generate golden clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the Debian packages that tests and demo use (needs root; does nothing where they are there)
	@scripts/setup

build: ## bin/causeway
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/causeway ./cmd/causeway

demo: setup build ## the main job on this machine; ONCE=1 ends by itself
	bin/causeway demo $(if $(ONCE),--once)

check: generate-check ## fast: lint, generated code, unit tests, simulations, golden texts
	@$(MAKE) --no-print-directory -j2 --output-sync lint test-short

.PHONY: test-short
test-short: # lint vets all, also what go test would
	$(GO) test -short -vet=off $(TESTFLAGS) ./...

test test-acceptance test-terraform: export CAUSEWAY_TF_MIRROR ?= $(shell scripts/terraform-mirror)

test: export CAUSEWAY_PROGRAM := $(CURDIR)/bin/causeway

test: setup lint generate-check build ## everything that CI runs
	$(GO) test -count=1 -vet=off -timeout 10m $(TESTFLAGS) ./...
	@$(MAKE) --no-print-directory test-sdk
	bin/causeway demo --once

test-interop: setup ## real peers in network namespaces; what go test -json says in bin/interop.json
	@mkdir -p bin
	$(GO) test -count=1 -timeout 10m -json $(TESTFLAGS) ./test/interop > bin/interop.json; $(GO) run ./tools/interop -show bin/interop.json

# What docs/protocols/interop.md names beside test/interop.
INTEROP_ELSEWHERE := ^(TestUserSpaceSample.*|TestKernelSampleLoads|TestLibreswan.*|TestCaptureDecodedByTshark|TestNamespaces.*)$$

test-interop-long: setup ## every combination with real peers, for docs/protocols/interop.md, and long simulations of both IKE engines: more than an hour
	@mkdir -p bin
	$(GO) test -count=1 -timeout 120m -json $(TESTFLAGS) ./test/interop -long > bin/interop.json; \
	$(GO) test -count=1 -timeout 10m -json -run '$(INTEROP_ELSEWHERE)' ./deviceconfig ./tunnel > bin/interop-elsewhere.json; \
	$(GO) run ./tools/interop -record bin/interop.json bin/interop-elsewhere.json
	$(GO) test -count=1 -timeout 60m -v -run 'TestSimulation|TestTunnelDays|TestEveryOrder' ./ike/ikev2 -sim.seeds 20000 -sim.days 10000 -explore.full
	$(GO) test -count=1 -timeout 60m -v -run 'TestSimulation|TestTunnelDays' ./ike/ikev1 -sim.seeds 20000 -sim.days 10000

soak: setup ## 500 tunnels for SOAK (default 5m), all renewed every minute, and what they cost beside strongSwan's; also in bin/soak.json
	@mkdir -p bin
	$(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./test/soak -soak $(SOAK) -results '$(CURDIR)/bin/soak.json'

test-acceptance: setup build ## real AWS clients; CAUSEWAY_TF_MIRROR=DIR lets Terraform find its provider
	$(GO) test -count=1 -timeout 10m -v $(TESTFLAGS) ./test/acceptance/...

test-terraform: setup build ## Terraform with each type of resource by itself, ONLY=regexp for some (minutes)
	$(GO) test -count=1 -timeout 30m -v $(TESTFLAGS) -run '^TestTerraform(Alone|Providers)$$' ./test/acceptance -alone '$(or $(ONLY),.)'

test-cli: setup build ## every action that is built by the AWS CLI (a minute or two)
	$(GO) test -count=1 -timeout 15m -v $(TESTFLAGS) -run '^TestEveryActionByTheAWSCLI$$' ./test/acceptance -commands

test-sdk: setup build ## AWS's SDK for Go, a module of its own: paginators, waiters, client tokens, errors
	cd test/sdk && $(GO) vet . && CAUSEWAY_PROGRAM='$(CURDIR)/bin/causeway' $(GO) test -count=1 -timeout 5m $(TESTFLAGS) .

test-timing: ## whether what checks MACs, proofs and cookies takes longer for a better guess; a quiet machine and a minute
	$(GO) test -count=1 -timeout 10m -v ./test/timing -long

bench: ## what performance.md shows, each for BENCHTIME (default 200ms); the tunnel for ROUNDS (default 1)
	@$(call measure,Handshakes: initiator and responder in one process,Handshake,./ike/daemon)
	@$(call measure,IKE: a datagram of nobody,^Benchmark(Flood|Junk)$$,./ike/ikev1 ./ike/ikev2)
	@$(call measure,ESP: one packet of so many bytes,^Benchmark(Seal|Open)$$,./esp)
	@$(call measure,Hot path: a batch of 32 packets with all but the system calls,HotPath,./tunnel)
	@$(call measure,BGP: so many sessions at once$(comma) each with 100 routes both ways,^BenchmarkSessions$$,./bgp/speaker)
	@$(call measure,Plan: one compilation,Compile,./plan)
	@$(call measure,API: Describe of VPN connections,^BenchmarkDescribe$$,./api/ec2)
	@$(call measure,API: 1$(comma)000 VPCs$(comma) 10$(comma)000 interfaces and 2$(comma)000 VPN connections,^BenchmarkScale$$,./api/ec2)
	@$(MAKE) --no-print-directory bench-tunnel

bench-tunnel: ## our tunnel beside other VPNs, ROUNDS times, KINDS=regexp for some of them, CONGESTION=bbr for another TCP (needs root); figures in bin/tunnel.json
	@printf '\n== %s\n' 'Tunnel: two gateways in namespaces'
	@mkdir -p bin
	@nice -n -10 $(GO) test -run '^$$' -bench '^BenchmarkTunnel$$' -benchtime $(ROUNDS)x -timeout 120m -v ./test/bench -args -results '$(CURDIR)/bin/tunnel.json' -kinds '$(KINDS)' $(if $(CONGESTION),-congestion $(CONGESTION))

profile: ## where a tunnel's processor time goes under one TCP stream (needs root); profiles in bin/
	@mkdir -p bin
	@$(GO) test -run '^$$' -bench '^BenchmarkProfile$$' -benchtime 1x -v ./test/bench -args -profile '$(CURDIR)/bin'

bench-scale: setup ## 1,000 instances in 200 VPCs: how fast each hundred comes up, beside what the kernel takes by itself, and what they cost; TOUCH=1 uses all memory once before (needs root; minutes)
	$(GO) test -count=1 -timeout 15m -v -run '^TestScale$$' ./test/acceptance -scale 1000 $(if $(TOUCH),-scale.touch)

bench-all: ## every benchmark there is
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...

comma := ,

# $(call measure,title,benchmarks,package)
define measure
printf '\n== %s\n' '$(1)'; $(GO) test -run '^$$' -bench '$(2)' -benchtime $(BENCHTIME) -benchmem $(3)
endef

fuzz: ## each fuzz target for FUZZTIME (default 20s)
	@scripts/fuzz $(FUZZTIME)

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt: the files above are not formatted: run gofmt -w'; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...

generate: ## wire types and tables from AWS's models; the API coverage page
	$(GO) generate ./...

.PHONY: generate-check
generate-check:
	@before=$$(git status --porcelain=v1 -- api docs); $(GO) generate ./... && after=$$(git status --porcelain=v1 -- api docs); \
	[ "$$before" = "$$after" ] || { echo 'make generate changed files: commit them'; git status --short -- api docs; exit 1; }

golden: ## rewrite the golden texts from what the code says now
	$(GO) test ./... -run 'Golden' -update

clean: ## what make built
	rm -rf bin
