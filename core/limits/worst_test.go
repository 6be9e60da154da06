package limits

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// world is a gate with its jobs, and a clock.
type world struct {
	*Gate
	now    time.Time
	next   int
	usage  Usage
	counts map[string]int
}

func newWorld(c Config) *world {
	w := &world{now: time.Unix(1_700_000_000, 0), counts: map[string]int{}}
	w.Gate = New(Options{
		Config: c, Logger: slog.New(slog.DiscardHandler),
		Clock:  func() time.Time { return w.now },
		Memory: func() Usage { return w.usage },
	})
	return w
}

// add asks for a new series and adds it if it may be.
func (w *world) add(job string) error {
	w.next++
	err := w.Admit(labels.FromStrings("__name__", "m", "instance", "a", "job", job, "n", fmt.Sprint(w.next)))
	if err == nil {
		w.load(job, 1)
	}
	return err
}

// load adds series that nobody asks for.
func (w *world) load(job string, n int) {
	w.Count(job, "a", n)
	w.counts[job] += n
}

func (w *world) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		w.now = w.now.Add(time.Second)
		w.Tick()
	}
}

func TestAJobThatExplodesStopsItselfAlone(t *testing.T) {
	w := newWorld(Config{MaxSeries: 100_000})
	w.load("large", 40_000)
	w.load("small", 2_000)
	w.load("middle", 20_000)
	w.Tick()
	refused := 0
	for second := range 600 {
		for range 500 {
			if err := w.add("bomb"); err != nil {
				refused++
				if !errors.Is(err, storage.ErrLimit) {
					t.Fatal(err)
				}
			}
		}
		for _, job := range []string{"large", "small", "middle", fmt.Sprint("new", second/60)} { // a service is rolled out now and then
			if second%5 == 0 {
				if err := w.add(job); err != nil {
					t.Fatalf("second %d: job %s: %v", second, job, err)
				}
			}
		}
		w.pass(time.Second)
	}
	if total := w.Report(1).Limits[0].Used; total > 100_000 {
		t.Errorf("%d series", total)
	}
	if refused < 200_000 || w.counts["bomb"] < 20_000 {
		t.Errorf("%d refused, the bomb has %d", refused, w.counts["bomb"])
	}
	r := w.Report(10)
	for _, j := range r.Jobs {
		if j.Held != (j.Job == "bomb") {
			t.Errorf("job %s: held %v: %+v", j.Job, j.Held, j)
		}
	}
	if len(r.Rejections) != 1 || r.Rejections[0].Job != "bomb" || r.Rejections[0].Count != uint64(refused) {
		t.Errorf("rejections %+v", r.Rejections)
	}
}

func TestTheLimitHoldsAndTheWorstGoFirst(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			const limit = 5_000
			w := newWorld(Config{MaxSeries: limit})
			jobs := make([]string, 2+rnd.IntN(8))
			for i := range jobs {
				jobs[i] = fmt.Sprint("j", i)
				w.load(jobs[i], rnd.IntN(limit/len(jobs)))
			}
			w.Tick()
			for range 300 {
				switch job := jobs[rnd.IntN(len(jobs))]; rnd.IntN(6) {
				case 0, 1, 2:
					for range rnd.IntN(200) {
						_ = w.add(job)
					}
				case 3:
					n := rnd.IntN(w.counts[job] + 1)
					w.load(job, -n)
				case 4:
					w.pass(time.Duration(rnd.IntN(5)) * time.Second)
				case 5:
					w.now = w.now.Add(time.Duration(rnd.IntN(7200)) * time.Second)
				}
				w.check(t, limit)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// check compares the choice with one made anew of all that is known.
func (w *world) check(t *testing.T, limit int) {
	t.Helper()
	w.Tick()
	total := 0
	for _, n := range w.counts {
		total += n
	}
	r := w.Report(1000)
	if total > limit || int(r.Limits[0].Used) != total {
		t.Errorf("%d series, the gate counts %d, of %d", total, r.Limits[0].Used, limit)
	}
	fair := float64(total) / float64(len(r.Jobs))
	over := func(j JobUse) float64 { return float64(w.counts[j.Job]) - max(float64(j.Usual), fair) }
	for _, a := range r.Jobs {
		if a.Series != w.counts[a.Job] {
			t.Errorf("job %s has %d series, the gate counts %d", a.Job, w.counts[a.Job], a.Series)
		}
		switch {
		case total*10 <= limit*9 && a.Held:
			t.Errorf("job %s is held with %d of %d series", a.Job, total, limit)
		case total >= limit && !a.Held:
			t.Errorf("job %s is not held with %d of %d series", a.Job, total, limit)
		case total < limit && a.Held && over(a) < -2:
			t.Errorf("job %s is held with %d series, usual %d, fair %g", a.Job, a.Series, a.Usual, fair)
		}
		for _, b := range r.Jobs {
			if a.Held && !b.Held && over(b) > over(a)+2 && over(b) > 1 {
				t.Errorf("job %s is held (%g beyond its share) and %s is not (%g)", a.Job, over(a), b.Job, over(b))
			}
		}
		if err := w.Admit(labels.FromStrings("__name__", "m", "instance", "a", "job", a.Job)); (err != nil) != a.Held {
			t.Errorf("job %s: held %v, and a new series: %v", a.Job, a.Held, err)
		}
	}
}

func TestPressureChoosesMore(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		excess, largest, pressure float64
		want                      bool
	}{
		{"no pressure refuses nobody", 100, 100, 0, false},
		{"a little stops the worst", 100, 100, 0.01, true},
		{"and no other", 98, 100, 0.01, false},
		{"more stops those that have grown half as much", 50, 100, 0.5, true},
		{"who has not grown is not stopped", 0, 100, 0.99, false},
		{"even if nobody has", 0, 0, 0.99, false},
		{"at the limit all are", 0, 100, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refuses(tt.excess, tt.largest, tt.pressure); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestWhatLastsBecomesUsual(t *testing.T) {
	usual := 0.0
	for range 60 {
		usual = accustom(usual, 1000, time.Minute, false)
	}
	if usual < 499 || usual > 501 {
		t.Errorf("after an hour %g", usual)
	}
	if slow := accustom(0, 1000, time.Hour, true); slow > 50 {
		t.Errorf("under pressure %g after an hour", slow)
	}
}

func TestEssentialSeriesAreAddedBeyondTheLimit(t *testing.T) {
	w := newWorld(Config{MaxSeries: 1000, MaxSeriesPerJob: 500})
	w.load("a", 1000)
	w.Tick()
	for _, name := range []string{"up", "scrape_duration_seconds", "ALERTS", "ALERTS_FOR_STATE"} {
		if err := w.Admit(labels.FromStrings("__name__", name, "job", "a")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	admitted := 0
	for i := range 3 * leastSpare { // a sender that has found that out
		if w.Admit(labels.FromStrings("__name__", "up", "job", "b", "n", fmt.Sprint(i))) == nil {
			admitted++
		}
	}
	if admitted > leastSpare {
		t.Errorf("%d essential series were added beyond the limit", admitted)
	}
}
