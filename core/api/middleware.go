package api

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/regexp"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// recovered turns a panic of a handler into a logged 500, so that one request cannot end the server.
func (h *handler) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r == http.ErrAbortHandler {
					panic(r)
				}
				h.Logger.Error("panic while answering a request; please report it", "path", c.Request().URL.Path,
					"panic", r, "stack", string(debug.Stack()))
				err = &apiError{errInternal, fmt.Errorf("internal error: %v", r)}
			}
		}()
		return next(c)
	}
}

// instrument measures requests by route, which are bounded, not by path, which are not.
func instrument(reg prometheus.Registerer) echo.MiddlewareFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "hearth_http_request_duration_seconds",
		Help:    "Time to answer HTTP requests.",
		Buckets: []float64{.001, .01, .1, 1, 10, 60},
	}, []string{"handler", "code"})
	if reg != nil {
		reg.MustRegister(seconds)
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			began := time.Now()
			err := next(c)
			if err != nil {
				c.Error(err) // answers now, so that the status is known
			}
			route := c.Path()
			if route == "" || errors.Is(err, echo.ErrNotFound) || errors.Is(err, echo.ErrMethodNotAllowed) {
				route = "none"
			}
			seconds.WithLabelValues(route, strconv.Itoa(c.Response().Status)).Observe(time.Since(began).Seconds())
			return nil
		}
	}
}

// preflight says which origins may read answers of the API, and answers browsers that ask before they send.
func (h *handler) preflight(origin *regexp.Regexp) echo.MiddlewareFunc {
	api := h.prefix + "/api/"
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("X-Content-Type-Options", "nosniff")
			if !strings.HasPrefix(c.Request().URL.Path, api) {
				return next(c)
			}
			allowOrigin(c.Response().Header(), origin, c.Request().Header.Get("Origin"))
			if c.Request().Method == http.MethodOptions {
				return c.NoContent(http.StatusNoContent)
			}
			return next(c)
		}
	}
}

func allowOrigin(header http.Header, allowed *regexp.Regexp, from string) {
	header.Add("Vary", "Origin")
	switch {
	case from == "":
		return
	case allowed.String() == "^(?s:.*)$":
		header.Set("Access-Control-Allow-Origin", "*")
	case allowed.MatchString(from):
		header.Set("Access-Control-Allow-Origin", from)
	}
	header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin")
	header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	header.Set("Access-Control-Expose-Headers", "Date")
}

// form reads the parameters of a request before its handler does, so that what is wrong with them is told.
func (h *handler) form(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		r.Body = http.MaxBytesReader(c.Response(), r.Body, h.MaxFormBytes)
		err := r.ParseForm() // ParseMultipartForm would keep to itself what is wrong with a simple form
		if err == nil {
			if err = r.ParseMultipartForm(1 << 20); errors.Is(err, http.ErrNotMultipart) {
				err = nil
			}
		}
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return plain(http.StatusRequestEntityTooLarge, fmt.Sprintf("the request body is larger than %d bytes", tooLarge.Limit))
		case err != nil:
			return bad("error parsing form values: %w", err)
		}
		if r.MultipartForm != nil {
			defer r.MultipartForm.RemoveAll()
		}
		return next(c)
	}
}
