package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

// scrape is one call of Collect.
type scrape struct {
	exporter *exporter
	address  address
	out      *output
	metrics  *metric.Writer

	results    map[string]*result // by collector
	failed     int                // collectors
	reconnects int                // that are still allowed
}

// result is how a collector did, in all databases together.
type result struct {
	took time.Duration
	err  error
	more bool // it left rows out
}

func newScrape(e *exporter, a address, w *metric.Writer) *scrape {
	s := &scrape{exporter: e, address: a, metrics: w, results: map[string]*result{}, reconnects: 1,
		out: &output{w: w, owner: map[string]string{}}}
	if e.settings.ServerLabel {
		s.out.server = a.String()
	}
	return s
}

// run measures the server. Its error says that the server can't be reached; what a collector fails with is told in
// metrics.
func (s *scrape) run(ctx context.Context) error {
	main, err := s.connect(ctx, func(ctx context.Context) (*session, error) { return s.exporter.sessions.get(ctx, s.address) })
	if err != nil {
		return err
	}
	defer func() {
		if main != nil {
			s.exporter.sessions.put(main, time.Now())
		}
	}()
	for _, c := range s.exporter.run {
		if main.broken() {
			if main, err = s.again(ctx, main); err != nil {
				break
			}
		}
		s.collect(ctx, c, main)
	}
	if err == nil && main.broken() {
		main, err = s.again(ctx, main)
	}
	if err == nil && s.exporter.settings.DiscoverDatabases {
		s.databases(ctx, main)
	}
	s.report()
	return err
}

// connect bounds the time it takes to connect.
func (s *scrape) connect(ctx context.Context, open func(context.Context) (*session, error)) (*session, error) {
	limit := s.exporter.settings.ConnectTimeout.Std()
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(d)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return open(ctx)
}

// again replaces a connection that has ended in the middle of a scrape: once, for a server that ends each of them would
// be asked all day.
func (s *scrape) again(ctx context.Context, old *session) (*session, error) {
	s.exporter.sessions.drop(old)
	if s.reconnects == 0 {
		return nil, sdk.Retry(sdk.CodeUnavailable, 0, "%s: the connection has ended twice", s.address)
	}
	s.reconnects--
	return s.connect(ctx, func(ctx context.Context) (*session, error) {
		return s.exporter.sessions.dialer.open(ctx, s.address, old.database)
	})
}

// collect runs a collector with half of the time that is left, so that one that takes long leaves some to the others.
func (s *scrape) collect(ctx context.Context, c *collector, e *session) {
	start := time.Now()
	if d, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, d.Add(-time.Until(d)/2))
		defer cancel()
	}
	more, err := c.run(ctx, e, s.out)
	if err != nil {
		err = fmt.Errorf("database %s: %w", e.database, err)
	}
	s.add(c.name, result{took: time.Since(start), err: err, more: more})
}

func (s *scrape) add(collector string, r result) {
	sum := s.results[collector]
	if sum == nil {
		sum = &result{}
		s.results[collector] = sum
	}
	sum.took += r.took
	sum.more = sum.more || r.more
	if sum.err == nil {
		sum.err = r.err
	}
}

// databases runs the collectors that are for each database in the other ones, one connection at a time.
func (s *scrape) databases(ctx context.Context, main *session) {
	var each []*collector
	for _, c := range s.exporter.run {
		if c.each {
			each = append(each, c)
		}
	}
	if len(each) == 0 {
		return
	}
	fail := func(err error) {
		for _, c := range each {
			s.add(c.name, result{err: err})
		}
	}
	names, err := s.discover(ctx, main)
	if err != nil {
		fail(fmt.Errorf("list the databases: %w", err))
		return
	}
	var end time.Time // leaves a tenth of the time, so that the last one is no failure
	if d, ok := ctx.Deadline(); ok {
		end = d.Add(-time.Until(d) / 10)
	}
	measured := 0
	for _, name := range names {
		if measured == s.exporter.settings.MaxDatabases || ctx.Err() != nil || !end.IsZero() && time.Now().After(end) {
			break
		}
		measured++
		e, err := s.connect(ctx, func(ctx context.Context) (*session, error) {
			return s.exporter.sessions.dialer.open(ctx, s.address, name)
		})
		if err != nil {
			fail(fmt.Errorf("database %s: %w", name, err))
			continue
		}
		for _, c := range each {
			if !e.broken() {
				s.collect(ctx, c, e)
			}
		}
		e.close()
	}
	s.metrics.Gauge("hearth_postgres_databases_left_out", "Databases that were discovered but not measured: more than max_databases, or no time left.").
		Sample(float64(len(names) - measured))
}

// discover lists the databases to measure besides the one connected to.
func (s *scrape) discover(ctx context.Context, main *session) ([]string, error) {
	const sql = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> current_database() AND has_database_privilege(oid, 'CONNECT') ORDER BY datname"
	var names []string
	include, exclude := s.exporter.settings.IncludeDatabases, s.exporter.settings.ExcludeDatabases
	err := main.bounded(ctx, sql, func(_ []pgconn.FieldDescription, row [][]byte) error {
		if name := string(row[0]); (len(include) == 0 || slices.Contains(include, name)) && !slices.Contains(exclude, name) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// report tells how the collectors did.
func (s *scrape) report() {
	success := s.metrics.Gauge("pg_scrape_collector_success", "postgres_exporter: Whether a collector succeeded.", "collector")
	duration := s.metrics.Gauge("pg_scrape_collector_duration_seconds", "postgres_exporter: Duration of a collector scrape.", "collector")
	truncated := s.metrics.Gauge("hearth_postgres_collector_truncated", "Whether a collector left rows out, since there were more than its limit.", "collector")
	for _, c := range s.exporter.run {
		if s.results[c.name] == nil {
			s.results[c.name] = &result{err: errNotRun}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.results)) {
		r := s.results[name]
		success.Sample(metric.Bool(r.err == nil), name)
		duration.Sample(r.took.Seconds(), name)
		truncated.Sample(metric.Bool(r.more), name)
		if r.err != nil {
			s.failed++
		}
		if s.exporter.changed(s.address.String()+" "+name, r.err) && r.err != nil && r.err != errNotRun {
			sdk.Log().Warn("a collector fails", "collector", name, "server", s.address.String(), "err", r.err)
		}
	}
}

var errNotRun = errors.New("not run")
