package tools

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// A histogram is one sample of one series to whoever looks into a database, however many columns it has.
func TestHistogramsAreSeenAsWhatTheyAre(t *testing.T) {
	dir := t.TempDir()
	db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: vfs.OS{}})
	if err != nil {
		t.Fatal(err)
	}
	ls := labels.FromStrings("__name__", "seconds", "job", "x")
	at := time.Now().Add(-time.Hour).UnixMilli()
	h := &histogram.Histogram{Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1}}
	err = db.Append(t.Context(), []model.Series{
		{Labels: ls, Histograms: []model.Histogram{{T: at, H: h}, {T: at + 1, H: h}}, Samples: []model.Sample{{T: at + 2, V: 5}}},
		{Labels: labels.FromStrings("__name__", "plain"), Samples: []model.Sample{{T: at, V: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		Text: `{__name__="plain"} 1 %[1]d
{__name__="seconds", job="x"} {count:3, sum:2, (0.5,1]:1, (1,2]:2} %[1]d
{__name__="seconds", job="x"} {count:3, sum:2, (0.5,1]:1, (1,2]:2} %[2]d
{__name__="seconds", job="x"} 5 %[3]d
`,
		JSON: `{"metric":{"__name__":"plain"},"values":[[%[1]d,"1"]]}
{"metric":{"__name__":"seconds","job":"x"},"values":[[%[3]d,"5"]],"histograms":[[%[1]d,"{count:3, sum:2, (0.5,1]:1, (1,2]:2}"],[%[2]d,"{count:3, sum:2, (0.5,1]:1, (1,2]:2}"]]}
`,
	} {
		var b bytes.Buffer
		if err := Dump(t.Context(), db, &b, format, math.MinInt64, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(want, at, at+1, at+2); b.String() != want {
			t.Errorf("%s: got\n%swant\n%s", format, b.String(), want)
		}
	}
	var b bytes.Buffer
	if err := Dump(t.Context(), db, &b, OpenMetrics, math.MinInt64, math.MaxInt64); !errors.Is(err, ErrIncomplete) || !strings.Contains(b.String(), "plain 1 ") {
		t.Errorf("a format that has no histograms: %v\n%s", err, b.String())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := Analyze(t.Context(), vfs.OS{}, dir, 0)
	if err != nil || a.Series != 2 || a.Samples != 4 || len(a.Labels) != 2 || len(a.Metrics) != 2 || a.Ranges[0].Series != 2 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAPartHasAsManySeriesAsUsersSee(t *testing.T) {
	dir := t.TempDir()
	db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: vfs.OS{}})
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) labels.Labels { return labels.FromStrings("__name__", name, "job", "x") }
	h := &histogram.Histogram{Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1}}
	custom := &histogram.Histogram{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{1}, Count: 2, PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 0}}
	start := time.Now().Add(-12 * time.Hour).UnixMilli()
	for at := start; at < start+10*time.Hour.Milliseconds(); at += time.Hour.Milliseconds() {
		err = db.Append(t.Context(), []model.Series{
			{Labels: named("only"), Histograms: []model.Histogram{{T: at, H: h}, {T: at + 1, H: custom}}},
			{Labels: named("both.and"), Histograms: []model.Histogram{{T: at, H: h}}, Samples: []model.Sample{{T: at + 2, V: 5}}},
			{Labels: named("both_and"), Samples: []model.Sample{{T: at, V: 1}}},
			{Labels: named("plain"), Samples: []model.Sample{{T: at, V: 1}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Relieve(t.Context()), db.Close()); err != nil { // makes parts of what is old
		t.Fatal(err)
	}
	l, err := List(t.Context(), vfs.OS{}, dir, true)
	if err != nil || l.Head.Series != 4 {
		t.Errorf("%+v, %v", l, err)
	}
	if len(l.Parts) == 0 {
		t.Fatal("there are no parts")
	}
	for _, p := range l.Parts {
		if p.Series != 4 {
			t.Errorf("%+v", p)
		}
	}
}
