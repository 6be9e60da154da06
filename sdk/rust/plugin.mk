# plugin.mk builds a plugin in Rust: `include` it after `SOURCE := plugin.rs` (the root of the crate; CRATE_FILES are those
# beside it) and `SDK := where src/lib.rs of the SDK is`; it leaves OUT. Needs rustc with the target wasm32-wasi and wasm-ld;
# in Debian rustc, libstd-rust-dev-wasm32 and lld. With cargo none of this is needed, see README.md.
has   = $(shell $(1) --print target-libdir --target wasm32-wasi 2>/dev/null | xargs -r ls 2>/dev/null | grep -m1 -o libstd)
RUSTC ?= $(firstword $(foreach r,rustc /usr/bin/rustc,$(if $(call has,$(r)),$(r))))
OPTIMIZE ?= 3
FLAGS := --edition 2021 --target wasm32-wasi -C opt-level=$(OPTIMIZE) -C linker=wasm-ld -C strip=symbols -C panic=abort -C codegen-units=1
# hearth counts the passes of loops, so that it can stop them. With UNROLL := 16 a pass does more: functions that go over many
# samples are up to twice as fast, and the module is a sixth larger.
ifdef UNROLL
FLAGS += -C llvm-args=-unroll-runtime -C llvm-args=-unroll-count=$(UNROLL)
endif
OUT   ?= plugin.wasm

$(OUT): $(MAKEFILE_LIST) $(SOURCE) $(CRATE_FILES) $(wildcard $(SDK)/src/*.rs)
	@test -n "$(RUSTC)" || { echo "no rustc with the target wasm32-wasi: apt install rustc libstd-rust-dev-wasm32 lld"; exit 1; }
	@set -e; work=$$(mktemp -d); trap 'rm -rf $$work' EXIT; \
	$(RUSTC) $(FLAGS) --crate-type rlib --crate-name hearth --out-dir $$work $(SDK)/src/lib.rs; \
	$(RUSTC) $(FLAGS) --crate-type cdylib --crate-name plugin --extern hearth=$$work/libhearth.rlib -o $@ $(SOURCE)
