package promql

import (
	"context"
	"errors"

	"github.com/hearth-project/hearth/core/promql/exec"
)

// What a query can fail of, for errors.Is. The texts are upstream's; other errors come from the query itself, such as
// series that can't be matched, or from the storage.
var (
	ErrParse          = errors.New("parse error") // the text is no query, or not one for this call; the message gives the place
	ErrTimeout        = errors.New("query timed out in expression evaluation")
	ErrCanceled       = errors.New("query was canceled in expression evaluation")
	ErrTooManySamples = exec.ErrTooManySamples
	ErrLargeResult    = exec.ErrLargeResult
	ErrStorage        = exec.ErrStorage
	ErrTooManyQueries = errors.New("too many queries are waiting: try again later, or raise max_concurrency in [query]")
)

// parseError is an error of the parser with its own text.
type parseError struct{ error }

func (e parseError) Unwrap() error        { return e.error }
func (e parseError) Is(target error) bool { return target == ErrParse }

// stopped gives the end of a query's context the words of a query.
func stopped(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause != nil && ctx.Err() != nil && (errors.Is(cause, ErrNoMemory) || errors.Is(cause, ErrCanceled)):
		return cause
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, context.Canceled):
		return ErrCanceled
	}
	return err
}
