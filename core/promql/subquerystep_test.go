package promql

import (
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
)

func TestTheStepOfSubqueriesIsAskedForAtEachQuery(t *testing.T) {
	step := time.Minute
	e := New(Options{SubqueryStepNow: func() time.Duration { return step }})
	count := func() float64 {
		res, err := e.Instant(t.Context(), steadyData(1), "count_over_time(vector(1)[10m:])", now, QueryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return res.Value.(model.Vector)[0].V
	}
	for _, tt := range []struct {
		step time.Duration
		want float64
	}{
		{time.Minute, 10},
		{2 * time.Minute, 5},
		{0, 10}, // none is the standard
	} {
		if step = tt.step; count() != tt.want {
			t.Errorf("step %s: %v samples, want %v", tt.step, count(), tt.want)
		}
	}
}
