# plugin.mk builds a plugin in AssemblyScript: `include` it after `SOURCE := plugin.ts` and `SDK := where the SDK is`; it leaves
# OUT. Needs Node 20 and npm, which installs the compiler that package-lock.json names.
ASC := $(SDK)/node_modules/.bin/asc
OUT ?= plugin.wasm
OPTIMIZE ?= -O

$(OUT): $(MAKEFILE_LIST) $(SOURCE) $(wildcard $(SDK)/assembly/*.ts) $(ASC)
	$(ASC) $(SOURCE) $(SDK)/assembly/exports.ts -o $@ $(OPTIMIZE) --exportStart _initialize --use abort=$(SDK)/assembly/host/abort

$(ASC): $(SDK)/package-lock.json
	cd $(SDK) && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
