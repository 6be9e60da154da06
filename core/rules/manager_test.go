package rules

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// one is a query that always finds one series with the value 1.
func one(_ context.Context, _ string, t time.Time) (model.Vector, error) {
	return model.Vector{{Labels: labels.FromStrings("x", "1"), Sample: model.Sample{T: t.UnixMilli(), V: 1}}}, nil
}

// running runs a manager in a bubble while f does.
func running(t *testing.T, o Options, f func(m *Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Parser = parser.NewParser(parser.Options{})
		m := NewManager(o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		f(m)
		cancel()
		wg.Wait()
		if err := m.ApplyConfig(withFiles(t, nil)); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}

const oneRule = "groups: [{name: g, interval: 10s, rules: [{record: r, expr: up}]}]"

func TestSlowRulesMissIterationsAndKeepTheirSlots(t *testing.T) {
	store := newMemory()
	var slow atomic.Int64
	reg := prometheus.NewRegistry()
	o := Options{Storage: store, Registerer: reg, Query: func(ctx context.Context, e string, at time.Time) (model.Vector, error) {
		time.Sleep(time.Duration(slow.Load()))
		return one(ctx, e, at)
	}}
	running(t, o, func(m *Manager) {
		apply(t, m, oneRule)
		time.Sleep(30 * time.Second)
		slow.Store(int64(25 * time.Second))
		time.Sleep(time.Minute)
		slow.Store(0)
		time.Sleep(time.Minute)
		querier, _ := store.Querier(0, 0)
		groups, err := querier.Select(t.Context(), 0, 1<<60)
		if err != nil {
			t.Fatal(err)
		}
		times := groups[0].Times()
		for _, at := range times {
			if (at-times[0])%10_000 != 0 {
				t.Errorf("evaluated at %d, %d ms after the first: not a slot", at, at-times[0])
			}
		}
		due := (times[len(times)-1]-times[0])/10_000 + 1
		missed := due - int64(len(times))
		if missed < 3 {
			t.Errorf("%d of %d iterations were missed", missed, due)
		}
		group := m.Groups()[0].File + ";g"
		want := fmt.Sprintf(`# HELP hearth_rules_group_iterations_missed_total Evaluations of a group that were left out because the one before took too long.
# TYPE hearth_rules_group_iterations_missed_total counter
hearth_rules_group_iterations_missed_total{rule_group="%[1]s"} %[2]d
# HELP hearth_rules_group_iterations_total Evaluations of a group that were due, missed ones included.
# TYPE hearth_rules_group_iterations_total counter
hearth_rules_group_iterations_total{rule_group="%[1]s"} %[3]d
`, group, missed, due)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "hearth_rules_group_iterations_total", "hearth_rules_group_iterations_missed_total"); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

// apply puts the text of a rule file in force; all tests use one name.
func apply(t *testing.T, m *Manager, text string) {
	t.Helper()
	cfg := withFiles(t, map[string]string{"rules.yml": text})
	if len(m.Groups()) > 0 { // the folder is part of a group's identity
		t.Fatal("apply is for the first configuration")
	}
	if err := m.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
}

func TestAClockThatIsSetBackDoesNotStopRules(t *testing.T) {
	var back atomic.Int64
	o := Options{Storage: newMemory(), Query: one, Clock: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }}
	running(t, o, func(m *Manager) {
		apply(t, m, oneRule)
		time.Sleep(time.Minute)
		back.Store(int64(3 * time.Hour))
		time.Sleep(21 * time.Second)
		if s := m.Groups()[0]; time.Since(s.LastEvaluation.Add(3*time.Hour)) > 11*time.Second {
			t.Errorf("last evaluated %v, it is %v", s.LastEvaluation, time.Now())
		}
	})
}

func TestQueriesAreToldTheirGroup(t *testing.T) {
	var file, name atomic.Value
	o := Options{Storage: newMemory(), Query: func(ctx context.Context, e string, at time.Time) (model.Vector, error) {
		f, n := GroupOf(ctx)
		file.Store(filepath.Base(f))
		name.Store(n)
		return one(ctx, e, at)
	}}
	running(t, o, func(m *Manager) {
		apply(t, m, oneRule)
		time.Sleep(30 * time.Second)
	})
	if file.Load() != "rules.yml" || name.Load() != "g" {
		t.Errorf("file %v, group %v", file.Load(), name.Load())
	}
	if f, n := GroupOf(t.Context()); f != "" || n != "" {
		t.Errorf("no evaluation is of %q, %q", f, n)
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	running(t, Options{Storage: newMemory(), Query: one}, func(m *Manager) {
		apply(t, m, oneRule)
		before := m.sorted()[0]
		if err := m.ApplyConfig(withFiles(t, map[string]string{"a.yml": oneRule, "b.yml": "groups: [{}]"})); err == nil {
			t.Error("a group without a name is taken")
		}
		time.Sleep(time.Minute)
		if now := m.sorted(); len(now) != 1 || now[0] != before || m.Groups()[0].Rules[0].Health != HealthGood {
			t.Errorf("got %+v", m.Groups())
		}
	})
}

func TestAStorageThatIsFullLosesNoState(t *testing.T) {
	store := newMemory()
	running(t, Options{Storage: store, Query: one}, func(m *Manager) {
		apply(t, m, oneRule)
		time.Sleep(time.Minute)
		store.mu.Lock()
		store.refuse = storage.ErrNoSpace
		store.mu.Unlock()
		time.Sleep(time.Minute)
		r := m.Groups()[0].Rules[0]
		if r.Health != HealthBad || !strings.Contains(r.LastError, "disk is full") {
			t.Errorf("got %+v", r)
		}
		if !m.outputs()[0].has(string(labels.FromStrings("__name__", "r", "x", "1").Bytes(nil))) {
			t.Error("the series is forgotten: it would get no staleness marker")
		}
		store.mu.Lock()
		store.refuse = nil
		store.mu.Unlock()
		time.Sleep(time.Minute)
		if r := m.Groups()[0].Rules[0]; r.Health != HealthGood || r.LastError != "" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestAlertsThatNobodyTookAreHandedOverAgain(t *testing.T) {
	var sent, refuse atomic.Int64
	refuse.Store(3)
	o := Options{Storage: newMemory(), Query: one, Notify: func(_ context.Context, alerts []*model.Alert) error {
		if refuse.Add(-1) >= 0 {
			return errors.New("not now")
		}
		sent.Add(int64(len(alerts)))
		return nil
	}}
	running(t, o, func(m *Manager) {
		apply(t, m, "groups: [{name: g, interval: 10s, rules: [{alert: A, expr: up}]}]")
		time.Sleep(30 * time.Second)
		if n := refuse.Load(); n != 0 || sent.Load() != 0 {
			t.Fatalf("%d more attempts are to fail", n)
		}
		time.Sleep(10 * time.Second)
		if sent.Load() != 1 {
			t.Errorf("sent %d alerts once the manager takes them, want 1", sent.Load())
		}
		time.Sleep(60 * time.Second) // the delay is over only after the next slot
		if sent.Load() != 1 {
			t.Errorf("sent %d alerts within the resend delay", sent.Load())
		}
		time.Sleep(20 * time.Second)
		if sent.Load() != 2 {
			t.Errorf("sent %d alerts after it, want 2", sent.Load())
		}
	})
}

func TestASeriesThatMovesToAnotherGroupHasNoGap(t *testing.T) {
	store := newMemory()
	running(t, Options{Storage: store, Query: one}, func(m *Manager) {
		cfg := withFiles(t, map[string]string{"a.yml": oneRule})
		if err := m.ApplyConfig(cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		moved := withFiles(t, map[string]string{"b.yml": oneRule})
		if err := m.ApplyConfig(moved); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if d := dump(t, store, 0); len(d) != 1 || strings.Contains(d[0], "stale") {
			t.Errorf("the moved series: %v", d)
		}
		if err := m.ApplyConfig(withFiles(t, nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if d := dump(t, store, 0); strings.Count(d[0], "stale") != 1 || !strings.HasSuffix(d[0], "stale") {
			t.Errorf("the series of the rule that is gone: %v", d)
		}
	})
	if store.open != 0 {
		t.Errorf("%d storage groups are still open", store.open)
	}
}

func TestStatusIsReadWhileRulesRun(t *testing.T) {
	o := Options{Storage: newMemory(), Query: one}
	running(t, o, func(m *Manager) {
		apply(t, m, "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: up, for: 5s}, {record: r, expr: up}]}]")
		if s := m.Groups()[0].Rules[0]; s.State != StateUnknown || s.Health != HealthUnknown {
			t.Errorf("before the first evaluation: %+v", s)
		}
		seen := map[model.AlertState]bool{}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			for _, r := range m.Groups()[0].Rules {
				seen[r.State] = true
			}
			m.Alerts()
		}
		if !seen[model.AlertPending] || !seen[model.AlertFiring] {
			t.Errorf("states seen: %v", seen)
		}
		if a := m.Alerts(); len(a) != 1 || a[0].State != model.AlertFiring || a[0].GeneratorURL != "/graph?g0.expr=up&g0.tab=1" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestLabelSetsThatComeAndGoDoNotFillTheStorageGroup(t *testing.T) {
	store := newMemory()
	o := newOutput(store, ruleSpec{name: "r"})
	for i := range 5000 {
		v := model.Vector{{Labels: labels.FromStrings("__name__", "r", "n", fmt.Sprint(i))}}
		if _, err := o.write(t.Context(), int64(i), v, 0); err != nil {
			t.Fatal(err)
		}
		if o.slots > 1100 || len(o.series) != 1 || len(o.inputs) > 1100 {
			t.Fatalf("%d slots and %d inputs of %d series", o.slots, len(o.inputs), len(o.series))
		}
	}
	o.close()
	if store.open != 0 {
		t.Errorf("%d groups are open", store.open)
	}
}

func TestWhatTheStorageRefusesIsFound(t *testing.T) {
	store := newMemory()
	series := func(i int) labels.Labels { return labels.FromStrings("__name__", "r", "n", fmt.Sprint(i)) }
	for _, i := range []int{3, 17, 18} {
		if err := store.Append(t.Context(), []model.Series{{Labels: series(i), Samples: []model.Sample{{T: 5, V: 9}}}}); err != nil {
			t.Fatal(err)
		}
	}
	var v model.Vector
	for i := range 30 {
		v = append(v, model.VectorSample{Labels: series(i), Sample: model.Sample{V: 1}})
	}
	o := newOutput(store, ruleSpec{name: "r"})
	_, err := o.write(t.Context(), 5, v, 0)
	if !errors.Is(err, storage.ErrDuplicate) || !strings.HasPrefix(err.Error(), "3 of 30 samples were refused, the first: series") {
		t.Errorf("got %v", err)
	}
	if len(o.series) != 27 || o.has(string(series(17).Bytes(nil))) {
		t.Errorf("%d series count as written", len(o.series))
	}
	if _, err := o.write(t.Context(), 6, nil, 0); err != nil {
		t.Fatal(err)
	}
	if d := strings.Join(dump(t, store, 0), "\n"); strings.Count(d, "6=stale") != 27 {
		t.Errorf("markers:\n%s", d)
	}
}

func TestATemplateDoesNotMakeEndlessLabels(t *testing.T) {
	o := Options{Storage: newMemory(), Query: one}
	running(t, o, func(m *Manager) {
		apply(t, m, `groups: [{name: g, interval: 1s, rules: [{alert: A, expr: up, labels: {l: '{{ printf "%600000d%600000d" 1 1 }}'}}]}]`)
		time.Sleep(10 * time.Second)
		const want = "<error expanding template: it makes 1200000 bytes, at most 1048576 are kept>"
		if a := m.Alerts(); len(a) != 1 || a[0].Labels.Get("l") != want {
			t.Errorf("got %.300s", fmt.Sprint(a[0].Labels))
		}
	})
}
