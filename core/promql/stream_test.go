package promql

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestHistogramsAreLetGoWhenTheyAreComplete allows for the buckets of some histograms at a time, and not for all.
func TestHistogramsAreLetGoWhenTheyAreComplete(t *testing.T) {
	db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), Sync: "off", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const hists, buckets, steps = 50, 10, 100
	var batch []model.Series
	for i := range hists {
		for b := range buckets {
			for _, name := range []string{"instance", "zone"} { // le comes between them
				s := model.Series{Labels: labels.FromStrings("__name__", "h_bucket", name, fmt.Sprintf("%02d", i), "le", fmt.Sprint(b+1))}
				for k := range int64(steps) {
					s.Samples = append(s.Samples, model.Sample{T: now.UnixMilli() - k*1000, V: float64(b + 1)})
				}
				slices.Reverse(s.Samples)
				batch = append(batch, s)
			}
		}
	}
	if err := db.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	const all = hists * buckets * steps / 2 // samples in memory: a cell of a column counts for half of one
	for _, tt := range []struct {
		name, expr string
		fits       bool
	}{
		{"the buckets of a histogram come together", `histogram_quantile(0.5, sum by (le, instance) (h_bucket{instance!=""}))`, true},
		{"so do they for fractions", `histogram_fraction(0, 5, sum by (le, instance) (h_bucket{instance!=""}))`, true},
		{"the last bucket of each comes at the end", `histogram_quantile(0.5, sum by (le, zone) (h_bucket{zone!=""}))`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := New(Options{MaxSamples: all / 2})
			res, err := e.Range(t.Context(), db, tt.expr, now.Add(-(steps-1)*time.Second), now, time.Second, QueryOptions{})
			switch {
			case !tt.fits:
				if !errors.Is(err, ErrTooManySamples) {
					t.Errorf("with %d samples: %v", all/2, err)
				}
			case err != nil:
				t.Errorf("with %d samples: %v", all/2, err)
			case len(res.Value.(model.Matrix)) != hists:
				t.Errorf("%d series", len(res.Value.(model.Matrix)))
			}
		})
	}
}
