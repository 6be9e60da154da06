// Package guest is what both forms of plugins, the module in the sandbox and the child process, have in common seen
// from the host: what a call is, how it fails, and what may reach hearth's log of what a plugin says.
package guest

import (
	"errors"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

// Request is one call.
type Request struct {
	Operation string                 // abi.OpDescribe, OpCollect and so on
	Target    string                 // whose address ${target} stands for
	Body      func() ([]byte, error) // makes the request at the moment of the call; nil is an empty one
}

// Bytes makes the request.
func (r *Request) Bytes() ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	return r.Body()
}

// Usage is what a call has used, as far as it can be measured.
type Usage struct {
	Fuel           uint64
	Sent, Received uint64 // bytes over its connections
	Refused        uint64 // things it was not allowed to do
}

// Error is an answer of a guest that says that the operation has failed.
type Error struct {
	Operation string
	abi.Failure
	Refused []string // rights that were missing in the call, as sentences
}

func (e *Error) Error() string {
	return strings.Join(append([]string{e.Message}, e.Refused...), "; ")
}

// Failed makes an Error of an error body. A code that the ABI does not have becomes internal; its flags count.
func Failed(operation string, body []byte) *Error {
	e := &Error{Operation: operation, Failure: abi.ParseFailure(body)}
	e.Message = Printable([]byte(e.Message))
	switch e.Code {
	case abi.CodeInvalidRequest, abi.CodeUnauthenticated, abi.CodeTimeout, abi.CodeUnimplemented, abi.CodeUnknownFunction,
		abi.CodeInternal, abi.CodePanic, abi.CodeDenied, abi.CodeUnavailable:
	default:
		e.Code = abi.CodeInternal
	}
	return e
}

// Broken tells whether a guest can't be used after an error: it has not answered, or says so itself.
func Broken(err error) bool {
	if err == nil {
		return false
	}
	var e *Error
	return !errors.As(err, &e) || e.Code == abi.CodePanic
}

// Kind is how a call has ended that has no answer.
type Kind int

// Kinds of faults.
const (
	Trap      Kind = iota // the guest has broken off
	Exit                  // the guest has ended itself
	Deadline              // time is up
	Cancelled             // the caller has given up
	Exhausted             // the guest has used all its fuel, or its stack
	Malformed             // the answer breaks the rules
	NoStart               // there was no guest to call
)

// Fault is a call without an answer.
type Fault struct {
	Operation string
	Kind      Kind
	Message   string
	Err       error // what it wraps; may be nil

	RetryAfter time.Duration // when there is a guest again, if that is known
}

func (f *Fault) Error() string { return f.Message }

// Unwrap returns what is behind the fault, as context.DeadlineExceeded.
func (f *Fault) Unwrap() error { return f.Err }

// ErrClosed is what a call of a plugin wraps that has been given up.
var ErrClosed = errors.New("it is not in use any more")
