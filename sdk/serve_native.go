//go:build !wasip1

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hearth-project/hearth/sdk/metric"
)

// serve answers GET /metrics with what the exporter collects until ctx ends. The address it got is printed to out,
// so that port 0 is of use. The target is the parameter "target", if there is one.
func serve(ctx context.Context, i *Instance, listen string, out io.Writer) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s/metrics\n", l.Addr())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", &metricsHandler{instance: i})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><title>hearth exporter</title><a href="/metrics">metrics</a>`)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(grace)
	})
	err = srv.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

type metricsHandler struct {
	mu       sync.Mutex // a plugin is called once at a time
	instance *Instance
}

func (h *metricsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format := metric.Text
	if strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text") {
		format = metric.OpenMetrics
	}
	ctx := r.Context()
	if s, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64); err == nil && s > 0 && s < 3600 {
		var cancel context.CancelFunc
		ctx, cancel = withDeadline(ctx, int64(s*1000))
		defer cancel()
	}
	body, err := h.collect(ctx, Target{Address: r.FormValue("target")}, format)
	if err != nil {
		e := AsError(err)
		code := http.StatusInternalServerError
		if e.Retryable {
			code = http.StatusServiceUnavailable
		}
		Log().Error("collect", "err", e)
		http.Error(w, e.Message, code)
		return
	}
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// collect returns a copy: the instance's bytes are valid under the lock only.
func (h *metricsHandler) collect(ctx context.Context, t Target, f metric.Format) (body []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = Errorf(CodeInternal, "panic: %v", r)
		}
	}()
	b, err := h.instance.collect(ctx, t, f)
	return append([]byte(nil), b...), err
}
