package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// usage is what becomes of a column of an answer.
type usage uint8

const (
	ignored usage = iota
	label
	counter
	gauge
	untyped
	histogram // an array of bounds; NAME_bucket, NAME_count and NAME_sum stand in other columns
	mapped    // a text, which stands for a number
)

func (u usage) kind() metric.Kind {
	switch u {
	case counter:
		return metric.KindCounter
	case untyped:
		return metric.KindUntyped
	case histogram:
		return metric.KindHistogram
	}
	return metric.KindGauge
}

// column is one column of a query's answer.
type column struct {
	name    string // of the label; of a metric, what follows the query's prefix and an underscore
	expr    string // in SQL; empty: name
	use     usage
	help    string
	since   int // first major version of the server that has it; 0: all
	before  int // first that has it no more; 0: none
	mapping map[string]float64
}

func (c *column) in(major int) bool {
	return major >= c.since && (c.before == 0 || major < c.before)
}

// query is an answer of the server's that becomes metrics: each row gives a sample for each column that is one.
type query struct {
	prefix  string // of the metrics' names
	from    string // what follows the list of columns in the statement: FROM …
	with    string // what precedes SELECT
	columns []column
	most    int // rows taken; 0: all. The statement asks for one more, to know whether there are more
}

// plan is a query for one version of the server.
type plan struct {
	sql     string
	labels  []string // names, in the order of their columns
	order   []int    // for each label, the index of its column
	metrics []planned
	most    int
}

// planned is a column that is a metric.
type planned struct {
	column               *column
	name                 string
	index                int
	bucket, sum, counted int // of a histogram: the indexes of the other columns
}

// plan makes the statement, with the columns that a server of the version has.
func (q *query) plan(major int) *plan {
	p := &plan{most: q.most}
	var sql strings.Builder
	sql.WriteString(q.with)
	sql.WriteString(" SELECT ")
	n, at := 0, map[string]int{}
	for i := range q.columns {
		c := &q.columns[i]
		if !c.in(major) {
			continue
		}
		if n > 0 {
			sql.WriteString(", ")
		}
		if c.expr != "" {
			sql.WriteString(c.expr)
		} else {
			sql.WriteString(c.name)
		}
		p.add(q.prefix, c, n)
		at[c.name] = n
		n++
	}
	sql.WriteString(" ")
	sql.WriteString(q.from)
	p.sql = sql.String()
	if err := p.distributions(func(name string) (int, error) { return at[name], nil }); err != nil {
		panic(err) // find never fails
	}
	return p
}

// distributions finds the other columns of histograms.
func (p *plan) distributions(find func(name string) (int, error)) error {
	for i := range p.metrics {
		m := &p.metrics[i]
		if m.column.use != histogram {
			continue
		}
		var err error
		for _, part := range []struct {
			suffix string
			index  *int
		}{{"_bucket", &m.bucket}, {"_sum", &m.sum}, {"_count", &m.counted}} {
			if *part.index, err = find(m.column.name + part.suffix); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes the column with that index of the answer into the plan.
func (p *plan) add(prefix string, c *column, index int) {
	switch c.use {
	case ignored:
	case label:
		p.labels, p.order = append(p.labels, c.name), append(p.order, index)
	default:
		p.metrics = append(p.metrics, planned{column: c, name: prefix + "_" + c.name, index: index})
	}
}
