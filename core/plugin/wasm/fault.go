package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm/fuel"
)

// How calls fail is the same for all forms of plugins.
type (
	GuestError = guest.Error
	Fault      = guest.Fault
	Kind       = guest.Kind
)

// Kinds of faults.
const (
	Trap      = guest.Trap
	Exit      = guest.Exit
	Deadline  = guest.Deadline
	Cancelled = guest.Cancelled
	Exhausted = guest.Exhausted
	Malformed = guest.Malformed
	NoStart   = guest.NoStart
)

// faultOf turns what wazero returns from a call into a fault.
func (i *instance) faultOf(ctx context.Context, op string, err error) *Fault {
	f := &Fault{Operation: op}
	var exit *sys.ExitError
	stopped := i.meter.Stopped()
	if stopped == nil {
		stopped = ctx.Err() // a wait was cut short
	}
	switch {
	case errors.As(err, &exit) && errors.Is(stopped, fuel.ErrExhausted):
		f.Kind, f.Err = Exhausted, stopped
		f.Message = fmt.Sprintf("stopped: it has used all of the %d units of fuel of a call; it computes too much, or without end", i.pool.module.e.o.Fuel)
	case errors.As(err, &exit) && errors.Is(stopped, fuel.ErrTooDeep):
		f.Kind, f.Err, f.Message = Exhausted, stopped, "stopped: its functions call each other too deeply, or without end"
	case errors.As(err, &exit) && errors.Is(stopped, context.DeadlineExceeded):
		f.Kind, f.Err = Deadline, stopped
		f.Message = "stopped at the deadline without an answer; a longer timeout helps if it is only slow"
	case errors.As(err, &exit) && stopped != nil:
		f.Kind, f.Err, f.Message = Cancelled, stopped, "stopped: the caller has given up"
	case errors.As(err, &exit):
		f.Kind, f.Message = Exit, fmt.Sprintf("ended itself with exit code %d", exit.ExitCode())
	default:
		f.Kind, f.Message = Trap, "broke off: "+firstLine(err.Error())
		if i.memory.refused {
			f.Message += fmt.Sprintf(" after it was refused more than %d MiB of memory; %d is its limit", i.memory.size>>20, i.pool.module.memory>>20)
		}
	}
	if f.Kind == Exit || f.Kind == Trap {
		if last := i.log.lastWords(); last != "" {
			f.Message += ": " + last
		}
	}
	return f
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimPrefix(line, "wasm error: ")
}
