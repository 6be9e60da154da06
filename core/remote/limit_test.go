package remote

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// picky refuses new series whose names begin with no, and all samples of the job shut.
type picky struct{ no, shut string }

func (p *picky) Admit(ls labels.Labels) error {
	if err := p.Open(ls); err != nil {
		return err
	}
	if p.no != "" && strings.HasPrefix(ls.Get("__name__"), p.no) {
		return fmt.Errorf("%w: job %q has too many", storage.ErrLimit, ls.Get("job"))
	}
	return nil
}

func (p *picky) Count(string, string, int) {}

func (p *picky) Open(ls labels.Labels) error {
	if p.shut != "" && ls.Get("job") == p.shut {
		return storage.ErrNoSpace
	}
	return nil
}

func TestWhatALimitRefusesIsToldAndTheRestIsStored(t *testing.T) {
	gate := &picky{}
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Sync: "off", Gate: gate, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reg := prometheus.NewRegistry()
	r := NewReceiver(Options{Storage: db, MaxBytes: 1 << 20, Registerer: reg, Clock: func() time.Time { return now }})
	at := 0.0
	send := func(names ...string) (int, string) {
		at++
		req := &prompb.WriteRequest{}
		for _, name := range names {
			job, name, _ := strings.Cut(name, "/")
			ts := series("__name__", name, "job", job)
			ts.Samples = []prompb.Sample{{Value: at, Timestamp: now.UnixMilli() + int64(at)}}
			req.Timeseries = append(req.Timeseries, ts)
		}
		w := post(r, encode(t, req))
		return w.Code, w.Body.String()
	}
	for _, step := range []struct {
		what, no, shut string
		send           []string
		code           int
		says           string
	}{
		{"all is taken while there is no limit", "", "", []string{"a/x", "b/x"}, http.StatusNoContent, ""},
		{"a new series is refused, and the others are stored", "new", "", []string{"a/new1", "a/x", "b/x"}, http.StatusBadRequest, `job "a" has too many`},
		{"known ones go on", "new", "", []string{"a/x", "b/x"}, http.StatusNoContent, ""},
		{"it is asked for again each time", "", "", []string{"a/new1", "a/x"}, http.StatusNoContent, ""},
		{"a job that is not stored may send again", "", "b", []string{"a/x", "b/x"}, http.StatusServiceUnavailable, "disk is full"},
		{"its new series, too", "", "b", []string{"a/x", "b/y"}, http.StatusServiceUnavailable, "disk is full"},
		{"also if something is refused for good", "new", "b", []string{"a/new2", "b/x", "a/x"}, http.StatusServiceUnavailable, "disk is full"},
		{"then all goes on", "", "", []string{"a/x", "b/x", "b/y", "a/new2"}, http.StatusNoContent, ""},
	} {
		gate.no, gate.shut = step.no, step.shut
		if code, body := send(step.send...); code != step.code || !strings.Contains(body, step.says) {
			t.Errorf("%s: %d %q, want %d %q", step.what, code, body, step.code, step.says)
		}
	}
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cs, err := q.Select(t.Context(), math.MinInt64, math.MaxInt64, labels.MustNewMatcher(labels.MatchNotEqual, "job", ""))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, c := range cs {
		for i := range c.Len() {
			vals, err := c.Values(i, 0, len(c.Times()), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range vals {
				if !storage.IsAbsent(v) {
					got[c.Labels(i).Get("job")+"/"+c.Labels(i).Get("__name__")]++
				}
			}
		}
	}
	if want := "map[a/new1:1 a/new2:1 a/x:8 b/x:4 b/y:1]"; fmt.Sprint(got) != want {
		t.Errorf("stored %v, want %s", got, want)
	}
	for reason, want := range map[string]float64{"limit": 2, "no_space": 3} {
		if n := testutil.ToFloat64(r.metrics.rejected.WithLabelValues(reason)); n != want {
			t.Errorf("%v samples rejected for %s, want %v", n, reason, want)
		}
	}
}
