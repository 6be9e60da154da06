package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

// Codes of errors; see ABI.md, section 6.
const (
	CodeInvalidRequest  = abi.CodeInvalidRequest  // the settings or the request are wrong
	CodeDenied          = abi.CodeDenied          // a right is missing
	CodeUnauthenticated = abi.CodeUnauthenticated // the other end does not know who asks
	CodeUnavailable     = abi.CodeUnavailable     // the other end has trouble
	CodeTimeout         = abi.CodeTimeout         // no time left
	CodeInternal        = abi.CodeInternal        // a fault of the plugin
)

// Error is an error the host understands. Plain errors become one, see AsError.
type Error struct {
	Code       string
	Message    string        // for the operator; no secrets
	Retryable  bool          // the same call may succeed later
	RetryAfter time.Duration // wait at least that long before; 0 leaves it to the host
	err        error
}

// Errorf returns an *Error that is not retryable. Like fmt.Errorf it wraps what %w names.
func Errorf(code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), err: errors.Unwrap(err)}
}

// Retry returns an *Error that is retryable, after at least the given time.
func Retry(code string, after time.Duration, format string, args ...any) *Error {
	e := Errorf(code, format, args...)
	e.Retryable, e.RetryAfter = true, after
	return e
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns what Errorf was given for %w.
func (e *Error) Unwrap() error { return e.err }

// AsError returns the *Error in err, or makes one: time-outs and trouble with the network are retryable, missing
// rights are denied, everything else is internal.
func AsError(err error) *Error {
	var (
		own     *Error
		timeout interface{ Timeout() bool }
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		if own == err {
			return own
		}
		e := *own // the text around it counts
		e.Message = err.Error()
		return &e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Retry(CodeTimeout, 0, "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return Errorf(CodeDenied, "%w", err)
	case isNetwork(err):
		return Retry(CodeUnavailable, 0, "%w", err)
	}
	return Errorf(CodeInternal, "%w", err)
}

// isNetwork tells whether there is a net.Error in err. It asks for the methods, so that package net is not linked into
// plugins that have no use for it; a bare Errno has them too.
func isNetwork(err error) bool {
	var n interface {
		error
		Timeout() bool
		Temporary() bool
	}
	if !errors.As(err, &n) {
		return false
	}
	_, errno := n.(syscall.Errno)
	return !errno
}

// body is the error as the ABI passes it.
func (e *Error) body() []byte {
	code := e.Code
	if code == "" {
		code = CodeInternal
	}
	b, err := json.Marshal(abi.Failure{Code: code, Message: e.Message, Retryable: e.Retryable, RetryAfterMS: e.RetryAfter.Milliseconds()})
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	return b
}
