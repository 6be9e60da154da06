package rules

import (
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

func TestResultsThatAreHistogramsAreStored(t *testing.T) {
	store := newMemory()
	o := newOutput(store, ruleSpec{name: "r"})
	h := &histogram.FloatHistogram{Count: 3, Sum: 4}
	a, b := labels.FromStrings("__name__", "r", "x", "a"), labels.FromStrings("__name__", "r", "x", "b")
	result := model.Vector{{Labels: labels.FromStrings("x", "a"), H: h}, {Labels: labels.FromStrings("x", "b"), Sample: model.Sample{V: 7}}}
	for at, v := range []model.Vector{result, nil} {
		if _, err := o.write(t.Context(), int64(at), v, 0); err != nil {
			t.Fatal(err)
		}
	}
	got := store.series[a.String()]
	if got == nil || len(got.Histograms) != 1 || !got.Histograms[0].FH.Equals(h) || got.Histograms[0].T != 0 {
		t.Fatalf("stored %+v", got)
	}
	if len(got.Samples) != 1 || got.Samples[0].T != 1 || !model.IsStale(got.Samples[0].V) {
		t.Errorf("no marker where the histogram has gone: %+v", got.Samples)
	}
	if got := store.series[b.String()]; got == nil || len(got.Samples) != 2 || got.Samples[0].V != 7 {
		t.Errorf("the float beside it: %+v", got)
	}
}
