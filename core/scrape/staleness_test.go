package scrape

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/storage"
)

// lines returns what was stored of the series of the target itself.
func (e *exposed) lines() string {
	var b strings.Builder
	for line := range strings.Lines(e.store.dump()) {
		if !isReport(line) {
			b.WriteString(strings.Replace(strings.Replace(line, `, instance="i", job="j"`, "", 1), `{__name__="`, "{", 1))
		}
	}
	return b.String()
}

// TestStaleness scrapes bodies at 1000, 2000, ... and checks all that is stored. ! is a target that answers 500.
func TestStaleness(t *testing.T) {
	track := func(c *config.Scrape) { c.TrackTimestampsStaleness = true }
	for _, tt := range []struct {
		name   string
		change func(*config.Scrape)
		bodies []string
		want   string
	}{
		{name: "a series that vanishes is marked once", bodies: []string{"a 1\nb 1\n", "a 2\n", "a 3\n"},
			want: "{a\"} 1000=1 2000=2 3000=3\n{b\"} 1000=1 2000=stale\n"},
		{name: "one that vanishes from the middle, too", bodies: []string{"a 1\nb 1\nc 1\n", "a 2\nc 2\n"},
			want: "{a\"} 1000=1 2000=2\n{b\"} 1000=1 2000=stale\n{c\"} 1000=1 2000=2\n"},
		{name: "one that comes back goes on", bodies: []string{"a 1\nb 1\n", "b 2\n", "a 3\nb 3\n"},
			want: "{a\"} 1000=1 2000=stale 3000=3\n{b\"} 1000=1 2000=2 3000=3\n"},
		{name: "another order is no end", bodies: []string{"a 1\nb 1\nc 1\n", "c 2\na 2\nb 2\n", "c 3\na 3\nb 3\n"},
			want: "{a\"} 1000=1 2000=2 3000=3\n{b\"} 1000=1 2000=2 3000=3\n{c\"} 1000=1 2000=2 3000=3\n"},
		{name: "another way to write the labels is no end", bodies: []string{"a{x=\"1\",y=\"2\"} 1\n", "a{y=\"2\",x=\"1\"} 2\n", "a{y=\"2\",x=\"1\"} 3\n"},
			want: "{a\", x=\"1\", y=\"2\"} 1000=1 2000=2 3000=3\n"},
		{name: "a failed scrape marks all, once", bodies: []string{"a 1\nb 1\n", "!", "!", "a 4\n"},
			want: "{a\"} 1000=1 2000=stale 4000=4\n{b\"} 1000=1 2000=stale\n"},
		{name: "a broken body marks all and stores nothing", bodies: []string{"a 1\nb 1\n", "a 2\nc 2\n?\n", "a 3\n"},
			want: "{a\"} 1000=1 2000=stale 3000=3\n{b\"} 1000=1 2000=stale\n"},
		{name: "an empty body marks all", bodies: []string{"a 1\n", "", "", "a 4\n"},
			want: "{a\"} 1000=1 2000=stale 4000=4\n"},
		{name: "a series with timestamps is not marked", bodies: []string{"a 1 500\nb 1\n", "b 2\n"},
			want: "{a\"} 500=1\n{b\"} 1000=1 2000=2\n"},
		{name: "unless that is asked for", change: track, bodies: []string{"a 1 500\nb 1\n", "a 1 700\nb 2\n", "b 3\n", "b 4\n"},
			want: "{a\"} 500=1 700=1 3000=stale\n{b\"} 1000=1 2000=2 3000=3 4000=4\n"},
		{name: "then a failure marks it, too", change: track, bodies: []string{"a 1 500\n", "!", "!"},
			want: "{a\"} 500=1 2000=stale\n"},
		{name: "a series that gets timestamps ends as one without", bodies: []string{"a 1\n", "a 2 1500\n", "a 3 2500\n"},
			want: "{a\"} 1000=1 1500=2 2000=stale 2500=3\n"},
		{name: "a series that loses its timestamps goes on", bodies: []string{"a 1 500\n", "a 2\n", "a 3\n", "a 4 3500\n", "a 5\n"},
			want: "{a\"} 500=1 2000=2 3000=3 3500=4 4000=stale 5000=5\n"},
		{name: "a double that loses its original is a series", bodies: []string{"a{x=\"\"} 1\na 1\n", "a 2\n", "a 3\na{x=\"\"} 4\n", "a 4\n"},
			want: "{a\"} 1000=1 2000=2 3000=3 4000=4\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, tt.change)
			for i, body := range tt.bodies {
				e.say(body)
				if body == "!" {
					e.answer(failing)
				}
				e.scrape(int64(1000 * (i + 1)))
			}
			if got := e.lines(); got != tt.want {
				t.Errorf("stored\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// TestALoopGoesOnWhereItsPredecessorEnded is what a reload with changed settings does.
func TestALoopGoesOnWhereItsPredecessorEnded(t *testing.T) {
	e := expose(t, nil)
	e.say("a 1\nb 1\nc 1\nt 1 500\n")
	e.scrape(1000)
	cfg := testConfig()
	cfg.MetricRelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__name__"}, Regex: new("b"), Action: "drop"}}
	e.configure(cfg, e.loop)
	e.say("c 2\nb 2\na 2\nd 2\n")
	if err := e.scrape(2000); err != "" {
		t.Fatal(err)
	}
	e.scrape(3000)
	want := "{a\"} 1000=1 2000=2 3000=2\n{b\"} 1000=1 2000=stale\n{c\"} 1000=1 2000=2 3000=2\n{d\"} 2000=2 3000=2\n{t\"} 500=1\n"
	if got := e.lines(); got != want {
		t.Errorf("stored\n%swant\n%s", got, want)
	}
	if got := e.store.value(`{__name__="scrape_series_added", instance="i", job="j"}`, 2000); got != "1" {
		t.Errorf("scrape_series_added is %s: only d is new", got)
	}
	if e.store.groups != 1 {
		t.Errorf("%d groups are open", e.store.groups)
	}

	e.configure(testConfig(), e.loop)
	e.answer(failing)
	e.scrape(4000)
	if got := e.lines(); strings.Count(got, "4000=stale") != 3 {
		t.Errorf("a successor that fails marks what its predecessor had; stored\n%s", got)
	}
}

func TestAPageForgetsWhatIsGone(t *testing.T) {
	e := expose(t, nil)
	body := func(i int) string {
		var b strings.Builder
		b.WriteString("steady 1\n")
		for j := range 50 {
			fmt.Fprintf(&b, "m{i=\"%d\",j=\"%d\"} 1\n", i, j)
		}
		return b.String()
	}
	groups := map[*page]bool{}
	for i := range 60 {
		e.say(body(i))
		if err := e.scrape(int64(1000 * (i + 1))); err != "" {
			t.Fatal(err)
		}
		p := e.loop.leave()
		groups[p] = true
		if n := len(p.series); n != 51+standardReports {
			t.Fatalf("after scrape %d the page has %d series", i, n)
		}
		if len(p.lines) != 51 || cap(p.lines) > 500 || len(p.byLine.cells) > 128 {
			t.Fatalf("after scrape %d the page has %d lines, room for %d", i, len(p.lines), cap(p.lines))
		}
		if p.given > 1300 {
			t.Fatalf("after scrape %d the storage group has given out %d slots", i, p.given)
		}
	}
	if len(groups) < 2 || e.store.groups != 1 {
		t.Errorf("%d storage groups were used, %d are open", len(groups), e.store.groups)
	}
	if got := len(e.store.series[`{__name__="steady", instance="i", job="j"}`]); got != 60 {
		t.Errorf("the steady series has %d samples", got)
	}
	for i := range 59 {
		series := fmt.Sprintf(`{__name__="m", i="%d", instance="i", j="7", job="j"}`, i)
		if got := e.store.value(series, int64(1000*(i+2))); got != "stale" {
			t.Fatalf("%s ends with %s", series, got)
		}
	}
}

// TestNothingGrowsWhileScrapesFail feeds broken bodies that differ each time.
func TestNothingGrowsWhileScrapesFail(t *testing.T) {
	e := expose(t, nil)
	e.say("a 1\n")
	e.scrape(1000)
	for i := range 100 {
		n := strconv.Itoa(i)
		e.say("# HELP h" + n + " x\na 1\nb" + n + " 1\n?\n")
		if err := e.scrape(int64(2000 + i)); !strings.Contains(err, "line 4") {
			t.Fatal(err)
		}
	}
	if p := e.loop.page; len(p.series) != 1+standardReports || p.given != 1+standardReports {
		t.Errorf("%d series, %d slots", len(p.series), p.given)
	}
	if n := len(e.loop.meta.list(nil, e.loop.target)); n > 2*metadataLife {
		t.Errorf("%d families", n)
	}
}

func TestAStorageThatFailsIsShown(t *testing.T) {
	e := expose(t, nil)
	e.store.fail(storage.ErrNoSpace)
	e.say("a 1\n")
	if err := e.scrape(1000); !strings.Contains(err, "disk is full") {
		t.Errorf("without a group: %q", err)
	}
	e.store.fail(nil)
	if err := e.scrape(2000); err != "" {
		t.Errorf("afterwards: %s", err)
	}
	e.store.fail(errors.New("broken"))
	if err := e.scrape(3000); !strings.Contains(err, "broken") {
		t.Errorf("with a row: %q", err)
	}
	e.say("a 1\nb 2\n")
	if err := e.scrape(4000); !strings.Contains(err, `{__name__="b"`) || !strings.Contains(err, "broken") {
		t.Errorf("with a new series: %q", err)
	}
	e.store.fail(nil)
	if err := e.scrape(5000); err != "" {
		t.Errorf("at the end: %s", err)
	}
	if got, want := e.lines(), "{a\"} 2000=1 5000=1\n{b\"} 5000=2\n"; got != want {
		t.Errorf("stored\n%swant\n%s", got, want)
	}
	if got := e.counted("hearth_scrape_failures_total", failStorage); got != 3 {
		t.Errorf("%v failures counted", got)
	}
}
