package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	upstream "github.com/prometheus/prometheus/rules"
	upstreamdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	ourpromql "github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/tsdb"
)

// beside goes through the steps with both managers and compares what they have done after each.
func beside(t *testing.T, steps []step) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, start)
		defer w.stop()
		for i, s := range steps {
			if s.feed != nil {
				w.setFeed(t, s.feed)
			}
			if s.down > 0 {
				w.stop()
				time.Sleep(s.down)
			}
			if s.down > 0 || i == 0 {
				w.start(t)
			}
			w.load(t, s)
			time.Sleep(s.run)
			synctest.Wait()
			sameLines(t, fmt.Sprintf("samples after step %d", i), dump(t, w.ours, start.UnixMilli()), dumpUpstream(t, w.theirs, start.UnixMilli()))
			sameLines(t, fmt.Sprintf("sent alerts after step %d", i), w.sent("ours"), w.sent("theirs"))
			sameLines(t, fmt.Sprintf("status after step %d", i), ourStatus(w.manager), theirStatus(w.upstream))
		}
	})
}

// world is both managers with their storage and what they have sent.
type world struct {
	dir     string
	started time.Time
	ours    *tsdb.DB
	theirs  *upstreamdb.DB
	engine  *promql.Engine

	manager  *Manager
	upstream *upstream.Manager
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	feed   map[string]labels.Labels
	values feed
	lines  map[string][]string
}

var externalLabels = map[string]string{"region": "eu", "team": "hidden by the rule's"}

func newWorld(t *testing.T, start time.Time) *world {
	t.Helper()
	o := upstreamdb.DefaultOptions()
	o.RetentionDuration = 0
	db, err := upstreamdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := tsdb.Open(tsdb.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		dir:     t.TempDir(),
		started: start,
		ours:    ours,
		theirs:  db,
		engine:  promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: time.Minute}),
		lines:   map[string][]string{},
	}
	feeding, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.measure(t, feeding)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		if err := errors.Join(db.Close(), ours.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) setFeed(t *testing.T, f feed) {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	sets := map[string]labels.Labels{}
	for text := range f {
		ls, err := p.ParseMetric(text)
		if err != nil {
			t.Fatal(err)
		}
		sets[text] = ls
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.feed, w.values = sets, f
}

// measure writes what the feed says to both storages each 10 s.
func (w *world) measure(t *testing.T, ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.mu.Lock()
			app := w.theirs.Appender(ctx)
			for text, ls := range w.feed {
				v, ok := w.values[text](now.Sub(w.started))
				if !ok {
					continue
				}
				if err := w.ours.Append(ctx, []model.Series{{Labels: ls, Samples: []model.Sample{{T: now.UnixMilli(), V: v}}}}); err != nil {
					t.Error(err)
				}
				if _, err := app.Append(0, ls, now.UnixMilli(), v); err != nil {
					t.Error(err)
				}
			}
			if err := app.Commit(); err != nil {
				t.Error(err)
			}
			w.mu.Unlock()
		}
	}
}

