// Package model holds the few types every part of hearth speaks: samples, the values a query returns, and
// alerts. Label sets and matchers are the library's (github.com/prometheus/prometheus/model/labels), so that
// their sorting, hashing and matching never drift from upstream. Nothing in core lies below this package.
package model

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// StaleNaN is the bit pattern of the staleness marker: a sample with it says that the series has ended.
const StaleNaN = value.StaleNaN

// Stale is the staleness marker as a value; compare with IsStale, never with ==.
var Stale = math.Float64frombits(StaleNaN)

// IsStale tells whether v is the staleness marker. Any other NaN is an ordinary value.
func IsStale(v float64) bool { return math.Float64bits(v) == StaleNaN }

// Sample is one float sample of a series.
type Sample struct {
	T int64 // Unix milliseconds
	V float64
}

// ValueType names the type of a query result as the HTTP API spells it.
type ValueType string

// The types a PromQL expression can have.
const (
	ValueVector ValueType = "vector"
	ValueMatrix ValueType = "matrix"
	ValueScalar ValueType = "scalar"
	ValueString ValueType = "string"
)

// Value is the result of a query: a Vector, Matrix, Scalar or String.
type Value interface{ Type() ValueType }

// VectorSample is one element of an instant vector.
type VectorSample struct {
	Labels labels.Labels
	Sample
	H *histogram.FloatHistogram // if it is not a float; nobody changes it
}

// Vector is an instant vector: one sample a series, all at the evaluation time unless the query says otherwise.
type Vector []VectorSample

// Histogram is one native histogram sample of a series: H with integer counts, or FH with float ones. Who gets one
// must not change what it points to.
type Histogram struct {
	T  int64 // Unix milliseconds
	H  *histogram.Histogram
	FH *histogram.FloatHistogram
}

// Float returns the sample with float counts; it is a copy if the counts are integers.
func (h Histogram) Float() *histogram.FloatHistogram {
	if h.H != nil {
		return h.H.ToFloat(nil)
	}
	return h.FH
}

// Series is one row of a matrix: samples of each kind in order of T. At one time there is a sample of one kind.
type Series struct {
	Labels     labels.Labels
	Samples    []Sample
	Histograms []Histogram
	Starts     []Start // of samples of either kind, in order of T; mostly none
}

// Start is the start timestamp of the sample at T, both Unix milliseconds: since when it counts.
type Start struct{ T, ST int64 }

// Matrix is a range vector, or the result of a range query; sorted by labels.
type Matrix []Series

// Scalar is one number without labels.
type Scalar Sample

// String is one string without labels.
type String struct {
	T int64 // Unix milliseconds
	V string
}

// Type returns ValueVector.
func (Vector) Type() ValueType { return ValueVector }

// Type returns ValueMatrix.
func (Matrix) Type() ValueType { return ValueMatrix }

// Type returns ValueScalar.
func (Scalar) Type() ValueType { return ValueScalar }

// Type returns ValueString.
func (String) Type() ValueType { return ValueString }
