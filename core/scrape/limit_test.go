package scrape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// picky refuses new series whose names begin with no, as long as it does, and all buckets of native histograms when
// told to.
type picky struct {
	no      string
	buckets bool
	asked   int
}

func (p *picky) Admit(ls labels.Labels) error {
	if ls.Has("\xff") {
		if p.buckets {
			return storage.ErrLimit
		}
		return nil
	}
	p.asked++
	if p.no != "" && strings.HasPrefix(ls.Get("__name__"), p.no) {
		return fmt.Errorf("%w: %s", storage.ErrLimit, ls)
	}
	return nil
}

func (p *picky) Count(string, string, int) {}

func (p *picky) Open(labels.Labels) error { return nil }

func TestALimitRefusesNewSeriesAndTheScrapeGoesOn(t *testing.T) {
	yes := true
	e := expose(t, func(c *config.Scrape) { c.ConvertClassicHistogramsToNHCB = &yes })
	gate := &picky{}
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Retention: 24 * time.Hour, Sync: "off", Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e.manager.env.storage = db
	histogram := func(name string, n int) string {
		return fmt.Sprintf("# TYPE %[1]s histogram\n%[1]s_bucket{le=\"1\"} %[2]d\n%[1]s_bucket{le=\"+Inf\"} %[3]d\n%[1]s_sum 3\n%[1]s_count %[3]d\n", name, n, n+1)
	}
	scrape := func(at int64, body string) {
		t.Helper()
		e.say(body)
		if err := e.scrape(at); err != "" {
			t.Errorf("scrape at %d: %s", at, err)
		}
	}
	scrape(1000, "a 1\n"+histogram("h", 1)+"z 2\n")
	gate.no = "new"
	scrape(2000, "a 3\nnew_x 4\n"+histogram("new_h", 1)+histogram("h", 2)+"new_y 5\nb 6\nz 7\nnew_x 8\n")
	scrape(3000, "a 9\nnew_x 10\n"+histogram("new_h", 2)+histogram("h", 3)+"new_y 11\nb 12\nz 13\nnew_x 14\n")
	gate.no = ""
	scrape(4000, "a 15\nnew_x 16\n"+histogram("new_h", 3)+histogram("h", 4)+"new_y 17\nb 18\nz 19\n")
	gate.buckets = true
	scrape(5000, "a 20\n"+histogram("later_h", 3)+"new_x 21\n"+histogram("h", 5))
	gate.buckets = false
	scrape(6000, "a 22\n"+histogram("later_h", 4)+"new_x 23\n"+histogram("h", 6))

	got := contents(t, db)
	for series, want := range map[string]string{
		"a":     "[{1000 1} {2000 3} {3000 9} {4000 15} {5000 20} {6000 22}]",
		"b":     "[{2000 6} {3000 12} {4000 18} {5000 NaN}]",
		"z":     "[{1000 2} {2000 7} {3000 13} {4000 19} {5000 NaN}]",
		"new_x": "[{4000 16} {5000 21} {6000 23}]",
		"new_y": "[{4000 17} {5000 NaN}]",
	} {
		if s := fmt.Sprint(got.series[`{__name__="`+series+`", instance="i", job="j"}`]); s != want {
			t.Errorf("%s has %s, want %s", series, s, want)
		}
	}
	for series, want := range map[string]string{
		"h":       "[1000 2000 3000 4000 5000 6000]",
		"new_h":   "[4000]",
		"later_h": "[6000]",
	} {
		var at []int64
		for _, h := range got.native[`{__name__="`+series+`", instance="i", job="j"}`] {
			at = append(at, h.T)
		}
		if s := fmt.Sprint(at); s != want {
			t.Errorf("%s has histograms at %s, want %s", series, s, want)
		}
	}
	if n := e.counted("hearth_scrape_samples_dropped_total", dropLimit); n != 7 { // 3 twice, and later_h once
		t.Errorf("%v dropped", n)
	}
}

func TestNotAllNewSeriesAreTriedWhileSomeAreRefused(t *testing.T) {
	e := expose(t, nil)
	gate := &picky{}
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Retention: 24 * time.Hour, Sync: "off", Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e.manager.env.storage = db
	at := int64(0)
	scrape := func(body string) (asked int) {
		t.Helper()
		at += 1000
		before := gate.asked
		e.say(body)
		if err := e.scrape(at); err != "" {
			t.Errorf("scrape at %d: %s", at, err)
		}
		return gate.asked - before
	}
	var b strings.Builder
	b.WriteString("a 1\n")
	for i := range 30_000 {
		fmt.Fprintf(&b, "new{n=\"%d\"} 1\n", i)
	}
	b.WriteString("z 1\n")
	scrape("a 1\nz 1\n")
	gate.no = "new"
	if n := scrape(b.String()); n != 30_000 {
		t.Errorf("at first %d are asked for", n)
	}
	dropped := e.counted("hearth_scrape_samples_dropped_total", dropLimit)
	for range 20 {
		n := scrape(b.String())
		if n < leastTries/2 || n > 2*leastTries {
			t.Errorf("then %d are asked for", n)
		}
	}
	if more := e.counted("hearth_scrape_samples_dropped_total", dropLimit) - dropped; more != 20*30_000 {
		t.Errorf("%v are counted as dropped", more)
	}
	gate.no = ""
	for range 5 {
		scrape(b.String())
	}
	if n := scrape(b.String()); n != 0 || db.Stats().Head.Series != 30_002+standardReports {
		t.Errorf("without a limit %d series are stored, and %d asked for", db.Stats().Head.Series, n)
	}
	got := contents(t, db)
	for _, name := range []string{"a", "z"} {
		if n := len(got.series[`{__name__="`+name+`", instance="i", job="j"}`]); n != int(at/1000) {
			t.Errorf("%s has %d samples of %d", name, n, at/1000)
		}
	}
}
