package plugin

import (
	"errors"
	"fmt"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
)

// CallError is how a call of a plugin fails: the plugin has answered with an error, or it was stopped.
type CallError struct {
	Plugin    string // id
	Operation string // collect, notify, or what comes before: describe, configure, start
	Code      string // abi.CodeTimeout and so on
	Message   string // what happened, and how to mend it where that is known

	retryable  bool
	retryAfter time.Duration
	err        error
}

func (e *CallError) Error() string {
	return fmt.Sprintf("plugin %s: %s: %s", e.Plugin, e.Operation, e.Message)
}

// Unwrap returns what stopped the call, as context.DeadlineExceeded, or nil.
func (e *CallError) Unwrap() error { return e.err }

// Retryable reports whether the same call may succeed later.
func (e *CallError) Retryable() bool { return e.retryable }

// RetryAfter is how long to wait at least before that; 0 leaves it to the caller.
func (e *CallError) RetryAfter() time.Duration { return e.retryAfter }

// callError turns what a pool returns into a CallError.
func (c *Client) callError(op string, err error) *CallError {
	e := &CallError{Plugin: c.id, Operation: op, Code: abi.CodeInternal, Message: err.Error()}
	var (
		answer *guest.Error
		fault  *guest.Fault
	)
	switch {
	case errors.As(err, &answer):
		e.Operation, e.Code, e.Message = answer.Operation, answer.Code, answer.Error()
		e.retryable = answer.Failure.Retryable || answer.Code == abi.CodePanic
		if e.retryable {
			e.retryAfter = time.Duration(max(0, min(answer.RetryAfterMS, maxRetryAfter.Milliseconds()))) * time.Millisecond
		}
	case errors.As(err, &fault):
		e.Operation, e.err = fault.Operation, fault.Err
		// A new instance may do better: the next call gets one.
		e.retryable, e.retryAfter = true, fault.RetryAfter
		switch fault.Kind {
		case guest.Trap, guest.Exit:
			e.Code = abi.CodePanic
		case guest.Deadline, guest.Cancelled:
			e.Code = abi.CodeTimeout
		case guest.NoStart:
			e.Code = abi.CodeUnavailable
		case guest.Exhausted, guest.Malformed: // it would do the same again
			e.retryable = false
		}
		if errors.Is(err, guest.ErrClosed) {
			e.retryable = false
		}
	}
	return e
}

// maxRetryAfter bounds how long a plugin may ask to be left alone.
const maxRetryAfter = time.Hour
