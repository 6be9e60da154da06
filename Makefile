# hearth: `make run` starts it, `make test` proves it, `make help` lists the rest.
# Needs Go 1.26, Node 20, make; on Debian the tests install what else they need (.ci/packages).

VERSION    ?= 0.1.0-dev
GO         ?= go
UI         := core/web/ui
BIN        := bin/hearth
PLUGIN_DIR := bin/plugins
LDFLAGS    := -s -w -X github.com/prometheus/common/version.Version=$(VERSION)
export CGO_ENABLED ?= 0

# A plugin is a folder with a manifest; it ends in bin/plugins/<id>/ as <name>.wasm beside that manifest.
PLUGINS := $(dir $(wildcard exporters/*/hearth-plugin.toml plugins/*/*/hearth-plugin.toml))
WASMS   := $(foreach p,$(PLUGINS),$(PLUGIN_DIR)/hearth/$(notdir $(p:%/=%))/$(notdir $(p:%/=%)).wasm)
GO_SRC   = $(shell find core sdk exporters plugins -name '*.go' -not -path '*/node_modules/*') \
           $(shell find core/plugin/project/templates sdk/c sdk/rust sdk/assemblyscript -type f -not -path '*/node_modules/*')
UI_SRC   = $(shell find $(UI)/src $(UI)/public -type f 2>/dev/null) $(wildcard $(UI)/*.ts $(UI)/*.json $(UI)/index.html)

.PHONY: help build run test unit e2e ui-test lint fuzz bench soak check deps clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(BIN) $(WASMS) ## bin/hearth and the plugins beside it

run: build ## start hearth with config.toml on http://127.0.0.1:9090
	./$(BIN) serve --config config.toml

test: deps lint build ui-test unit e2e ## everything that must pass before a change lands
	@echo "make test: all passed"

unit: ## tests of the packages
	$(GO) test -count=1 $$($(GO) list ./... | grep -v -e /core/e2e)

e2e: build deps ## tests of the built binary beside real servers and a browser
	$(GO) test -count=1 -timeout 10m ./core/e2e/...

ui-test: $(UI)/node_modules/.stamp ## tests and checks of the web UI
	cd $(UI) && npm run --silent check && npm run --silent test

lint: core/web/dist/.keep ## formatting, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt'ed: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME (20s)
	@set -e; for f in $$(grep -rl --include='*_test.go' '^func Fuzz' core sdk exporters plugins); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$f); do \
	    echo "$$f $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); done; done

bench: ## benchmarks of the packages; recorded results are in core/bench/results
	$(GO) test -run '^$$' -bench . -benchmem ./core/... ./sdk/...

soak: build deps ## the long forms: 500 kills and 200 full disks under load, every crash point of the database, ten minutes of reloads
	HEARTH_SOAK=1 $(GO) test -count=1 -timeout 0 ./core/tsdb/...
	HEARTH_SOAK=1 $(GO) test -count=1 -timeout 0 -run Soak -v ./core/e2e/...
	HEARTH_SOAK=1 $(GO) test -count=1 -timeout 0 -run 'TestRandom.*EqualUpstream' ./core/promql/
	HEARTH_SOAK=1 $(GO) test -count=1 -timeout 0 -run TestReloadsWithoutGrowth -v ./core/plugin/

check: test fuzz bench ## all of them, and a tidy tree
	$(GO) mod tidy
	git diff --exit-code

deps: ## the Debian packages in .ci/packages, if any is missing
	@missing=; for p in $$(grep -v '^#' .ci/packages); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  case "$$missing" in *postfix*) echo 'postfix postfix/main_mailer_type select No configuration' | $$sudo debconf-set-selections;; esac; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

clean: ## remove what was built (not the data)
	rm -rf bin core/web/dist/ui

$(BIN): $(GO_SRC) go.mod go.sum core/web/dist/ui/index.html
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./core/cmd/hearth

core/web/dist/ui/index.html: $(UI_SRC) $(UI)/node_modules/.stamp
	cd $(UI) && npm run --silent build

$(UI)/node_modules/.stamp: $(UI)/package.json $(UI)/package-lock.json
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# One rule for every plugin: build the guest, copy the manifest, write the guest's digest into the copy.
define plugin_rule
$(PLUGIN_DIR)/hearth/$(notdir $(1:%/=%))/$(notdir $(1:%/=%)).wasm: $$(shell find $(1) $(wildcard $(dir $(1:%/=%))internal) sdk -name '*.go') $(1)hearth-plugin.toml go.mod
	@mkdir -p $$(@D)
	GOOS=wasip1 GOARCH=wasm $$(GO) build -trimpath -ldflags '-s -w' -buildmode=c-shared -o $$@ ./$(1)
	cp $(1)hearth-plugin.toml $$(@D)/
	$$(GO) run ./sdk/manifest/cmd/seal $$(@D)
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))
