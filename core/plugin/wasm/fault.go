package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
		f.Message = fmt.Sprintf("stopped at its deadline, after %s without an answer; a longer timeout helps if it is only slow",
			time.Since(i.began).Round(time.Millisecond))
	case errors.As(err, &exit) && stopped != nil:
		f.Kind, f.Err, f.Message = Cancelled, stopped, "stopped: the caller has given up"
	case errors.As(err, &exit):
		f.Kind, f.Message = Exit, fmt.Sprintf("ended itself with exit code %d", exit.ExitCode())
	default:
		f.Kind, f.Message = Trap, "broke off: "+printable(whereItBroke(err.Error()))
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

// whereItBroke makes a sentence of what wazero says of a trap: its cause, and the innermost function if that has a name.
func whereItBroke(s string) string {
	cause, stack, _ := strings.Cut(s, "\n")
	cause = strings.TrimPrefix(cause, "wasm error: ")
	_, stack, _ = strings.Cut(stack, "\n\t") // the line before says that there is a stack
	frame, _, _ := strings.Cut(stack, "\n")
	name, _, ok := strings.Cut(strings.TrimPrefix(frame, "."), "(")
	if !ok || strings.HasPrefix(name, "$") { // by its number
		return cause
	}
	return cause + " in " + name
}
