package rules

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// full refuses all new series as long as it is.
type full struct{ is bool }

func (f *full) Admit(labels.Labels) error {
	if f.is {
		return storage.ErrLimit
	}
	return nil
}

func (f *full) Count(string, string, int) {}

func (f *full) Open(labels.Labels) error { return nil }

func TestALimitRefusesWhatIsNewInAResult(t *testing.T) {
	gate := &full{}
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Sync: "off", Gate: gate, Clock: func() time.Time { return time.UnixMilli(1 << 40) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	o := newOutput(db, ruleSpec{name: "r"})
	defer o.close()
	result := func(n int) model.Vector {
		var v model.Vector
		for i := range n {
			v = append(v, model.VectorSample{Labels: labels.FromStrings("n", fmt.Sprint(i)), Sample: model.Sample{V: float64(n)}})
		}
		return v
	}
	write := func(at int64, n int) error {
		_, err := o.write(t.Context(), at, result(n), 0)
		return err
	}
	if err := write(1000, 3); err != nil {
		t.Fatal(err)
	}
	gate.is = true
	for at := int64(2000); at <= 3000; at += 1000 {
		if err := write(at, 5); !errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), "2 of 5 samples were refused") {
			t.Errorf("at %d: %v", at, err)
		}
	}
	gate.is = false
	if err := write(4000, 5); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cs, err := q.Select(t.Context(), math.MinInt64, math.MaxInt64, labels.MustNewMatcher(labels.MatchEqual, "__name__", "r"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range cs {
		for i := range c.Len() {
			vals, err := c.Values(i, 0, len(c.Times()), nil)
			if err != nil {
				t.Fatal(err)
			}
			for r, v := range vals {
				if !storage.IsAbsent(v) {
					got[c.Labels(i).Get("n")] += fmt.Sprint(c.Times()[r], "=", v, " ")
				}
			}
		}
	}
	for n := range 5 {
		want := "1000=3 2000=5 3000=5 4000=5 "
		if n > 2 {
			want = "4000=5 "
		}
		if s := got[fmt.Sprint(n)]; s != want {
			t.Errorf("series %d has %s, want %s", n, s, want)
		}
	}
}
