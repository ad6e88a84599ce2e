# One line beside each target says what it does; `make` prints them. CI runs the same targets (.ci/run).
SHELL     := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN       := .cache/bin
IMAGE     ?= ghcr.io/aofsidecar/aofsidecar:$(VERSION)
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOLANGCI  := $(BIN)/golangci-lint
GOTESTSUM := $(BIN)/gotestsum
HELM      := $(BIN)/helm
GORELEASER := $(BIN)/goreleaser
PKG       ?= ./...
FUZZTIME  ?= 30s
SOAK      ?= 20m
BENCH     ?=
CUTS      ?= 1000
KILLS     ?= 1000
SEED      ?=
DURATION  ?= 20m
SERVERS   ?= $(AOFSIDECAR_SOAK_SERVERS)
# Tests that mount a file system of their own are left out, and that is said, where /dev/fuse cannot be opened.
NO_FUSE   = $$( (exec 3</dev/fuse) 2>/dev/null || { echo 'power loss is not tested: /dev/fuse cannot be opened' >&2; echo '-skip=^Test(Mount|PowerCut)'; } )
# The server that benchmarks compare with, once the servers are there.
BENCH_SERVER = $$(scripts/servers.sh --list | sed -n 's/^redis-8\.0\t.*\t//p')/redis-server
# goreleaser's dependencies are too many for each run of CI: release-check looks at that module.
MODULES   := . $(filter-out tools/goreleaser/,$(dir $(wildcard tools/*/go.mod)))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/aofsidecar
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/aofsidecar ./cmd/aofsidecar

.PHONY: man
man: build ## write a man page for each command into .cache/man
	rm -rf .cache/man
	bin/aofsidecar man --output .cache/man

.PHONY: completions
completions: build ## write completion scripts for bash, zsh and fish into .cache/completions
	rm -rf .cache/completions && mkdir -p .cache/completions
	for shell in bash zsh fish; do bin/aofsidecar completion $$shell >.cache/completions/aofsidecar.$$shell; done

.PHONY: release-check
release-check: $(GORELEASER) ## check .goreleaser.yaml (building goreleaser takes minutes, so CI does not)
	go -C tools/goreleaser mod tidy -diff
	$(GORELEASER) check

.PHONY: release-snapshot
release-snapshot: $(GORELEASER) ## make below dist/ what a release of this commit would be, all but the image
	$(GORELEASER) release --clean --snapshot --skip=publish,docker

.PHONY: release-login
release-login: ## give docker the workflow's token, and a builder for several platforms
	@printf '%s' "$$GITHUB_TOKEN" | docker login ghcr.io --username "$$ACTOR" --password-stdin
	docker buildx create --use

.PHONY: release
release: $(GORELEASER) ## release the tag that is checked out (the workflow's; wants GITHUB_TOKEN, and docker logged in)
	$(GORELEASER) release --clean

.PHONY: image
image: ## build the container image IMAGE, with docker or buildah
	VERSION='$(VERSION)' scripts/image.sh '$(IMAGE)'

.PHONY: image-test
image-test: ## build the image from a clean clone and hold it to what its Dockerfile promises (wants root, buildah, runc, jq, debootstrap)
	scripts/image-test.sh

.PHONY: demo
demo: build ## a mirror killed, restarted and rewritten under traffic, a stock server booted from the result, and from its archive
	@go build -o $(BIN)/demo ./internal/demo
	@$(BIN)/demo -sidecar bin/aofsidecar

.PHONY: demo-s3
demo-s3: build ## the same with an archive in S3 (versitygw, in a process of the demo)
	@go build -o $(BIN)/demo ./internal/demo
	@$(BIN)/demo -s3 -sidecar bin/aofsidecar

.PHONY: servers
servers: ## fetch the Redis and Valkey servers that the tests use
	scripts/servers.sh

.PHONY: test
test: $(GOTESTSUM) servers ## run every test
	$(GOTESTSUM) --format pkgname-and-test-fails -- -timeout 30m $(NO_FUSE) $(PKG)

.PHONY: race
race: $(GOTESTSUM) servers ## run every test under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GOTESTSUM) --format pkgname-and-test-fails -- -race -timeout 60m $(NO_FUSE) $(PKG)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@for file in $$(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
	    echo "$$(dirname "$$file") $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
	  done; \
	done

.PHONY: chart
chart: $(HELM) build servers ## check the Helm chart without a cluster, and run one of its pods as processes
	go -C tools/chartcheck vet ./...
	go -C tools/chartcheck test -count=1 -timeout 10m ./...

.PHONY: rules
rules: ## check alerts and board: their metrics exist, and the alerts fire when they should and only then
	go -C tools/rulecheck vet ./...
	go -C tools/rulecheck test -count=1 -timeout 5m ./...

.PHONY: crash
crash: ## crash the file system at every operation, and see what is left
	go test -count=1 -timeout 30m -run Crash $(PKG)

.PHONY: e2e
e2e: servers ## break the whole in every way there is, bounded: scenarios, kills, power cuts, cables, clocks, full disks, upgrades, hostile peers (drawn from SEED)
	AOFSIDECAR_E2E_SEED=$(SEED) go test -count=1 -timeout 20m $(NO_FUSE) -run '^Test(Scenarios|KilledAnywhere|PowerCut.*|CablesArePulled|Upgrade|Clock.*|Disk.*|RestoreOntoAFullDisk|Hostile.*|MirrorBesideAHostileBucket)$$' -v ./e2e

# A soak ends by itself; one that hangs ends half an hour after that.
SOAK_TIMEOUT = $$(awk -v d='$(DURATION)' 'BEGIN { s = 1800; while (match(d, /^[0-9.]+[hms]/)) { u = substr(d, RLENGTH, 1); \
  s += substr(d, 1, RLENGTH - 1) * (u == "h" ? 3600 : u == "m" ? 60 : 1); d = substr(d, RLENGTH + 1) } print s "s" }')
.PHONY: soak
soak: servers ## draw worlds and faults for DURATION (20m) from SEED, on SERVERS (names, redis or valkey; all); what fails is kept below .cache/soak
	@mkdir -p .cache/soak
	AOFSIDECAR_SOAK_DURATION=$(DURATION) AOFSIDECAR_E2E_SEED=$(SEED) AOFSIDECAR_SOAK_SERVERS='$(SERVERS)' \
	  go test -count=1 -timeout "$(SOAK_TIMEOUT)" -artifacts -outputdir .cache/soak -run '^TestSoak$$' -v ./e2e

.PHONY: kills
kills: servers ## kill the sidecar with SIGKILL KILLS (1000) times, and upstreams and archives with it, drawn from SEED
	AOFSIDECAR_E2E_KILLS=$(KILLS) AOFSIDECAR_E2E_SEED=$(SEED) go test -count=1 -timeout 24h -parallel 3 -run 'TestKilledAnywhere' -v ./e2e

.PHONY: power-loss
power-loss: servers ## cut the power of the whole binary CUTS (1000) times, drawn from SEED (wants /dev/fuse and root)
	AOFSIDECAR_E2E_CUTS=$(CUTS) AOFSIDECAR_E2E_SEED=$(SEED) go test -count=1 -timeout 24h -run 'TestPowerCut' -v ./e2e

.PHONY: soak-rewrite
soak-rewrite: servers ## fold what each server writes for SOAK (20m), round after round, and compare (AOFSIDECAR_E2E_SEED: as before)
	AOFSIDECAR_E2E_SOAK=$(SOAK) go test -count=1 -timeout 24h -parallel 2 -run 'TestFold$$' -v ./e2e

.PHONY: bench
bench: build servers ## measure all, an hour and a half, and write docs/benchmarks.md (BENCH='-scale 0.02': a quick look; BENCH='-parts rewrite': one part)
	go build -o $(BIN)/bench ./bench
	$(BIN)/bench -replica "$(BENCH_SERVER)" -page docs/benchmarks.md $(BENCH)

.PHONY: lint
lint: $(GOLANGCI) ## run the linters
	$(GOLANGCI) config verify
	$(GOLANGCI) run --allow-parallel-runners ./...

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt ./...

.PHONY: fmt-check
fmt-check: $(GOLANGCI) ## fail if a file is not formatted
	@diff="$$($(GOLANGCI) fmt --diff ./...)" || true; \
	if [ -n "$$diff" ]; then printf '%s\n' "$$diff"; echo 'Try: make fmt' >&2; exit 1; fi

.PHONY: tidy-check
tidy-check: ## fail if a go.mod or go.sum is not tidy
	@for dir in $(MODULES); do echo "go mod tidy -diff in $$dir"; go -C "$$dir" mod tidy -diff; done

.PHONY: mac-check
mac-check: ## fail if the program does not build for a Mac, where some of us write it (the tests want Linux)
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/aofsidecar

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin .cache/bin

# Each tool is built from a module of its own, so that none bends another's dependencies or ours.
$(GOLANGCI): tools/golangci-lint/go.mod tools/golangci-lint/go.sum
	go -C tools/golangci-lint build -o ../../$(BIN)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(GOTESTSUM): tools/gotestsum/go.mod tools/gotestsum/go.sum
	go -C tools/gotestsum build -o ../../$(BIN)/ gotest.tools/gotestsum

$(HELM): tools/helm/go.mod tools/helm/go.sum
	go -C tools/helm build -ldflags '-s -w' -o ../../$(BIN)/ helm.sh/helm/v4/cmd/helm

$(GORELEASER): tools/goreleaser/go.mod tools/goreleaser/go.sum
	go -C tools/goreleaser build -ldflags '-s -w' -o ../../$(BIN)/ github.com/goreleaser/goreleaser/v2
