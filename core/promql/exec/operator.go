// Package exec evaluates plans: it makes a tree of operators and pulls one pass of columns through it.
//
// A column is one series over all steps of the query, with a float, a native histogram or nothing at each. An operator first says
// which series it has (open), then pushes their columns one after another to whoever asked (run). So what an
// aggregation folds is never kept: the scan below it decodes a series into a buffer, computes a window function into
// another, and hands that up. Operators that need all of their input at once, such as joins, collect it, and every
// such allocation is charged to the query first.
//
// The order of series is part of the result, since sums depend on it: a scan has them in order of their labels, as
// upstream has them of its blocks, and each operator keeps the order of its input as upstream's does.
package exec

import (
	"github.com/hearth-project/hearth/core/storage"
)

// sink takes the column of series i. The column may be changed but not kept: it is reused after the call.
type sink func(i int, col column) error

// operator is an expression of type vector.
type operator interface {
	// open returns the series. It is called once, before run.
	open(q *query) ([]series, error)
	// run pushes the columns in the order of the series, each once. Those without any value may be left out.
	run(q *query, out sink) error
}

// matrix is the whole result of an operator: series that have a value, and their columns.
type matrix struct {
	series []series
	cols   []column
}

// holder is an operator that has its whole result in memory anyway. It is used in place of open and run.
type holder interface {
	matrix(q *query) (*matrix, error)
}

// collect runs op and returns all columns that have a value.
func collect(q *query, op operator) (*matrix, error) {
	if h, ok := op.(holder); ok {
		return h.matrix(q)
	}
	ss, err := op.open(q)
	if err != nil {
		return nil, err
	}
	m := &matrix{}
	return m, op.run(q, m.keep(q, ss))
}

// keep returns a sink that adds the columns that have a value to m; ss are the series the sink is told of.
func (m *matrix) keep(q *query, ss []series) sink {
	return func(i int, col column) error {
		if col.empty() {
			return nil
		}
		kept, err := q.keep(col)
		if err != nil {
			return err
		}
		m.series = append(m.series, ss[i])
		m.cols = append(m.cols, kept)
		return nil
	}
}

// push pushes the columns of m.
func (m *matrix) push(out sink) error {
	for i, col := range m.cols {
		if err := out(i, col); err != nil {
			return err
		}
	}
	return nil
}

// release gives the columns back to the budget; they must not be used any more.
func (m *matrix) release(q *query) {
	for _, col := range m.cols {
		q.drop(col)
	}
}

// held makes an operator of a function that computes its whole result.
type held struct {
	compute func(q *query) (*matrix, error)
	m       *matrix
}

func (h *held) matrix(q *query) (*matrix, error) { return h.compute(q) }

func (h *held) open(q *query) (_ []series, err error) {
	if h.m, err = h.compute(q); err != nil {
		return nil, err
	}
	return h.m.series, nil
}

func (h *held) run(_ *query, out sink) error { return h.m.push(out) }

func empty(col []float64) bool {
	for _, x := range col {
		if !storage.IsAbsent(x) {
			return false
		}
	}
	return true
}

func fill(col []float64, x float64) {
	for k := range col {
		col[k] = x
	}
}
