package scrape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
)

// TestStartTimestamps scrapes OpenMetrics with start timestamps, among them those of a histogram that is made of a classic
// one, into a real database.
func TestStartTimestamps(t *testing.T) {
	const hour = 3_600_000
	now := time.Now().Add(-time.Hour).UnixMilli() / 1000 * 1000
	at := func(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }
	page := func(started int64, n int) string {
		return fmt.Sprintf("# TYPE c counter\nc_total %d\nc_created %s\n# TYPE h histogram\nh_bucket{le=\"1\"} %d\nh_bucket{le=\"+Inf\"} %d\nh_count %d\nh_sum 5\nh_created %s\n# TYPE g gauge\ng 1\n# EOF\n",
			n, at(started), n, n, n, at(started))
	}
	for _, tt := range []struct {
		name     string
		features features
		started  []int64 // before the first scrape, of each scrape
		zeros    []int64 // times of zero samples wanted, before the first scrape
		starts   int     // of c_total stored
	}{
		{name: "neither wanted", started: []int64{1000, 1000}},
		{name: "kept", features: features{keepStarts: true}, started: []int64{1000, 1000, -20_000}, starts: 3},
		{name: "a zero sample where series start", features: features{zeroStarts: true}, started: []int64{1000, 1000}, zeros: []int64{1000}},
		{name: "and start again", features: features{zeroStarts: true}, started: []int64{1000, 1000, -20_000}, zeros: []int64{1000, -20_000}},
		{name: "not before the last sample", features: features{zeroStarts: true}, started: []int64{1000, -500, -5_000}, zeros: []int64{1000, -500}},
		{name: "not after the sample", features: features{zeroStarts: true}, started: []int64{-500}},
		{name: "not too long ago", features: features{zeroStarts: true}, started: []int64{hour + 1}},
		{name: "just not too long ago", features: features{zeroStarts: true}, started: []int64{hour}, zeros: []int64{hour}},
		{name: "both", features: features{zeroStarts: true, keepStarts: true}, started: []int64{1000, 1000}, zeros: []int64{1000}, starts: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, histogramJob(true, false, true, nil))
			e.manager.features = tt.features
			e.configure(e.loop.job.cfg, nil)
			db := e.intoDatabase()
			for i, started := range tt.started {
				e.say(page(now-started, i+1))
				if err := e.scrape(now + int64(15_000*i)); err != "" {
					t.Fatal(err)
				}
			}
			e.store = contents(t, db)
			series := `{__name__="c_total", instance="i", job="j"}`
			var zeros []int64
			for _, s := range e.store.series[series] {
				if s.V == 0 {
					zeros = append(zeros, now-s.T)
				}
			}
			var empty []int64
			native := e.store.native[`{__name__="h", instance="i", job="j"}`]
			for _, h := range native {
				if h.H.Count == 0 {
					empty = append(empty, now-h.T)
				}
			}
			if fmt.Sprint(zeros) != fmt.Sprint(tt.zeros) || fmt.Sprint(empty) != fmt.Sprint(tt.zeros) {
				t.Errorf("zero samples %d and %d before the first scrape, want %d", zeros, empty, tt.zeros)
			}
			if got := e.store.starts[series]; len(got) != tt.starts || tt.starts > 0 && got[0] != (model.Start{T: now, ST: now - tt.started[0]}) {
				t.Errorf("starts %v, want %d", got, tt.starts)
			}
			if got := e.store.starts[`{__name__="h", instance="i", job="j"}`]; len(got) != tt.starts {
				t.Errorf("starts of the histogram %v, want %d", got, tt.starts)
			}
			if got := len(native); got != len(tt.started)+len(tt.zeros) {
				t.Errorf("%d histograms", got)
			}
			if created := e.store.value(`{__name__="c_created", instance="i", job="j"}`, now) != "none"; created == tt.features.wantStarts() {
				t.Errorf("c_created is stored: %v", created)
			}
			if g := e.store.series[`{__name__="g", instance="i", job="j"}`]; len(g) != len(tt.started) {
				t.Errorf("the gauge has %v", g)
			}
		})
	}
}

func TestTypeAndUnitAreLabels(t *testing.T) {
	e := expose(t, nil)
	e.manager.features = features{typeAndUnit: true}
	e.configure(e.loop.job.cfg, nil)
	e.say("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n# EOF\n")
	e.scrape(1000)
	e.say("# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds 1\n# EOF\n")
	e.scrape(2000)
	got := strings.Join(append(e.store.at(1000, false), e.store.at(2000, false)...), "\n")
	gauge := `{__name__="a_seconds", __type__="gauge", __unit__="seconds", instance="i", job="j"}`
	if want := gauge + " 1\n" + strings.Replace(gauge, "gauge", "counter", 1) + " 1\n" + gauge + " stale"; got != want {
		t.Errorf("stored\n%s\nwant\n%s", got, want)
	}
}
