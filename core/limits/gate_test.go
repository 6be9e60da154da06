package limits

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASeriesIsRefusedForWhatItIs(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, tt := range []struct {
		name string
		ls   labels.Labels
		want string // of the error; empty for none
	}{
		{"one within all limits is added", labels.FromStrings("__name__", "m", "job", "j"), ""},
		{"one with too many labels is not", labels.FromStrings("__name__", "m", "a", "1", "b", "2", "c", "3", "job", "j"), "it has 5 labels, of 4 ([limits] max_labels)"},
		{"a long name of a label is refused", labels.FromStrings("__name__", "m", long, "1"), "has 101 bytes, of 100 ([limits] max_label_name_length)"},
		{"a long value is refused", labels.FromStrings("__name__", "m", "path", long), `the value of label "path" has 101 bytes, of 100 ([limits] max_label_value_length)`},
		{"a long metric name is refused", labels.FromStrings("__name__", long+long), "the metric name has 202 bytes, of 200 ([limits] max_metric_name_length)"},
		{"a metric name is no label value", labels.FromStrings("__name__", long), ""},
		{"the buckets of a series that is there are not asked", labels.FromStrings("__name__", "m", "a", "1", "b", "2", "c", "3", facet.Name, "+1"), ""},
		{"a job at its own limit gets no more", labels.FromStrings("__name__", "m", "job", "capped"), `job "capped" has 10 series in memory, of 10 (max_series of the job)`},
		{"a target at its limit gets no more", labels.FromStrings("__name__", "m", "instance", "i", "job", "many"), `target "i" of job "many" has 20 series in memory, of 20 ([limits] max_series_per_target)`},
		{"another target of the job does", labels.FromStrings("__name__", "m", "instance", "k", "job", "many"), ""},
		{"a job may have a higher limit for its targets", labels.FromStrings("__name__", "m", "instance", "i", "job", "wide"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(Config{
				MaxSeriesPerTarget: 20, MaxLabels: 4, MaxLabelName: 100, MaxLabelValue: 100, MaxMetricName: 200,
				Jobs: map[string]Job{"capped": {MaxSeries: 10}, "wide": {MaxSeriesPerTarget: 1000}},
			})
			w.Count("capped", "i", 10)
			w.Count("many", "i", 20)
			w.Count("wide", "i", 20)
			err := w.Admit(tt.ls)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "reload")):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestMemoryIsGivenUpInOrder(t *testing.T) {
	const budget = 1 << 30
	w := newWorld(Config{Memory: budget, QueryMemory: 512 << 20})
	w.load("a", 1000)
	w.load("b", 1000)
	relieve := w.Tick()
	use := func(part float64) bool {
		w.usage = Usage{Needed: int64(part * budget)}
		w.now = w.now.Add(time.Hour)
		return w.Tick()
	}
	pool := func() int64 { return w.Report(1).Memory.QueryLimit }
	if relieve || use(0.4) || pool() != 512<<20 {
		t.Errorf("with little in use: %+v", w.Report(1).Memory)
	}
	if use(0.6); pool() >= 512<<20 {
		t.Errorf("queries may hold %d though there is less", pool())
	}
	if !use(0.76) {
		t.Error("the database is not asked to let go")
	}
	if w.Tick() {
		t.Error("it is asked again at once")
	}
	for range 300 { // b grows
		if err := w.add("b"); err != nil {
			t.Fatal(err)
		}
	}
	use(0.82)
	if err := w.add("b"); !errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), `job "b" has grown most`) {
		t.Errorf("the job that grew: %v", err)
	}
	if err := w.add("a"); err != nil {
		t.Errorf("the other: %v", err)
	}
	use(0.93)
	if err := w.add("a"); !errors.Is(err, storage.ErrLimit) || !strings.Contains(err.Error(), "nobody gets new ones") {
		t.Errorf("at the end: %v", err)
	}
	if pool() > 21<<20 {
		t.Errorf("queries may hold %d", pool())
	}
	use(0.5)
	for _, job := range []string{"a", "b"} {
		if err := w.add(job); err != nil {
			t.Errorf("with memory again, %s: %v", job, err)
		}
	}
}