// start makes both managers anew.
func (w *world) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	p := parser.NewParser(parser.Options{})
	engine := ourpromql.New(ourpromql.Options{Lookback: time.Minute})
	w.manager = NewManager(Options{
		Query: func(ctx context.Context, expr string, at time.Time) (model.Vector, error) {
			res, err := engine.Instant(ctx, w.ours, expr, at, ourpromql.QueryOptions{})
			if err != nil {
				return nil, err
			}
			if s, ok := res.Value.(model.Scalar); ok {
				return model.Vector{{Sample: model.Sample(s)}}, nil
			}
			return res.Value.(model.Vector), nil
		},
		Storage: w.ours,
		Parser:  p,
		Notify: func(_ context.Context, alerts []*model.Alert) error {
			for _, a := range alerts {
				w.note("ours", a.Labels, a.Annotations, string(a.State), a.Value, a.ActiveAt, a.FiredAt, a.ResolvedAt, a.LastSentAt, a.ValidUntil, a.KeepFiringSince)
			}
			return nil
		},
	})
	w.upstream = upstream.NewManager(&upstream.ManagerOptions{
		QueryFunc: upstream.EngineQueryFunc(w.engine, w.theirs),
		NotifyFunc: func(_ context.Context, _ string, alerts ...*upstream.Alert) {
			for _, a := range alerts {
				w.note("theirs", a.Labels, a.Annotations, a.State.String(), a.Value, a.ActiveAt, a.FiredAt, a.ResolvedAt, a.LastSentAt, a.ValidUntil, a.KeepFiringSince)
			}
		},
		Context:                ctx,
		Appendable:             w.theirs,
		Queryable:              w.theirs,
		OutageTolerance:        time.Hour,
		ForGracePeriod:         10 * time.Minute,
		ResendDelay:            time.Minute,
		DefaultRuleQueryOffset: func() time.Duration { return w.offset() },
		Parser:                 p,
	})
	w.running.Go(w.upstream.Run)
	w.running.Go(func() {
		if err := w.manager.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
}

func (w *world) stop() {
	if w.cancel != nil {
		w.upstream.Stop()
		w.cancel()
		w.running.Wait()
		w.cancel = nil
	}
}

func (w *world) load(t *testing.T, s step) {
	t.Helper()
	w.mu.Lock()
	w.values["offset"] = steady(s.offset.Seconds())
	w.mu.Unlock()
	path := filepath.Join(w.dir, "rules.yml")
	if err := os.WriteFile(path, []byte(s.rules), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{RuleFiles: []string{filepath.Join(w.dir, "*.yml")}}
	cfg.Global.EvaluationInterval = config.Duration(time.Minute)
	cfg.Global.RuleQueryOffset = config.Duration(s.offset)
	cfg.Global.ExternalLabels = externalLabels
	if err := w.manager.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	if err := w.upstream.Update(time.Minute, []string{path}, labels.FromMap(externalLabels), "", nil); err != nil {
		t.Fatal(err)
	}
}

func (w *world) offset() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.values["offset"]; f != nil {
		s, _ := f(0)
		return time.Duration(s * float64(time.Second))
	}
	return 0
}

func (w *world) note(who string, ls, annotations labels.Labels, state string, v float64, times ...time.Time) {
	line := fmt.Sprint(time.Since(w.started), ls, annotations, state, v)
	for _, t := range times {
		if !t.IsZero() {
			line += fmt.Sprint(" ", t.Sub(w.started))
		} else {
			line += " -"
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[who] = append(w.lines[who], line)
}

func (w *world) sent(who string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Clone(w.lines[who])
	slices.Sort(out)
	return out
}

func ourStatus(m *Manager) (out []string) {
	for _, g := range m.Groups() {
		out = append(out, fmt.Sprintln(g.File, g.Name, g.Interval, g.QueryOffset, g.Limit, g.LastEvaluation))
		for _, r := range g.Rules {
			out = append(out, fmt.Sprintln(g.Name, r.Name, r.Labels, r.Expr, r.Health, r.LastEvaluation))
			if r.Alerting {
				out[len(out)-1] += fmt.Sprintln(r.Annotations, r.For, r.KeepFiringFor, r.State)
			}
			for _, a := range r.Alerts {
				out = append(out, fmt.Sprintln(g.Name, r.Name, a.Labels, a.Annotations, a.State, a.Value, a.ActiveAt, a.KeepFiringSince))
			}
		}
	}
	slices.Sort(out)
	return out
}

func theirStatus(m *upstream.Manager) (out []string) {
	for _, g := range m.RuleGroups() {
		out = append(out, fmt.Sprintln(g.File(), g.Name(), g.Interval(), g.QueryOffset(), g.Limit(), g.GetLastEvaluation()))
		for _, r := range g.Rules() {
			out = append(out, fmt.Sprintln(g.Name(), r.Name(), r.Labels(), r.Query(), r.Health(), r.GetEvaluationTimestamp()))
			if a, ok := r.(*upstream.AlertingRule); ok {
				out[len(out)-1] += fmt.Sprintln(a.Annotations(), a.HoldDuration(), a.KeepFiringFor(), a.State())
				for _, a := range a.ActiveAlerts() {
					out = append(out, fmt.Sprintln(g.Name(), r.Name(), a.Labels, a.Annotations, a.State, a.Value, a.ActiveAt, a.KeepFiringSince))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func sameLines(t *testing.T, what string, ours, theirs []string) {
	t.Helper()
	for i := range max(len(ours), len(theirs)) {
		a, b := "nothing", "nothing"
		if i < len(ours) {
			a = ours[i]
		}
		if i < len(theirs) {
			b = theirs[i]
		}
		if a != b {
			t.Fatalf("%s: line %d of %d and %d:\nours   %s\ntheirs %s", what, i, len(ours), len(theirs), a, b)
		}
	}
}

func dumpUpstream(t *testing.T, db *upstreamdb.DB, start int64) []string {
	t.Helper()
	q, err := db.Querier(0, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchNotRegexp, commonmodel.MetricNameLabel, "in_.*"))
	var out []string
	for set.Next() {
		var samples []model.Sample
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			ts, v := it.At()
			samples = append(samples, model.Sample{T: ts, V: v})
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
		out = append(out, line(set.At().Labels(), samples, start))
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	slices.Sort(out)
	return out
}
