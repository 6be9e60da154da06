package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// growing is a target with some series that stay and, from when it is told, more new ones at each scrape, which stay
// as well.
type growing struct {
	*httptest.Server
	steady int
	step   atomic.Int64 // series that a scrape adds
	total  atomic.Int64
}

func newGrowing(t *testing.T, steady int) *growing {
	g := &growing{steady: steady}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var b []byte
		for i := range g.steady {
			b = fmt.Appendf(b, "steady{n=\"%d\"} %d\n", i, time.Now().Unix())
		}
		for i := range g.total.Add(g.step.Load()) {
			b = fmt.Appendf(b, "grown{n=\"%d\",path=\"/a/path/of/usual/length/%d\"} 1\n", i, i)
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *growing) address() string { return strings.TrimPrefix(g.URL, "http://") }

// report is what of GET /api/hearth/v1/limits is of interest here.
type report struct {
	Pressure float64
	Limits   []struct {
		Name, Key   string
		Limit, Used int64
	}
	Memory struct {
		Budget, Needed, QueryLimit int64
		Reliefs                    int
	}
	Jobs []struct {
		Job, Priority   string
		Series, Refused int
		Held            bool
	}
	Rejections []struct{ Reason, Job, Instance, Series, What, Mend string }
}

func (h *hearth) limits(t *testing.T) report {
	t.Helper()
	var answer struct {
		Status string
		Data   report
	}
	code, body := h.get(t, "/api/hearth/v1/limits?top=20")
	if err := json.Unmarshal([]byte(body), &answer); code != http.StatusOK || err != nil || answer.Status != "success" {
		t.Fatalf("limits: %d %s: %v", code, body, err)
	}
	return answer.Data
}

// gaps returns the longest time between two samples of the selector's series, and how many series there are.
func gaps(t *testing.T, h *hearth, selector string, since time.Duration) (longest time.Duration, series int) {
	t.Helper()
	for _, s := range h.matrix(t, fmt.Sprintf("%s[%s]", selector, model.Duration(since))) {
		series++
		for i := 1; i < len(s.Values); i++ {
			longest = max(longest, s.Values[i].Timestamp.Sub(s.Values[i-1].Timestamp))
		}
	}
	return longest, series
}

const limitsConfig = `
[limits]
%s
[global]
scrape_interval = "1s"
scrape_timeout = "1s"
evaluation_interval = "1s"
[[scrape_configs]]
job_name = "hearth"
static_configs = [{ targets = ["{self}"] }]
[[scrape_configs]]
job_name = "good"
priority = "high"
static_configs = [{ targets = ["%s"] }]
[[scrape_configs]]
job_name = "bomb"
static_configs = [{ targets = ["%s"] }]
`

func TestTheJobThatExplodesIsRefusedAndExplained(t *testing.T) {
	good, bomb := newGrowing(t, 500), newGrowing(t, 500)
	config := func(limit int) string {
		return fmt.Sprintf(limitsConfig, fmt.Sprint("max_series = ", limit), good.address(), bomb.address())
	}
	h := serve(t, config(6000))
	series := func(job string) int {
		for _, j := range h.limits(t).Jobs {
			if j.Job == job {
				return j.Series
			}
		}
		return 0
	}
	eventually(t, 20*time.Second, "both jobs", func() error {
		if g, b := series("good"), series("bomb"); g < 500 || b < 500 {
			return fmt.Errorf("%d and %d series", g, b)
		}
		return nil
	})
	bomb.step.Store(1000)
	good.step.Store(5) // grows a little as well
	eventually(t, 30*time.Second, "the limit", func() error {
		if bomb.total.Load() < 12_000 {
			return fmt.Errorf("%d series were exposed", bomb.total.Load())
		}
		return nil
	})
	r := h.limits(t)
	if r.Limits[0].Name != "series" || r.Limits[0].Key != "[limits] max_series" || r.Limits[0].Used > 6000 || r.Limits[0].Used < 5000 {
		t.Errorf("limit %+v", r.Limits[0])
	}
	for _, j := range r.Jobs {
		if j.Held != (j.Job == "bomb") || j.Refused > 0 != (j.Job == "bomb") || (j.Priority == "high") != (j.Job == "good") {
			t.Errorf("job %+v", j)
		}
	}
	if len(r.Rejections) != 1 || r.Rejections[0].Job != "bomb" || r.Rejections[0].Reason != "series" ||
		!strings.Contains(r.Rejections[0].Series, "grown") || !strings.Contains(r.Rejections[0].What, "6000") || !strings.Contains(r.Rejections[0].Mend, "reload") {
		t.Errorf("rejections %+v", r.Rejections)
	}
	for _, want := range []struct {
		expr string
		ok   func(float64) bool
	}{
		{`min(up)`, func(v float64) bool { return v == 1 }},
		{`count(steady{job="bomb"})`, func(v float64) bool { return v == 500 }},
		{`count(grown{job="good"}) - ` + fmt.Sprint(good.total.Load()), func(v float64) bool { return v >= -10 }},
		{`sum(hearth_limits_rejected_total{exported_job="bomb",reason="series"}) > 1000`, func(v float64) bool { return v > 1000 }},
		{`hearth_scrape_samples_dropped_total{reason="limit"} > 1000`, func(v float64) bool { return v > 1000 }},
	} {
		if v, err := h.value(want.expr); err != nil || !want.ok(v) {
			t.Errorf("%s: %v, %v", want.expr, v, err)
		}
	}
	if n := strings.Count(h.log.String(), "Refused by a limit"); n < 1 || n > 3 {
		t.Errorf("%d lines of the log tell of it", n)
	}
	if code, body := h.get(t, "/api/hearth/v1/limits?top=0"); code != http.StatusBadRequest || !strings.Contains(body, "1 to 1000") {
		t.Errorf("top=0: %d %s", code, body)
	}

	bomb.step.Store(0)
	h.configure(t, config(60_000))
	if code, body := h.post(t, "/-/reload"); code != http.StatusOK {
		t.Fatalf("reload: %d %s", code, body)
	}
	eventually(t, 10*time.Second, "all series once the limit is higher", func() error {
		if v, err := h.value(`count(grown{job="bomb"})`); err != nil || int64(v) != bomb.total.Load() {
			return fmt.Errorf("%v of %d, %v", v, bomb.total.Load(), err)
		}
		return nil
	})
}

// TestMemoryIsNeverExceeded lets a target grow without end in a server that may take 160 MiB.
func TestMemoryIsNeverExceeded(t *testing.T) {
	const budget = 160 << 20
	good, bomb := newGrowing(t, 1000), newGrowing(t, 100)
	h := serve(t, fmt.Sprintf(limitsConfig, fmt.Sprintf("memory = \"%dMiB\"", budget>>20), good.address(), bomb.address()))
	eventually(t, 20*time.Second, "both jobs", func() error {
		_, err := h.value(`count(up == 1) == 3`)
		return err
	})
	began := time.Now()
	bomb.step.Store(10_000)
	most, refusedAt := int64(0), time.Time{}
	for time.Since(began) < 90*time.Second && (refusedAt.IsZero() || time.Since(refusedAt) < 10*time.Second) {
		time.Sleep(200 * time.Millisecond)
		most = max(most, residentOf(t, h.cmd.Process.Pid))
		if refusedAt.IsZero() {
			for _, r := range h.limits(t).Rejections {
				if r.Reason == "memory" && r.Job == "bomb" {
					refusedAt = time.Now()
					t.Logf("refused after %d series in %v, %d MiB resident", bomb.total.Load(), time.Since(began).Round(time.Second), most>>20)
					bomb.step.Store(5000)
				}
			}
		}
	}
	r := h.limits(t)
	if refusedAt.IsZero() {
		t.Fatalf("%d series were exposed, and none is refused: %+v", bomb.total.Load(), r)
	}
	t.Logf("%d series exposed, %d in memory; at most %d MiB resident of %d MiB, %d MiB needed, %d reliefs", bomb.total.Load(), r.Limits[0].Used, most>>20, budget>>20, r.Memory.Needed>>20, r.Memory.Reliefs)
	if most > budget*11/10 {
		t.Errorf("%d MiB were resident, of %d", most>>20, budget>>20)
	}
	if r.Memory.Budget != budget || r.Memory.Reliefs == 0 {
		t.Errorf("memory %+v", r.Memory)
	}
	longest, series := gaps(t, h, `steady{job="good"}`, time.Since(began))
	if series != 1000 || longest > 3*time.Second {
		t.Errorf("the other job has %d series and a gap of %v", series, longest)
	}
	select {
	case <-h.done:
		t.Fatal("the server has ended")
	default:
	}
}

// residentOf returns the anonymous resident memory of a process, in bytes.
func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no RssAnon")
	return 0
}
