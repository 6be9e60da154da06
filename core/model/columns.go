package model

import "github.com/prometheus/prometheus/model/labels"

// Columns is a matrix whose floats are at the steps of one grid, as those of a range query are: a sample takes 8 bytes,
// and not the 16 of a Sample.
type Columns struct {
	Start, Step int64    // Unix milliseconds; milliseconds
	Series      []Column // sorted by labels
}

// Column is one series of Columns.
type Column struct {
	Labels     labels.Labels
	V          []float64   // the floats, in order of time
	Runs       []Run       // where they are
	Histograms []Histogram // in order of T; at one step there is a sample of one kind
}

// Run is a number of steps, one after the other, that have a float each.
type Run struct{ First, N int32 }

// Type returns ValueMatrix.
func (*Columns) Type() ValueType { return ValueMatrix }

// Samples appends the floats of series i to dst.
func (c *Columns) Samples(i int, dst []Sample) []Sample {
	v := c.Series[i].V
	for _, run := range c.Series[i].Runs {
		t := c.Start + int64(run.First)*c.Step
		for _, x := range v[:run.N] {
			dst = append(dst, Sample{T: t, V: x})
			t += c.Step
		}
		v = v[run.N:]
	}
	return dst
}

// Matrix returns c as a matrix.
func (c *Columns) Matrix() Matrix {
	m := make(Matrix, len(c.Series))
	for i, s := range c.Series {
		m[i] = Series{Labels: s.Labels, Histograms: s.Histograms}
		if len(s.V) > 0 {
			m[i].Samples = c.Samples(i, make([]Sample, 0, len(s.V)))
		}
	}
	return m
}
