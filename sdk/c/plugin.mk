# plugin.mk builds a plugin in C: `include` it after `SOURCES := my.c` and `SDK := where hearth.c is`; it leaves OUT.
# Needs, by their names in Debian: clang, lld, wasi-libc, libclang-rt-dev-wasm32.
CC     := clang
OPTIMIZE ?= 3
CFLAGS := --target=wasm32-wasi -O$(OPTIMIZE) -std=gnu11 -Wall -Wextra -I$(SDK)
OUT    ?= plugin.wasm

# Compiled one by one and linked without -O: with it clang runs wasm-opt if there is one, which does not know newer instructions.
$(OUT): $(MAKEFILE_LIST) $(SOURCES) $(SDK)/hearth.c $(SDK)/hearth.h
	@set -e; work=$$(mktemp -d); trap 'rm -rf $$work' EXIT; n=0; \
	for f in $(SOURCES) $(SDK)/hearth.c; do n=$$((n+1)); $(CC) $(CFLAGS) -c -o $$work/$$n.o $$f; done; \
	$(CC) --target=wasm32-wasi -mexec-model=reactor -Wl,--strip-all -o $@ $$work/*.o
