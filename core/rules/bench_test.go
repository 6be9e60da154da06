package rules

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	upstream "github.com/prometheus/prometheus/rules"
	upstreamdb "github.com/prometheus/prometheus/tsdb"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// BenchmarkRecordingRule evaluates a rule whose query gives 1000 series, the query itself left out, and stores them;
// ours beside upstream's.
func BenchmarkRecordingRule(b *testing.B) {
	const n = 1000
	sets := make([]labels.Labels, n)
	for i := range sets {
		sets[i] = labels.FromStrings("instance", fmt.Sprintf("10.0.%d.%d:9100", i/250, i%250), "job", "node", "mode", "idle", "zone", "eu-west-1a")
	}
	start := time.Now().Truncate(time.Second)
	b.Run("ours", func(b *testing.B) {
		at := start
		db, err := tsdb.Open(tsdb.Options{Dir: b.TempDir(), Clock: func() time.Time { return at }})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		query := func(_ context.Context, _ string, t time.Time) (model.Vector, error) {
			out := make(model.Vector, n)
			for i, ls := range sets {
				out[i] = model.VectorSample{Labels: ls, Sample: model.Sample{T: t.UnixMilli(), V: float64(i)}}
			}
			return out, nil
		}
		m := NewManager(Options{Query: query, Storage: db, Parser: parser.NewParser(parser.Options{})})
		g := newGroup(m.env, groupSpec{interval: time.Minute, rules: []ruleSpec{{name: "r", expr: "x"}}}, false)
		b.ReportAllocs()
		for b.Loop() {
			at = at.Add(time.Second)
			g.iterate(b.Context(), at)
		}
		if r := g.rules[0].status(); r.Health != HealthGood || r.Samples != n {
			b.Fatalf("%+v", r)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
	})
	b.Run("upstream", func(b *testing.B) {
		db, err := upstreamdb.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, upstreamdb.DefaultOptions(), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		query := func(_ context.Context, _ string, t time.Time) (promql.Vector, error) {
			out := make(promql.Vector, n)
			for i, ls := range sets {
				out[i] = promql.Sample{Metric: ls, T: t.UnixMilli(), F: float64(i)}
			}
			return out, nil
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr("x")
		if err != nil {
			b.Fatal(err)
		}
		g := upstream.NewGroup(upstream.GroupOptions{
			Name: "g", Interval: time.Minute, Rules: []upstream.Rule{upstream.NewRecordingRule("r", expr, labels.EmptyLabels())},
			Opts: &upstream.ManagerOptions{QueryFunc: query, Appendable: db, Context: b.Context()},
		})
		at := start
		b.ReportAllocs()
		for b.Loop() {
			at = at.Add(time.Second)
			g.Eval(b.Context(), at)
		}
		if err := g.Rules()[0].LastError(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
	})
}
