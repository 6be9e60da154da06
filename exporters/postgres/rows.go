package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hearth-project/hearth/sdk/metric"
)

// maxOutput is how many bytes of samples a scrape writes, of the 16 MiB the host takes. What is beyond is left out.
const maxOutput = 12 << 20

var (
	errTooMuch = errors.New("the scrape has as many samples as fit; measure less: fewer databases, tables or rows")
	errTwice   = errors.New("two rows have the same labels")
)

// output is where the samples of one call go.
type output struct {
	w      *metric.Writer
	owner  map[string]string // collector, by the name of the metric
	server string            // value of the label server; empty: there is none
	size   int               // bytes so far, about
}

// family returns the family of a metric, unless another collector has one of that name: of two meanings the operator's
// query is the one to be renamed.
func (o *output) family(collector string, kind metric.Kind, name, help string, labels []string) (*metric.Family, error) {
	if owner, there := o.owner[name]; there && owner != collector {
		return nil, fmt.Errorf("the collector %s has a metric %s already", owner, name)
	}
	o.owner[name] = collector
	return o.w.Family(kind, name, help, labels...), nil
}

// fits counts bytes of samples, and tells whether there is room for them.
func (o *output) fits(n int) error {
	if o.size+n > maxOutput {
		return errTooMuch
	}
	o.size += n
	return nil
}

// sink turns the rows of one answer into samples.
type sink struct {
	plan     *plan
	out      *output
	families []*metric.Family
	values   []string // of the labels, the server's last
	seen     map[string]struct{}
	fixed    int // bytes of a row's samples besides the labels' values
	rows     int
	more     bool // there were more rows than are taken
}

// sink begins an answer. unique says that no two rows have the same labels.
func (o *output) sink(collector string, p *plan, unique bool) (*sink, error) {
	k := &sink{plan: p, out: o, values: make([]string, len(p.labels), len(p.labels)+1), families: make([]*metric.Family, len(p.metrics))}
	names := p.labels
	if o.server != "" {
		k.values = append(k.values, o.server)
		names = append(names[:len(names):len(names)], "server")
	}
	for i, m := range p.metrics {
		f, err := o.family(collector, m.column.use.kind(), m.name, m.column.help, names)
		if err != nil {
			return nil, err
		}
		k.families[i] = f
		k.fixed += len(m.name) + 20
		for _, n := range names {
			k.fixed += len(n) + 4
		}
	}
	if !unique {
		k.seen = map[string]struct{}{}
	}
	return k, nil
}

// row adds the samples of one row. A value that is NULL is none.
func (k *sink) row(fields []pgconn.FieldDescription, row [][]byte) error {
	if k.plan.most > 0 && k.rows == k.plan.most {
		k.more = true
		return nil
	}
	k.rows++
	size := k.fixed
	for i, c := range k.plan.order {
		if v := row[c]; string(v) != k.values[i] { // which often it is, of the row before
			k.values[i] = string(v)
		}
		size += len(row[c]) * len(k.families)
	}
	if err := k.out.fits(size); err != nil {
		return err
	}
	if k.seen != nil {
		key := fmt.Sprintf("%q", k.values)
		if _, twice := k.seen[key]; twice {
			return fmt.Errorf("%w: %s", errTwice, key)
		}
		k.seen[key] = struct{}{}
	}
	for i := range k.plan.metrics {
		m := &k.plan.metrics[i]
		if row[m.index] == nil {
			continue
		}
		if err := k.sample(k.families[i], m, fields, row); err != nil {
			return fmt.Errorf("column %s: %w", m.column.name, err)
		}
	}
	return nil
}

func (k *sink) sample(f *metric.Family, m *planned, fields []pgconn.FieldDescription, row [][]byte) error {
	text := row[m.index]
	switch m.column.use {
	case mapped:
		v, ok := m.column.mapping[string(text)]
		if !ok {
			return fmt.Errorf("%.40q has no number in mapping", text)
		}
		f.Sample(v, k.values...)
		return nil
	case histogram:
		return k.distribution(f, m, row)
	}
	v, err := number(text, fields[m.index].DataTypeOID)
	if err != nil {
		return err
	}
	f.Sample(v, k.values...)
	return nil
}

// distribution adds a histogram of the columns NAME, NAME_bucket, NAME_sum and NAME_count.
func (k *sink) distribution(f *metric.Family, m *planned, row [][]byte) error {
	bounds, err := list(row[m.index])
	if err != nil {
		return err
	}
	counts, err := list(row[m.bucket])
	if err != nil {
		return fmt.Errorf("_bucket: %w", err)
	}
	bs, err := buckets(bounds, counts)
	if err != nil {
		return err
	}
	sum, err := number(row[m.sum], 0)
	if err != nil {
		return fmt.Errorf("_sum: %w", err)
	}
	count, err := number(row[m.counted], 0)
	if err != nil {
		return fmt.Errorf("_count: %w", err)
	}
	if count < 0 || (len(bs) > 0 && float64(bs[len(bs)-1].Count) > count) {
		return fmt.Errorf("_count is %v, less than a bucket's", count)
	}
	if err := k.out.fits(len(bs) * (k.fixed + 20)); err != nil {
		return err
	}
	f.Histogram(uint64(count), sum, bs, k.values...)
	return nil
}

// run asks a query of a database.
func (o *output) run(ctx context.Context, e *session, collector string, q *query) (more bool, err error) {
	p := e.plans[q]
	if p == nil {
		p = q.plan(e.major)
		e.plans[q] = p
	}
	if len(p.metrics) == 0 { // in this version
		return false, nil
	}
	k, err := o.sink(collector, p, true)
	if err != nil {
		return false, err
	}
	err = e.bounded(ctx, p.sql, k.row)
	return k.more, err
}
