package scrape

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/config"
)

// TestSamplesOfAScrape checks what one scrape stores. In what is wanted, L stands for instance="i", job="j".
func TestSamplesOfAScrape(t *testing.T) {
	future := time.Now().Add(time.Hour).UnixMilli()
	for _, tt := range []struct {
		name   string
		change func(*config.Scrape)
		body   string
		want   []string // at 1000
		dump   []string // all samples, instead of those at 1000
	}{
		{name: "samples get the labels of the target", body: "a 1\nb{x=\"y\"} -2.5e3\n",
			want: []string{`{__name__="a", L} 1`, `{__name__="b", L, x="y"} -2500`}},
		{name: "labels the target has, too, are kept as exported", body: "a{job=\"x\",instance=\"y\"} 1\n",
			want: []string{`{__name__="a", exported_instance="y", exported_job="x", L} 1`}},
		{name: "exported labels that exist already move on", body: "a{job=\"x\",exported_job=\"z\"} 1\n",
			want: []string{`{__name__="a", exported_exported_job="x", exported_job="z", L} 1`}},
		{name: "an empty label is none and conflicts with nothing", body: "a{job=\"\",x=\"\"} 1\n",
			want: []string{`{__name__="a", L} 1`}},
		{name: "honor_labels keeps what is exposed", change: func(c *config.Scrape) { c.HonorLabels = true },
			body: "a{job=\"x\"} 1\n", want: []string{`{__name__="a", instance="i", job="x"} 1`}},
		{name: "honor_labels keeps an empty label away", change: func(c *config.Scrape) { c.HonorLabels = true },
			body: "a{instance=\"\"} 1\n", want: []string{`{__name__="a", job="j"} 1`}},
		{name: "metric_relabel_configs drop and rename, but not the report", change: func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{
				{SourceLabels: []string{"__name__"}, Regex: new("bad|up"), Action: "drop"},
				{SourceLabels: []string{"__name__"}, Regex: new("old"), TargetLabel: "__name__", Replacement: new("new")},
			}
		}, body: "bad 1\nold 2\n", want: []string{`{__name__="new", L} 2`}},
		{name: "a timestamp is kept", body: "a 1 500\nb 2\n",
			dump: []string{`{__name__="a", L} 500=1`, `{__name__="b", L} 1000=2`}},
		{name: "honor_timestamps off: a timestamp is ignored", change: func(c *config.Scrape) { c.HonorTimestamps = false },
			body: "a 1 500\n", dump: []string{`{__name__="a", L} 1000=1`}},
		{name: "a series may have several timestamps", body: "a 1 500\na 2 600\n", dump: []string{`{__name__="a", L} 500=1 600=2`}},
		{name: "too far in the future is dropped", body: "a 1 " + strconv.FormatInt(future, 10) + "\nb 1\n", dump: []string{`{__name__="b", L} 1000=1`}},
		{name: "of the same line twice the first counts", body: "a 1\nb 1\na 2\n",
			want: []string{`{__name__="a", L} 1`, `{__name__="b", L} 1`}},
		{name: "of the same labels in two orders the first counts", body: "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n",
			want: []string{`{__name__="a", L, x="1", y="2"} 1`}},
		{name: "of series that relabelling makes one the first counts", change: func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{{Regex: new("x"), Action: "labeldrop"}}
		}, body: "a{x=\"1\"} 1\na{x=\"2\"} 2\n", want: []string{`{__name__="a", L} 1`}},
		{name: "a metric named like a report gives way to it", body: "up 5\na 1\n", want: []string{`{__name__="a", L} 1`}},
		{name: "exemplars are no samples, start times are, as upstream has it", body: "# TYPE c counter\nc_total 5 # {trace_id=\"x\"} 1 2\nc_created 123.4\n# EOF\n",
			want: []string{`{__name__="c_created", L} 123.4`, `{__name__="c_total", L} 5`}},
		{name: "UTF-8 names are taken", body: "{\"a.b\",\"c.d\"=\"ü\"} 1\n", want: []string{`{__name__="a.b", "c.d"="ü", L} 1`}},
		{name: "special values are kept", body: "a NaN\nb +Inf\nc -0\n",
			want: []string{`{__name__="a", L} NaN`, `{__name__="b", L} +Inf`, `{__name__="c", L} -0`}},
		{name: "an empty body is a good scrape", body: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, tt.change)
			e.say(tt.body)
			if err := e.scrape(1000); err != "" {
				t.Fatal(err)
			}
			got := e.store.at(1000, false)
			want := tt.want
			if tt.dump != nil {
				got, want = nil, tt.dump
				for line := range strings.Lines(e.store.dump()) {
					if !isReport(line) {
						got = append(got, strings.TrimSpace(line))
					}
				}
			}
			for i := range want {
				want[i] = strings.Replace(want[i], `L`, `instance="i", job="j"`, 1)
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("stored\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if up := e.store.value(`{__name__="up", instance="i", job="j"}`, 1000); up != "1" {
				t.Errorf("up is %s", up)
			}
			// The same again takes the short way, and must not differ.
			before := len(e.store.at(1000, true))
			if err := e.scrape(2000); err != "" {
				t.Fatal(err)
			}
			if tt.dump == nil {
				if after := len(e.store.at(2000, true)); after != before {
					t.Errorf("%d samples at first, then %d", before, after)
				}
			}
		})
	}
}

