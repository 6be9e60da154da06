package promql

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	upstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// asUpstream makes an Engine what upstream's test scripts run on: a QueryEngine over an upstream storage, whose samples
// it is given as columns.
type asUpstream struct{ *Engine }

func (e asUpstream) NewInstantQuery(_ context.Context, q upstorage.Queryable, _ upstream.QueryOpts, expr string, t time.Time) (upstream.Query, error) {
	return e.prepare(q, request{expr: expr, start: t, end: t, instant: true})
}

func (e asUpstream) NewRangeQuery(_ context.Context, q upstorage.Queryable, _ upstream.QueryOpts, expr string, start, end time.Time, step time.Duration) (upstream.Query, error) {
	return e.prepare(q, request{expr: expr, start: start, end: end, step: step})
}

func (e asUpstream) prepare(q upstorage.Queryable, r request) (upstream.Query, error) {
	if _, err := e.plan(r); err != nil {
		return nil, err
	}
	p := &preparedQuery{e: e.Engine, from: columnsOf{q}, r: r}
	if q, ok := q.(stored); ok {
		p.from = q.db
	}
	return p, nil
}

type preparedQuery struct {
	e    *Engine
	from storage.Queryable
	r    request
}

func (p *preparedQuery) Exec(ctx context.Context) *upstream.Result {
	res, annos, err := p.e.evaluate(ctx, p.from, p.r)
	if err != nil {
		return &upstream.Result{Err: err, Warnings: annos}
	}
	return &upstream.Result{Value: upstreamValue(res.Value), Warnings: annos}
}

func (p *preparedQuery) Statement() parser.Statement {
	expr, _ := p.e.parser.ParseExpr(p.r.expr)
	return &parser.EvalStmt{Expr: expr, Start: p.r.start, End: p.r.end, Interval: p.r.step}
}

func (p *preparedQuery) Close()                   {}
func (p *preparedQuery) Cancel()                  {}
func (p *preparedQuery) Stats() *stats.Statistics { return &stats.Statistics{} }
func (p *preparedQuery) String() string           { return p.r.expr }

func upstreamValue(v model.Value) parser.Value {
	switch v := v.(type) {
	case model.Scalar:
		return upstream.Scalar{T: v.T, V: v.V}
	case model.String:
		return upstream.String{T: v.T, V: v.V}
	case model.Vector:
		out := make(upstream.Vector, len(v))
		for i, s := range v {
			out[i] = upstream.Sample{Metric: s.Labels, T: s.T, F: s.V, H: s.H}
		}
		return out
	case model.Matrix:
		out := make(upstream.Matrix, len(v))
		for i, s := range v {
			out[i].Metric = s.Labels
			for _, p := range s.Samples {
				out[i].Floats = append(out[i].Floats, upstream.FPoint{T: p.T, F: p.V})
			}
			for _, p := range s.Histograms {
				out[i].Histograms = append(out[i].Histograms, upstream.HPoint{T: p.T, H: p.Float()})
			}
		}
		return out
	}
	return nil
}

// columnsOf reads an upstream storage as columns. Series are put into groups by their hash, so that some share
// timestamps and some have holes.
type columnsOf struct{ q upstorage.Queryable }

func (c columnsOf) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := c.q.Querier(mint, maxt)
	return columnQuerier{q}, err
}

type columnQuerier struct{ q upstorage.Querier }

func (c columnQuerier) Close() error { return c.q.Close() }

func (c columnQuerier) LabelNames(ctx context.Context, ms ...*labels.Matcher) ([]string, error) {
	names, _, err := c.q.LabelNames(ctx, nil, ms...)
	return names, err
}

func (c columnQuerier) LabelValues(ctx context.Context, name string, ms ...*labels.Matcher) ([]string, error) {
	values, _, err := c.q.LabelValues(ctx, name, nil, ms...)
	return values, err
}

func (c columnQuerier) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	const groups = 3
	var in [groups][]storedSeries
	set := c.q.Select(ctx, true, &upstorage.SelectHints{Start: mint, End: maxt}, ms...)
	for set.Next() {
		s := storedSeries{labels: set.At().Labels()}
		it := set.At().Iterator(nil)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			p := storedSample{t: it.AtT(), v: storage.Absent, st: it.AtST()}
			if typ == chunkenc.ValFloat {
				_, p.v = it.At()
			} else if _, p.h = it.AtFloatHistogram(nil); model.IsStale(p.h.Sum) {
				p.v, p.h = model.Stale, nil
			} else {
				p.integer = typ == chunkenc.ValHistogram
			}
			if p.t >= mint && p.t <= maxt {
				s.samples = append(s.samples, p)
			}
		}
		if it.Err() != nil {
			return nil, it.Err()
		}
		if len(s.samples) > 0 {
			g := s.labels.Hash() % groups
			in[g] = append(in[g], s)
		}
	}
	var out []storage.Columns
	for _, ss := range in {
		if len(ss) > 0 {
			out = append(out, newColumns(ss).selected())
		}
	}
	return out, set.Err()
}
