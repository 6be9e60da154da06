// Package fuel makes WebAssembly modules stoppable. Rewrite adds a meter to a module: a hidden counter that every loop
// and every function that calls others pays from, and an imported function, tick, that the guest calls when the counter
// is used up. A Meter is the host's end: it hands out the next piece of fuel, or ends the call when the deadline has
// passed or the call has used what it may.
//
// Why not wazero's WithCloseOnContextDone: it costs 20 to 30 ns a loop iteration, and without it a running guest holds
// up Go's garbage collector, and with that the whole server, for as long as it runs. tick is a Go function, so it is the
// point where the collector may stop the guest.
//
// A unit of fuel is one pass of a loop, one call of a function that calls others, or 64 bytes of a bulk memory operation;
// passes of very long code cost more. What a piece of code costs is fixed when it is rewritten, so the same call with the
// same input uses the same fuel on every machine.
package fuel

import (
	"errors"
	"fmt"
)

// Version of the rewriting. It is part of the key under which rewritten modules are kept.
const Version = 5

// Import module and name of tick, and the export under which the host finds the counter.
const (
	ImportModule = "hearth_meter"
	ImportName   = "tick"
	ExportName   = "hearth_meter_fuel"
)

// ErrModule is wrapped by every refusal to rewrite.
var ErrModule = errors.New("wasm module refused")

// Options bounds what a module may ask for. The zero value takes the defaults of the plugin ABI.
type Options struct {
	MaxSize  int    // bytes of the module; 0 means 32 MiB
	MaxTable uint32 // elements of all tables together, and of what they are filled with; 0 means 1,000,000

	FunctionsOnly bool // refuse imports of tables, memories and globals
}

// Rewrite returns module with a meter and with its tables' maximum set. Debugging sections are dropped, function names
// are kept. The module is decoded and its indices are checked, its types are not: compile the result, and validate a
// module from elsewhere before, to be sure that it means what it says. Errors wrap ErrModule.
func Rewrite(module []byte, o Options) ([]byte, error) {
	if o.MaxSize == 0 {
		o.MaxSize = 32 << 20
	}
	if o.MaxTable == 0 {
		o.MaxTable = 1_000_000
	}
	if len(module) > o.MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrModule, len(module), o.MaxSize)
	}
	m, err := split(module)
	if err == nil {
		err = m.rewrite(o)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	return m.join(len(module)), nil
}
