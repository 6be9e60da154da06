package tools

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// What is dumped as OpenMetrics is what upstream's parser reads back, for names and values that need quotes.
func TestOpenMetricsReadsBack(t *testing.T) {
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := time.Now().UnixMilli()
	want := map[string]float64{}
	for i, ls := range []labels.Labels{
		labels.FromStrings("__name__", "plain"),
		labels.FromStrings("__name__", "with:colons_total", "a", "1", "b", "2"),
		labels.FromStrings("__name__", "quoted", "v", "a \"quote\", a \\ and\na line", "w", "ünïcode\u00a0\x01"),
		labels.FromStrings("__name__", "http.server.duration", "service.name", "api"),
		labels.FromStrings("__name__", "2fast"),
	} {
		v := []float64{1, math.Inf(1), -0.1, math.Inf(-1), 1e-300}[i]
		want[ls.String()] = v
		if err := db.Append(t.Context(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: at, V: v}}}}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := Dump(t.Context(), db, &b, OpenMetrics, math.MinInt64, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	p := textparse.NewOpenMetricsParser(b.Bytes(), labels.NewSymbolTable())
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		if e != textparse.EntrySeries {
			continue
		}
		_, ts, v := p.Series()
		var ls labels.Labels
		p.Labels(&ls)
		if w, ok := want[ls.String()]; !ok || w != v || ts == nil || *ts != at {
			t.Errorf("%s %v at %v, want %v at %d", ls, v, ts, w, at)
		}
		delete(want, ls.String())
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}

// A part whose first page is damaged cannot be selected from: what the others have is dumped all the same.
func TestADumpHasWhatIsBesideADamagedPart(t *testing.T) {
	disk := build(t)
	whole := samples(t, disk)
	parts := 0
	for name, data := range files(t, disk) {
		if filepath.Base(name) != "data" {
			continue
		}
		parts++
		bad := disk.Kill()
		flip(t, bad, name, len(data)/4, 1)
		db, _, err := Open(bad, dir)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		all := []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")}
		err = Dump(t.Context(), db, &b, Text, math.MinInt64, math.MaxInt64, all, all)
		if !errors.Is(err, ErrIncomplete) || strings.Count(err.Error(), filepath.Dir(name)+":") != 1 {
			t.Errorf("%s is damaged: %v", name, err)
		}
		have := map[string]bool{}
		for l := range strings.Lines(whole) {
			have[l] = true
		}
		n := 0
		for l := range strings.Lines(b.String()) {
			if n++; !have[l] {
				t.Errorf("%s is damaged, and there is %s", name, l)
			}
		}
		if n < len(have)/3 || n >= len(have) {
			t.Errorf("%s is damaged: %d of %d samples", name, n, len(have))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if parts < 3 {
		t.Errorf("only %d parts", parts)
	}
}
