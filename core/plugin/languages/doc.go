// Package languages holds the SDKs for other languages than Go to the contract: their guests, examples and manuals are built
// from source, with the compilers of .ci/packages, and run in the host's sandbox. It has tests only.
package languages
