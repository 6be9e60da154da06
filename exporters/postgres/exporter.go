package main

import (
	"context"
	"runtime"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

// version is the manifest's; a test compares them.
const version = "0.1.0"

// maxTold is how many errors are remembered, so that they are logged once.
const maxTold = 1000

// exporter is the plugin.
type exporter struct {
	settings settings
	run      []*collector
	sessions sessions
	told     map[string]string // errors that were logged and last, by server, or by server and collector
}

// Configure reads the settings.
func (e *exporter) Configure(_ context.Context, c sdk.Config) error {
	s := defaults()
	if err := c.Decode(&s); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	run, err := s.choose(s.collectors())
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	e.settings, e.run = s, run
	d, err := newDialer(&e.settings)
	if err != nil {
		return err
	}
	e.sessions = sessions{dialer: d, kept: map[address]*session{}}
	e.told = map[string]string{}
	return nil
}

// Collect measures one server. A server that can't be reached is a sample, pg_up 0; a right that is missing is an error.
func (e *exporter) Collect(ctx context.Context, t sdk.Target, w *metric.Writer) error {
	start := time.Now()
	if err := ctx.Err(); err != nil {
		return sdk.Retry(sdk.CodeTimeout, 0, "no time left: %w", err)
	}
	a, err := parseAddress(t.Address)
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "target: %w", err)
	}
	w.Gauge("hearth_postgres_build_info", "Which build of the exporter this is; always 1.", "version", "goversion", "goos", "goarch").
		Sample(1, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	sc := newScrape(e, a, w)
	err = sc.run(ctx)
	if sdk.AsError(err) != nil && sdk.AsError(err).Code == sdk.CodeDenied {
		return err
	}
	if ctx.Err() == context.Canceled {
		return sdk.Retry(sdk.CodeTimeout, 0, "the call was ended: %w", ctx.Err())
	}
	e.tell(a, err)
	w.Gauge("pg_up", "Whether the last scrape of metrics from PostgreSQL was able to connect to the server (1 for yes, 0 for no).").
		Sample(metric.Bool(err == nil))
	w.Gauge("pg_exporter_last_scrape_error", "Whether the last scrape of metrics from PostgreSQL resulted in an error (1 for error, 0 for success).").
		Sample(metric.Bool(err != nil || sc.failed > 0))
	w.Gauge("pg_exporter_last_scrape_duration_seconds", "Duration of the last scrape of metrics from PostgreSQL.").
		Sample(time.Since(start).Seconds())
	return nil
}

// tell logs that a server can't be reached, or can again, when that changes.
func (e *exporter) tell(a address, err error) {
	if !e.changed(a.String(), err) {
		return
	}
	if err == nil {
		sdk.Log().Info("the server answers again", "server", a.String())
	} else {
		sdk.Log().Warn("the server cannot be reached", "server", a.String(), "err", err)
	}
}

// changed tells whether an error is another than the last of that key, and remembers it.
func (e *exporter) changed(key string, err error) bool {
	was, failed := e.told[key]
	if err == nil {
		delete(e.told, key)
		return failed
	}
	if len(e.told) >= maxTold {
		clear(e.told) // targets come and go
	}
	e.told[key] = err.Error()
	return was != err.Error()
}
