package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/storage"
)

// errorType is the kind of an error as the API names it.
type errorType string

const (
	errBadData     errorType = "bad_data"
	errExecution   errorType = "execution"
	errCanceled    errorType = "canceled"
	errTimeout     errorType = "timeout"
	errInternal    errorType = "internal"
	errUnavailable errorType = "unavailable"
)

// status is the code that goes with an error type. 499 is what proxies use for a client that went away.
func (t errorType) status() int {
	switch t {
	case errBadData:
		return http.StatusBadRequest
	case errExecution:
		return http.StatusUnprocessableEntity
	case errCanceled:
		return 499
	case errTimeout:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError // unavailable, too: as upstream
}

// apiError is answered in the envelope.
type apiError struct {
	kind errorType
	err  error
}

func (e *apiError) Error() string { return e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

func bad(format string, args ...any) error { return &apiError{errBadData, fmt.Errorf(format, args...)} }

// badParam is how upstream words a parameter that does not parse.
func badParam(name string, err error) error { return bad("invalid parameter %q: %w", name, err) }

// queryError gives an error of the engine, or of the storage below it, its type.
func queryError(err error) error {
	switch {
	case errors.Is(err, promql.ErrParse):
		return badParam("query", err)
	case errors.Is(err, promql.ErrTimeout), errors.Is(err, promql.ErrTooManyQueries), errors.Is(err, context.DeadlineExceeded):
		return &apiError{errTimeout, err}
	case errors.Is(err, promql.ErrCanceled), errors.Is(err, context.Canceled):
		return &apiError{errCanceled, err}
	case errors.Is(err, storage.ErrClosed):
		return &apiError{errUnavailable, err}
	case errors.Is(err, promql.ErrStorage): // no query is at fault: the operator has to know
		return &apiError{errInternal, err}
	}
	return &apiError{errExecution, err}
}

// readError gives an error of the storage that no engine stands before its type.
func readError(err error) error {
	of := queryError(err)
	if e, ok := of.(*apiError); ok && e.kind == errExecution {
		e.kind = errInternal
	}
	return of
}

// plainError is answered as text, for paths that are not part of the API proper.
type plainError struct {
	code int
	text string
}

func (e *plainError) Error() string { return e.text }

func plain(code int, text string) error { return &plainError{code, text} }

// envelope is what every answer of the API looks like; those to queries and lists may have warnings, too.
type envelope struct {
	Status    string    `json:"status"`
	Data      any       `json:"data,omitempty"`
	ErrorType errorType `json:"errorType,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// respond answers success with data. What may be large is streamed instead: see writeAnswer and writeList.
func respond(c echo.Context, data any) error {
	return writeJSON(c, http.StatusOK, envelope{Status: "success", Data: data})
}

func writeJSON(c echo.Context, code int, e envelope) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return c.Blob(code, "application/json", b)
}

// respondError is the one place where errors become answers.
func (h *handler) respondError(err error, c echo.Context) {
	if c.Response().Committed {
		return // the status has gone out; the client sees a body that ends too early
	}
	var (
		inAPI  *apiError
		asText *plainError
		ofEcho *echo.HTTPError
	)
	switch {
	case errors.As(err, &inAPI):
		if inAPI.kind == errInternal {
			h.Logger.Error("request failed", "path", c.Request().URL.Path, "err", err)
		}
		writeJSON(c, inAPI.kind.status(), envelope{Status: "error", ErrorType: inAPI.kind, Error: inAPI.Error()})
	case errors.As(err, &asText):
		c.String(asText.code, asText.text+"\n")
	case errors.Is(err, echo.ErrNotFound):
		c.String(http.StatusNotFound, "404 page not found\n")
	case errors.As(err, &ofEcho):
		c.String(ofEcho.Code, http.StatusText(ofEcho.Code)+"\n")
	default:
		h.Logger.Error("request failed", "path", c.Request().URL.Path, "err", err)
		writeJSON(c, http.StatusInternalServerError, envelope{Status: "error", ErrorType: errInternal, Error: err.Error()})
	}
}