func TestSeriesBetweenTwoMeasurementsCount(t *testing.T) {
	w := newWorld(Config{Memory: 100 << 20})
	w.usage.Needed = 79 << 20
	w.Tick()
	n := 0
	for ; n < 100_000 && w.add("bomb") == nil; n++ {
	}
	if used := 79<<20 + int64(n)*seriesCost; used > 92<<20 || n < 100 {
		t.Errorf("%d series were added before memory was measured again", n)
	}
}

func TestTheQueriesShareIsWhatIsLeft(t *testing.T) {
	var got int64
	g := New(Options{
		Config: Config{Memory: 1 << 30, QueryMemory: 1 << 30}, Logger: slog.New(slog.DiscardHandler),
		Memory:  func() Usage { return Usage{Needed: 600 << 20, OffHeap: 100 << 20} },
		Queries: func(n int64) int64 { got = n; return 200 << 20 },
		Runtime: func(n int64) {
			if want := int64(1<<30 - 100<<20); n != want {
				t.Errorf("the runtime may have %d, want %d", n, want)
			}
		},
	})
	g.Tick()
	g.Tick() // now it is known that 200 MiB are of queries
	if budget := float64(1 << 30); got != int64(queriesTo*budget)-400<<20 {
		t.Errorf("queries may hold %d", got)
	}
}

func TestJobsStopInTheOrderOfTheirPriority(t *testing.T) {
	w := newWorld(Config{MinFree: 100, Jobs: map[string]Job{"l": {Priority: Low}, "h": {Priority: High}}})
	stored := func() string {
		out := ""
		for _, job := range []string{"l", "n", "h"} {
			err := w.Open(labels.FromStrings("job", job))
			if err == nil {
				out += job
			} else if !errors.Is(err, storage.ErrNoSpace) {
				t.Error(err)
			}
		}
		return out
	}
	for _, step := range []struct {
		name string
		s    Space
		want string
	}{
		{"all are stored while there is space", Space{Free: 300}, "lnh"},
		{"below twice the minimum low stops", Space{Free: 199}, "nh"},
		{"and stays stopped until there is clearly more", Space{Free: 299}, "nh"},
		{"then it goes on", Space{Free: 300}, "lnh"},
		{"below the minimum normal stops", Space{Free: 99}, "h"},
		{"and goes on later than it stopped", Space{Free: 149}, "h"},
		{"before low does", Space{Free: 150}, "nh"},
		{"high goes on to the end", Space{Free: 1}, "h"},
		{"then nothing is stored", Space{Free: 0, Full: true}, ""},
		{"until there is room for the ballast", Space{Free: 5000, Full: true}, ""},
		{"then all is", Space{Free: 5000}, "lnh"},
	} {
		step.s.Size = 1 << 20
		w.SetSpace(step.s)
		if got := stored(); got != step.want {
			t.Errorf("%s: stored are %q, want %q", step.name, got, step.want)
		}
	}
	w.SetSpace(Space{Free: 60, Size: 1000}) // the minimum is 50 on so small a disk
	if got := stored(); got != "nh" {
		t.Errorf("on a small disk %q", got)
	}
	w.Apply(Config{})
	if got := stored(); got != "lnh" {
		t.Errorf("without a minimum %q", got)
	}
}

func TestNewSeriesOfAJobThatIsNotStoredAreRefused(t *testing.T) {
	w := newWorld(Config{})
	w.SetSpace(Space{Size: 100, Full: true})
	if err := w.add("a"); !errors.Is(err, storage.ErrNoSpace) || errors.Is(err, storage.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreCountedBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(Config{MaxSeriesPerJob: 1})
	reg.MustRegister(collector{w.Gate})
	for i := range 500 {
		job := fmt.Sprint("j", i)
		w.load(job, 1)
		for range 3 {
			if w.add(job) == nil {
				t.Fatal("added")
			}
		}
	}
	n, err := testutil.GatherAndCount(reg, "hearth_limits_rejected_total")
	if err != nil || n != maxJobs+1 {
		t.Errorf("%d series of the counter, %v", n, err)
	}
	if got := testutil.CollectAndCount(collector{w.Gate}); got == 0 {
		t.Error("nothing")
	}
	sum := 0.0
	ms, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if m.GetName() == "hearth_limits_rejected_total" {
			for _, s := range m.Metric {
				sum += s.Counter.GetValue()
			}
		}
	}
	if sum != 1500 {
		t.Errorf("%g counted, 1500 refused", sum)
	}
	r := w.Report(10)
	if len(r.Rejections) != maxKept || len(r.Jobs) > 20 {
		t.Errorf("%d rejections and %d jobs are shown", len(r.Rejections), len(r.Jobs))
	}
}

