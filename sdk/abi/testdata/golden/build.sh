#!/bin/sh
# Compiles a golden module: build.sh SOURCE.c OUT.wasm. The modules here were made so with Debian 12's clang 14 and are never made
# anew: what was built for a version of the ABI must run for ever, as it is. A new version gets a new source and module beside
# them.
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang --target=wasm32-unknown-unknown -O2 -ffreestanding -Wall -c -o "$work/o" "$1"
wasm-ld --no-entry --strip-all -z stack-size=8192 -o "$2" "$work/o"
