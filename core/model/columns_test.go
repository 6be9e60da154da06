package model

import (
	"reflect"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestColumnsAreAMatrix(t *testing.T) {
	a, b := labels.FromStrings("s", "a"), labels.FromStrings("s", "b")
	c := &Columns{Start: 1000, Step: 10, Series: []Column{
		{Labels: a, V: []float64{1, 2, 3}, Runs: []Run{{0, 1}, {4, 2}}},
		{Labels: b, Histograms: []Histogram{{T: 1010}}},
	}}
	want := Matrix{
		{Labels: a, Samples: []Sample{{T: 1000, V: 1}, {T: 1040, V: 2}, {T: 1050, V: 3}}},
		{Labels: b, Histograms: []Histogram{{T: 1010}}},
	}
	if got := c.Matrix(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if c.Type() != ValueMatrix {
		t.Error(c.Type())
	}
}