func TestWhatIsDroppedIsCounted(t *testing.T) {
	e := expose(t, nil)
	for _, tt := range []struct {
		name, body, reason string
		want               float64
	}{
		{"the same line twice", "a 1\na 1\n", dropDuplicate, 1},
		{"a timestamp that went back", "b 1 900\nb 2 800\n", dropOutOfOrder, 1},
		{"a timestamp with another value", "c 1 900\nc 2 900\n", dropDuplicate, 2},
		{"a timestamp in an hour", "d 1 " + strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10) + "\n", dropOutOfBounds, 1},
	} {
		e.say(tt.body)
		if err := e.scrape(1000); err != "" {
			t.Fatalf("%s: %s", tt.name, err)
		}
		if got := e.counted("hearth_scrape_samples_dropped_total", tt.reason); got != tt.want {
			t.Errorf("%s: %v of reason %s, want %v", tt.name, got, tt.reason, tt.want)
		}
	}
}

func TestASampleThatIsRefusedCostsNoOther(t *testing.T) {
	e := expose(t, nil)
	e.say("a 1\nb 1\nc 1\nd 1\ne 1\n")
	e.scrape(1000)
	e.store.put(`{__name__="c", instance="i", job="j"}`, 5000, 7) // from elsewhere
	if err := e.scrape(2000); err != "" {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "1", "b": "1", "c": "none", "d": "1", "e": "1", "up": "1", "scrape_samples_scraped": "5"} {
		if got := e.store.value(`{__name__="`+name+`", instance="i", job="j"}`, 2000); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := e.counted("hearth_scrape_samples_dropped_total", dropOutOfOrder); got != 1 {
		t.Errorf("%v samples counted as dropped", got)
	}
	if got := e.counted("hearth_scrape_samples_total", ""); got != 9 {
		t.Errorf("%v samples counted as stored, want 5 and 4", got)
	}
}

func TestReportSeries(t *testing.T) {
	e := expose(t, func(c *config.Scrape) {
		c.MetricRelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__name__"}, Regex: new("bad"), Action: "drop"}}
	})
	for i, tt := range []struct {
		name, body           string
		up                   string
		scraped, kept, added string
	}{
		{"the first scrape adds all", "a 1\nb 1\nbad 1\n", "1", "3", "2", "2"},
		{"the same adds none", "a 1\nb 1\nbad 1\n", "1", "3", "2", "0"},
		{"a new one counts", "a 1\nb 1\nc 1\nbad 1\n", "1", "4", "3", "1"},
		{"duplicates count as scraped", "a 1\na 1\nb 1\n", "1", "3", "3", "0"},
		{"one that comes back is added", "a 1\nb 1\nc 1\n", "1", "3", "3", "1"},
		{"a broken one counts up to there", "a 1\nb 1\n?\n", "0", "2", "2", "0"},
		{"after a failure nothing is new", "a 1\nb 1\nc 1\n", "1", "3", "3", "0"},
	} {
		e.say(tt.body)
		ts := int64(1000 * (i + 1))
		e.scrape(ts)
		for name, want := range map[string]string{
			"up": tt.up, "scrape_samples_scraped": tt.scraped, "scrape_samples_post_metric_relabeling": tt.kept, "scrape_series_added": tt.added,
		} {
			if got := e.store.value(`{__name__="`+name+`", instance="i", job="j"}`, ts); got != want {
				t.Errorf("%s: %s is %s, want %s", tt.name, name, got, want)
			}
		}
		if got := e.store.value(`{__name__="scrape_duration_seconds", instance="i", job="j"}`, ts); got == "none" || got == "0" {
			t.Errorf("%s: scrape_duration_seconds is %s", tt.name, got)
		}
	}
}

func TestMetadataIsKnown(t *testing.T) {
	e := expose(t, nil)
	list := func() string {
		var b strings.Builder
		for _, m := range e.loop.meta.list(nil, e.loop.target) {
			b.WriteString(strings.Join([]string{m.Metric, m.Type, m.Help, m.Unit}, "|") + "\n")
		}
		return b.String()
	}
	om := "# TYPE a counter\n# HELP a What\\nit is.\n# TYPE b_seconds gauge\n# UNIT b_seconds seconds\na_total 1\nb_seconds 2\n# EOF\n"
	e.say(om)
	e.scrape(1000)
	want := "a|counter|What\nit is.|\nb_seconds|gauge||seconds\n"
	if got := list(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.say(strings.Replace(om, "a counter", "a unknown", 1))
	e.scrape(2000)
	if got := list(); got != strings.Replace(want, "counter", "unknown", 1) {
		t.Errorf("after a change: %q", got)
	}
	e.say("# HELP c New.\nc 1\n")
	for i := range int64(30) {
		e.scrape(3000 + i*1000)
		if i == 3 && !strings.Contains(list(), "a|") {
			t.Error("metadata is forgotten at once")
		}
	}
	if got := list(); got != "c|unknown|New.|\n" {
		t.Errorf("long after: %q", got)
	}
}