func TestALineAMinuteIsLogged(t *testing.T) {
	var out bytes.Buffer
	w := newWorld(Config{MaxSeriesPerJob: 1})
	w.opts.Logger = slog.New(slog.NewTextHandler(&out, nil))
	w.load("bomb", 1)
	for range 300 {
		for range 10 {
			_ = w.add("bomb")
		}
		w.pass(time.Second)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 5 || len(lines) > 6 {
		t.Errorf("%d lines in five minutes", len(lines))
	}
	if !strings.Contains(lines[1], "count=600") || !strings.Contains(lines[1], "metric_relabel_configs") {
		t.Errorf("line %s", lines[1])
	}
}

func TestTheReportNamesWhoGrew(t *testing.T) {
	w := newWorld(Config{MaxSeries: 1_000_000})
	for i := range 30 {
		w.load(fmt.Sprint("steady", i), 1000)
	}
	w.pass(11 * time.Minute)
	for range 500 {
		if err := w.add("grows"); err != nil {
			t.Fatal(err)
		}
	}
	r := w.Report(5)
	if len(r.Jobs) != 6 || r.Jobs[5].Job != "grows" || r.Jobs[5].Growth != 500 || len(r.Targets) != 6 {
		t.Errorf("jobs %+v, targets %+v", r.Jobs, r.Targets)
	}
	w.pass(11 * time.Minute)
	if r := w.Report(5); len(r.Jobs) != 5 {
		t.Errorf("later %+v", r.Jobs)
	}
}

func TestRunAsksForReliefAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		g := New(Options{
			Config: Config{Memory: 100}, Logger: slog.New(slog.DiscardHandler),
			Memory:  func() Usage { return Usage{Needed: 78} },
			Relieve: func(context.Context) error { asked++; time.Sleep(time.Minute); return errors.New("cannot") },
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if asked < 4 || asked > 6 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

func TestTheBudgetIsThatOfTheMachine(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal:        1000 kB\nMemFree: 1 kB\n")
	for _, tt := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"nothing is known elsewhere", fstest.MapFS{}, 0},
		{"a machine has what it says", fstest.MapFS{"proc/meminfo": meminfo}, 921600},
		{"a group of version 2 allows less", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("512000\n")}, 460800},
		{"the one above counts, too", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("512000\n"), "sys/fs/cgroup/a/memory.max": file("256000\n")}, 230400},
		{"max is no limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 921600},
		{"in a container the group is the root", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/docker/x\n"), "sys/fs/cgroup/memory.max": file("512000\n")}, 460800},
		{"version 1", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("5:cpu:/x\n4:memory:/x\n"), "sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("512000\n")}, 460800},
		{"its way to say none", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 921600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, source := Machine(tt.root); got != tt.want || (got == 0) != (source == "") {
				t.Errorf("got %d (%s), want %d", got, source, tt.want)
			}
		})
	}
}

func TestThisProcessIsMeasured(t *testing.T) {
	u := Measure()
	if u.Needed < 1<<20 || u.Needed > 1<<30 || u.Go < u.Needed-u.OffHeap {
		t.Errorf("%+v", u)
	}
}

func BenchmarkAdmit(b *testing.B) {
	for _, full := range []bool{false, true} {
		b.Run(fmt.Sprintf("refused=%v", full), func(b *testing.B) {
			w := newWorld(Config{MaxSeries: 1 << 40, MaxLabels: 50, MaxLabelValue: 1000})
			if full {
				w.Apply(Config{MaxSeriesPerJob: 1})
				w.load("j", 1)
			}
			ls := labels.FromStrings("__name__", "http_request_duration_seconds_bucket", "code", "200", "instance", "10.0.0.1:9090", "job", "j", "le", "0.5", "path", "/api/v1/query")
			for b.Loop() {
				if w.Admit(ls) == nil {
					w.Count("j", "10.0.0.1:9090", 1)
				}
			}
		})
	}
}
