// Package expose serves an exporter plugin over HTTP by itself, without a server of hearth's: /metrics is what it collects
// of the target it was started for, /probe?target=ADDRESS of another. What the plugin may reach is its grant's business.
package expose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hearth-project/hearth/core/plugin"
)

// Collector is an exporter in use.
type Collector interface {
	Collect(ctx context.Context, target string) (body []byte, contentType string, err error)
}

// Options is what a Handler needs.
type Options struct {
	Collector Collector
	ID        string        // of the plugin
	Target    string        // of /metrics; may be empty
	Timeout   time.Duration // of a scrape that does not say how long it may take; 0 means 10 s
	Gatherer  prometheus.Gatherer
	Logger    *slog.Logger
}

// margin is what is left of a scrape's time for the way back.
const margin = 500 * time.Millisecond

// New returns the handler: /metrics, /probe, /-/healthy, what the plugin costs at /plugin/metrics, and a page that links
// them.
func New(o Options) http.Handler {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { o.collect(w, r, cmp.Or(r.FormValue("target"), o.Target)) })
	mux.HandleFunc("GET /probe", func(w http.ResponseWriter, r *http.Request) {
		target := r.FormValue("target")
		if target == "" {
			http.Error(w, "/probe needs a target: /probe?target=HOST:PORT", http.StatusBadRequest)
			return
		}
		o.collect(w, r, target)
	})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	mux.Handle("GET /plugin/metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>%s</title><h1>%[1]s</h1><p><a href="/metrics">Metrics</a>, <a href="/plugin/metrics">what the plugin costs</a></p>`,
			html.EscapeString(o.ID))
	})
	return mux
}

// collect answers a scrape with what the plugin says of a target.
func (o *Options) collect(w http.ResponseWriter, r *http.Request, target string) {
	ctx, cancel := context.WithTimeout(r.Context(), o.patience(r))
	defer cancel()
	body, contentType, err := o.Collector.Collect(ctx, target)
	if err != nil {
		if r.Context().Err() != nil {
			return // nobody waits for an answer
		}
		o.Logger.Error("scrape", "target", target, "err", err)
		http.Error(w, err.Error(), status(err))
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // if it fails the scraper has gone
}

// patience is how long a scrape may take: what Prometheus says in a header, less what the way back may take.
func (o *Options) patience(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0 && seconds <= time.Hour.Seconds()) {
		return o.Timeout
	}
	d := time.Duration(seconds * float64(time.Second))
	return max(d-margin, d/2)
}

func status(err error) int {
	var call *plugin.CallError
	if errors.As(err, &call) && call.Retryable() {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
