package scrape

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/config"
)

func TestATargetThatGoesIsMarkedStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		h.set("j", "x:1", "y:1")
		time.Sleep(time.Minute)
		h.set("j", "y:1")
		lastScrape, _ := h.last(seriesOf("up", "j", "x:1"))
		time.Sleep(20 * time.Second)
		if at, v := h.last(seriesOf("a", "j", "x:1")); v != "1" || !at.Equal(lastScrape) {
			t.Errorf("before two intervals have passed: %s at %s", v, at)
		}
		time.Sleep(30 * time.Second)
		for _, name := range append([]string{"a"}, reports[:standardReports]...) {
			if at, v := h.last(seriesOf(name, "j", "x:1")); v != "stale" || at.Sub(lastScrape) != 15*time.Second {
				t.Errorf("%s ends with %s, %s after the last scrape", name, v, at.Sub(lastScrape))
			}
			if _, v := h.last(seriesOf(name, "j", "y:1")); v == "stale" {
				t.Errorf("%s of the other target is stale", name)
			}
		}
		if h.store.groups != 1 {
			t.Errorf("%d storage groups are open", h.store.groups)
		}
	})
}

func TestATargetThatComesBackGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		h.say("x:1", "a 1\nb 1\n")
		h.set("j", "x:1")
		time.Sleep(time.Minute)
		h.set("j")
		if n := len(h.manager.Active()); n != 0 {
			t.Errorf("%d active targets", n)
		}
		time.Sleep(20 * time.Second)
		h.say("x:1", "a 2\n")
		h.set("j", "x:1")
		time.Sleep(time.Minute)
		times := h.store.times(seriesOf("a", "j", "x:1"))
		gaps := 0
		for i := 1; i < len(times); i++ {
			if times[i]-times[i-1] != 15000 {
				gaps++
			}
		}
		if _, v := h.last(seriesOf("a", "j", "x:1")); v != "2" || gaps != 1 {
			t.Errorf("a is %s, %d gaps", v, gaps)
		}
		if strings.Contains(h.store.dump(), `{__name__="a", instance="x:1", job="j"} stale`) {
			t.Error("a was marked stale")
		}
		if at, v := h.last(seriesOf("b", "j", "x:1")); v != "stale" || at.UnixMilli() != times[len(times)-4] {
			t.Errorf("b, which did not come back, is %s at %d; a at %d", v, at.UnixMilli(), times)
		}
	})
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.say("x:1", "a 1\nb 1\n")
		same, changed, gone := pluginJob("same", nil), pluginJob("changed", nil), pluginJob("gone", nil)
		h.apply(t, same, changed, gone)
		for _, job := range []string{"same", "changed", "gone"} {
			h.set(job, "x:1")
		}
		time.Sleep(time.Minute)
		if h.open != 3 {
			t.Errorf("%d plugins are open", h.open)
		}
		loop := h.manager.mu.pools["same"].loops
		h.apply(t,
			pluginJob("same", func(c *config.Scrape) { c.StaticConfigs = []*config.TargetGroup{{Targets: []string{"x:1"}}} }),
			pluginJob("changed", func(c *config.Scrape) {
				c.ScrapeInterval = config.Duration(30 * time.Second)
				c.MetricRelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__name__"}, Regex: new("b"), Action: "drop"}}
			}))
		for key, l := range h.manager.mu.pools["same"].loops {
			if loop[key] != l {
				t.Error("a loop of the unchanged job was restarted")
			}
		}
		if h.open != 2 || h.opened != 4 {
			t.Errorf("%d plugins are open, %d were opened", h.open, h.opened)
		}
		time.Sleep(2 * time.Minute)
		times := h.store.times(seriesOf("a", "same", "x:1"))
		for i := 1; i < len(times); i++ {
			if times[i]-times[i-1] != 15000 {
				t.Errorf("the unchanged job has a gap of %d ms", times[i]-times[i-1])
			}
		}
		for _, tt := range []struct{ series, want string }{
			{seriesOf("a", "same", "x:1"), "1"}, {seriesOf("b", "same", "x:1"), "1"},
			{seriesOf("a", "changed", "x:1"), "1"}, {seriesOf("b", "changed", "x:1"), "stale"}, {seriesOf("up", "changed", "x:1"), "1"},
			{seriesOf("a", "gone", "x:1"), "stale"}, {seriesOf("up", "gone", "x:1"), "stale"},
		} {
			if _, v := h.last(tt.series); v != tt.want {
				t.Errorf("%s ends with %s, want %s", tt.series, v, tt.want)
			}
		}
		if n := strings.Count(h.store.dump(), "=stale"); n != 1+2+4 {
			t.Errorf("%d markers in all", n)
		}
		if got := h.manager.Pools(); !slices.Equal(got, []string{"changed", "same"}) {
			t.Errorf("pools %v", got)
		}
	})
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		h.set("j", "x:1")
		time.Sleep(time.Minute)
		err := h.manager.ApplyConfig(&config.Config{ScrapeConfigs: []*config.Scrape{
			pluginJob("j", func(c *config.Scrape) { c.SampleLimit = 1 }),
			pluginJob("first", func(c *config.Scrape) { c.Plugin = "test/missing" }),
			pluginJob("second", func(c *config.Scrape) {
				c.Plugin = ""
				c.TLSConfig = &config.TLS{CAFile: "/nowhere/ca.pem"}
			}),
		}})
		for _, want := range []string{`job "first": plugin test/missing: not installed`, `job "second"`, "/nowhere/ca.pem"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v does not mention %q", err, want)
			}
		}
		if h.open != 1 || !slices.Equal(h.manager.Pools(), []string{"j"}) {
			t.Errorf("%d plugins open, pools %v", h.open, h.manager.Pools())
		}
		time.Sleep(time.Minute)
		if n := len(h.store.times(seriesOf("a", "j", "x:1"))); n != 8 {
			t.Errorf("%d scrapes in two minutes", n)
		}
	})
}

func TestShutdownMarksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.apply(t, pluginJob("j", nil))
		h.answer("slow:1", func(ctx context.Context) (string, error) {
			select {
			case <-time.After(13 * time.Second):
				return "a 1\n", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		h.set("j", "x:1", "slow:1", "going:1")
		time.Sleep(time.Minute)
		h.set("j", "x:1", "slow:1")
		start := time.Now()
		h.stop()
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %s to stop", d)
		}
		for line := range strings.Lines(h.store.dump()) {
			if strings.Contains(line, "stale") || strings.Contains(line, `"up"`) && strings.Contains(line, "=0") {
				t.Errorf("stored %s", line)
			}
		}
		h.manager.SetTargets("j", group("late:1")) // after the end: nothing starts
	})
}

func TestTheListOfTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.say("down:1", "?\n")
		h.apply(t, pluginJob("j", func(c *config.Scrape) {
			c.KeepDroppedTargets = 1
			c.RelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__address__"}, Regex: new("drop.*"), Action: "drop"}}
		}))
		h.manager.SetTargets("unknown", group("x:1"))
		h.set("j", "up:1", "up:1", "down:1", "drop1:1", "drop2:1", "")
		for _, s := range h.manager.Active() {
			if s.Health != HealthUnknown || s.Pool != "j" || s.Interval != 15*time.Second || s.Timeout != 14*time.Second {
				t.Errorf("before the first scrape: %+v", s)
			}
		}
		time.Sleep(time.Minute)
		active := h.manager.Active()
		if len(active) != 2 {
			t.Fatalf("%d targets are active", len(active))
		}
		down, up := active[0], active[1]
		if up.Health != HealthUp || up.LastError != "" || time.Since(up.LastScrape) > 15*time.Second || up.URL != "test/plugin up:1" {
			t.Errorf("%+v", up)
		}
		if down.Health != HealthDown || !strings.Contains(down.LastError, "line 1") {
			t.Errorf("%+v", down)
		}
		want := `{__address__="up:1", __metrics_path__="/metrics", __scheme__="http", __scrape_interval__="15s", __scrape_timeout__="14s", job="j"}`
		if got := up.Discovered.String(); got != want {
			t.Errorf("discovered as %s, want %s", got, want)
		}
		if got := up.Labels.String(); got != `{instance="up:1", job="j"}` {
			t.Errorf("labels %s", got)
		}
		dropped := h.manager.Dropped()
		if len(dropped) != 1 || dropped[0].Discovered.Get("__address__") != "drop1:1" || h.manager.DroppedCounts()["j"] != 2 {
			t.Errorf("dropped %v of %v", dropped, h.manager.DroppedCounts())
		}
		h.set("j", "up:1", "")
		log := h.log.String()
		if n := strings.Count(log, "no __address__"); n != 1 {
			t.Errorf("the target without an address was logged %d times", n)
		}
		if n := strings.Count(log, "Target is down"); n != 1 {
			t.Errorf("the target that is down was logged %d times", n)
		}
		h.say("up:1", "# HELP a Text.\na 1\n")
		time.Sleep(30 * time.Second)
		if got := fmt.Sprint(h.manager.Metadata()); got != `[{{instance="up:1", job="j"} a unknown Text. }]` {
			t.Errorf("metadata %s", got)
		}
	})
}

func TestTargetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", func(c *config.Scrape) { c.TargetLimit = 2 }))
		h.set("j", "x:1", "y:1")
		time.Sleep(30 * time.Second)
		h.set("j", "x:1", "y:1", "z:1")
		time.Sleep(30 * time.Second)
		for _, s := range h.manager.Active() {
			if s.LastError != "target_limit exceeded: the job has 3 targets, the limit is 2" {
				t.Errorf("%s: %q", s.URL, s.LastError)
			}
		}
		if _, v := h.last(seriesOf("a", "j", "x:1")); v != "stale" {
			t.Errorf("a is %s", v)
		}
		if _, v := h.last(seriesOf("up", "j", "z:1")); v != "0" {
			t.Errorf("up is %s", v)
		}
		h.set("j", "x:1", "z:1")
		time.Sleep(30 * time.Second)
		if _, v := h.last(seriesOf("a", "j", "z:1")); v != "1" {
			t.Errorf("a of the target that is within the limit again is %s", v)
		}
	})
}

func TestTwoTargetsWithTheSameLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", func(c *config.Scrape) {
			c.RelabelConfigs = []*config.Relabel{{TargetLabel: "instance", Replacement: new("same")}}
		}))
		h.set("j", "x:1", "y:1")
		time.Sleep(time.Minute)
		h.set("j", "z:1")
		time.Sleep(2 * time.Minute)
		if n := len(h.manager.Active()); n != 1 {
			t.Errorf("%d targets", n)
		}
		if _, v := h.last(seriesOf("a", "j", "same")); v != "1" {
			t.Errorf("a is %s", v)
		}
		if h.store.groups != 1 {
			t.Errorf("%d storage groups are open", h.store.groups)
		}
	})
}

// TestOverHTTP runs a manager on the real clock against a real server: it must use its connection again, and leave
// none behind.
func TestOverHTTP(t *testing.T) {
	var mu sync.Mutex
	connections := 0
	body := gzipped(t, "# HELP a Text.\n# TYPE a gauge\na 1\n")
	server := httptest.NewUnstartedServer(encoded("gzip", body))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if s == http.StateNew {
			connections++
		}
	}
	server.Start()
	defer server.Close()
	store := newMemory()
	m := NewManager(Options{Storage: store, UserAgent: "hearth/test"})
	cfg := testConfig()
	cfg.ScrapeInterval, cfg.ScrapeTimeout = config.Duration(20*time.Millisecond), config.Duration(20*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	if err := m.ApplyConfig(&config.Config{ScrapeConfigs: []*config.Scrape{cfg}}); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(server.URL, "http://")
	m.SetTargets("j", group(address))
	go func() { done <- m.Run(ctx) }()
	deadline := time.Now().Add(10 * time.Second)
	for len(store.times(seriesOf("a", "j", address))) < 5 {
		if time.Now().After(deadline) {
			t.Fatalf("no five scrapes: %+v", m.Active())
		}
		time.Sleep(time.Millisecond)
	}
	if got := fmt.Sprint(m.Metadata()); !strings.Contains(got, "a gauge Text.") {
		t.Errorf("metadata %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if failed := strings.Count(store.dump(), "stale"); failed == 0 && connections != 1 {
		t.Errorf("%d connections", connections)
	}
}
