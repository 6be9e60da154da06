package remote

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/exemplars"
)

// version2 are the headers that senders of version 2.0 set.
var version2 = []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "X-Prometheus-Remote-Write-Version", "2.0.0"}

func encode2(t testing.TB, req *writev2.Request) []byte {
	t.Helper()
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

// some is a request of two series with all that version 2.0 has.
func some() *writev2.Request {
	at := now.UnixMilli()
	st := writev2.NewSymbolTable()
	refs := func(pairs ...string) []uint32 { return st.SymbolizeLabels(labels.FromStrings(pairs...), nil) }
	req := &writev2.Request{Timeseries: []writev2.TimeSeries{
		{LabelsRefs: refs("__name__", "up", "job", "a"), Samples: []writev2.Sample{{Value: 1, Timestamp: at}, {Value: 2, Timestamp: at + 1}},
			Exemplars: []writev2.Exemplar{{LabelsRefs: refs("trace_id", "abc"), Value: 3, Timestamp: at}},
			Metadata:  writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE, HelpRef: st.Symbolize("help"), UnitRef: st.Symbolize("")}},
		{LabelsRefs: refs("__name__", "requests_total", "job", "a"), Samples: []writev2.Sample{{Value: 7, Timestamp: at, StartTimestamp: at - 50}}},
		{LabelsRefs: refs("__name__", "seconds", "job", "a"), Histograms: []writev2.Histogram{
			writev2.FromIntHistogram(at-9, at, &histogram.Histogram{Schema: 1, Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{1, 1}}),
			writev2.FromFloatHistogram(0, at+1, &histogram.FloatHistogram{Count: 3.5, ZeroCount: 3.5, Sum: 2}),
		}},
	}}
	req.Symbols = st.Symbols()
	return req
}

func TestVersion2(t *testing.T) {
	change := func(f func(*writev2.Request)) *writev2.Request {
		r := some()
		f(r)
		return r
	}
	everything := []string{`{__name__="up", job="a"} 0 1`, `{__name__="up", job="a"} 1 2`, `{__name__="requests_total", job="a"} 0 7 since -50`,
		`{__name__="seconds", job="a"} 0 {count:3, sum:2, (0.5,0.7071067811865475]:1, (0.7071067811865475,1]:2} of integers since -9`,
		`{__name__="seconds", job="a"} 1 {count:3.5, sum:2, [-0,0]:3.5} of floats`}
	for _, tt := range []struct {
		name     string
		in       *writev2.Request
		code     int
		want     []string
		text     string // in the answer
		s, h, ex string // what is said to be written
	}{
		{"all there is", some(), 204, everything, "", "3", "2", "1"},
		{"nothing", &writev2.Request{}, 204, nil, "", "0", "0", "0"},
		{"one series has no name", change(func(r *writev2.Request) { r.Timeseries[0].LabelsRefs = r.Timeseries[0].LabelsRefs[2:] }), 400, everything[2:],
			`invalid labels: {job="a"} has no metric name`, "1", "2", "0"},
		{"a symbol that is not there", change(func(r *writev2.Request) { r.Timeseries[0].LabelsRefs[0] = 77 }), 400, nil, "symbol 77 of ", "0", "0", "0"},
		{"a name without a value", change(func(r *writev2.Request) { r.Timeseries[2].LabelsRefs = r.Timeseries[2].LabelsRefs[1:] }), 400, nil, "a series with 3 numbers of symbols", "0", "0", "0"},
		{"the first symbol is not empty", change(func(r *writev2.Request) { r.Symbols[0] = "x" }), 400, nil, "first symbol", "", "", ""},
		{"labels that are long and many", change(func(r *writev2.Request) {
			r.Symbols[1] = "__name__" + strings.Repeat("x", 1<<20)
			for range 1000 {
				r.Timeseries = append(r.Timeseries, r.Timeseries[0])
			}
		}), 400, nil, "send fewer series at once", "0", "0", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &recorder{}
			kept, err := exemplars.Open(exemplars.Options{FS: vfs.NewMem(), Dir: "x", Max: 10})
			if err != nil {
				t.Fatal(err)
			}
			w := post(NewReceiver(Options{Storage: store, Exemplars: kept, Clock: func() time.Time { return now }}), encode2(t, tt.in), version2...)
			if tt.ex == "1" {
				got, err := kept.Exemplars(t.Context(), 0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "a")})
				want := fmt.Sprintf(`[{{__name__="up", job="a"} [{{trace_id="abc"} 3 %d true}]}]`, now.UnixMilli())
				if err != nil || fmt.Sprint(got) != want {
					t.Errorf("exemplars %v, %v, want %s", got, err, want)
				}
			}
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) || tt.text == "" && w.Body.Len() > 0 {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, tt.code, tt.text)
			}
			if got, want := strings.Join(store.got, "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("stored\n%s\nwant\n%s", got, want)
			}
			for name, want := range map[string]string{"Samples": tt.s, "Histograms": tt.h, "Exemplars": tt.ex} {
				if got := w.Header().Get("X-Prometheus-Remote-Write-" + name + "-Written"); got != want {
					t.Errorf("%s written: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestWhatIsWrittenOfARefusedRequestIsCounted(t *testing.T) {
	store := &recorder{err: &storage.AppendError{Rejected: 1, Stored: 1, First: fmt.Errorf("x: %w", storage.ErrOutOfOrder)}}
	req := some()
	req.Timeseries = req.Timeseries[2:]
	w := post(newReceiver(store, nil), encode2(t, req), version2...)
	if got := w.Header().Get("X-Prometheus-Remote-Write-Histograms-Written"); w.Code != 400 || got != "1" {
		t.Errorf("%d, %s histograms are said to be written", w.Code, got)
	}
}

// FuzzWalker2 holds the walker of version 2.0 against upstream's generated code.
func FuzzWalker2(f *testing.F) {
	b, err := some().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []string
		var samples []model.Sample
		w, failed := newWalker2(b, nil, 1<<20)
		for failed == nil {
			s, more, err := w.next(&samples)
			if failed = err; err != nil || !more {
				break
			}
			var line strings.Builder
			if err := eachLabel(w.text()[s.lo:s.hi], func(n, v []byte) { fmt.Fprintf(&line, "%q=%q ", n, v) }); err != nil {
				t.Fatalf("labels as they are written out: %v", err)
			}
			starts := map[int64]int64{}
			for _, x := range s.starts {
				starts[x.T] = x.ST
			}
			for _, p := range samples[s.firstSample:] {
				fmt.Fprintf(&line, "%d:%x since %d ", p.T, math.Float64bits(p.V), starts[p.T])
			}
			for _, h := range s.histograms {
				fmt.Fprintf(&line, "%ssince %d ", histogramText(h), starts[h.T])
			}
			got = append(got, line.String())
		}
		var req writev2.Request
		if err := req.Unmarshal(b); err != nil {
			return // we do not look into what we skip, so we may be content where upstream is not
		}
		if len(req.Symbols) > 0 && req.Symbols[0] != "" {
			return
		}
		var want []string
		if errors.Is(failed, errExemplar) {
			return
		}
		for _, ts := range req.Timeseries {
			for _, e := range ts.Exemplars {
				if slices.ContainsFunc(e.LabelsRefs, func(ref uint32) bool { return ref >= uint32(len(req.Symbols)) }) {
					return
				}
			}
			if ts.Metadata.HelpRef >= uint32(len(req.Symbols)) || ts.Metadata.UnitRef >= uint32(len(req.Symbols)) {
				return
			}
			var line strings.Builder
			if len(ts.LabelsRefs)%2 != 0 {
				return
			}
			starts := map[int64]int64{}
			for i := 0; i < len(ts.LabelsRefs); i += 2 {
				if max(ts.LabelsRefs[i], ts.LabelsRefs[i+1]) >= uint32(len(req.Symbols)) {
					return
				}
				fmt.Fprintf(&line, "%q=%q ", req.Symbols[ts.LabelsRefs[i]], req.Symbols[ts.LabelsRefs[i+1]])
			}
			for _, p := range ts.Samples {
				if p.StartTimestamp != 0 {
					starts[p.Timestamp] = p.StartTimestamp
				}
			}
			for _, h := range ts.Histograms {
				if h.StartTimestamp != 0 {
					starts[h.Timestamp] = h.StartTimestamp
				}
			}
			for _, p := range ts.Samples {
				fmt.Fprintf(&line, "%d:%x since %d ", p.Timestamp, math.Float64bits(p.Value), starts[p.Timestamp])
			}
			for _, h := range ts.Histograms {
				m := model.Histogram{T: h.Timestamp}
				if h.IsFloatHistogram() {
					m.FH = h.ToFloatHistogram()
				} else {
					m.H = h.ToIntHistogram()
				}
				fmt.Fprintf(&line, "%ssince %d ", histogramText(m), starts[h.Timestamp])
			}
			want = append(want, line.String())
		}
		if errors.Is(failed, errPacked) {
			return
		}
		if failed != nil {
			t.Fatalf("upstream reads it, we do not: %v", failed)
		}
		for _, m := range w.metadata().said {
			said := fmt.Sprintf("%q", m)
			if slices.Contains(got, said) {
				t.Fatalf("%s twice", said)
			}
			got = append(got, said)
		}
		for _, ts := range req.Timeseries {
			if said, ok := saidBy(ts, req.Symbols); ok && !slices.Contains(want, said) {
				want = append(want, said)
			}
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Fatalf("got\n%s\nwant\n%s", g, w)
		}
	})
}

// saidBy is what a series says of its metric, as text, if anything.
func saidBy(ts writev2.TimeSeries, symbols []string) (string, bool) {
	i := 0
	for i < len(ts.LabelsRefs) && symbols[ts.LabelsRefs[i]] != "__name__" {
		i += 2
	}
	if i == len(ts.LabelsRefs) || ts.Metadata.Type == 0 && ts.Metadata.HelpRef|ts.Metadata.UnitRef == 0 || symbols[ts.LabelsRefs[i+1]] == "" {
		return "", false
	}
	m := storage.Metadata{Metric: symbols[ts.LabelsRefs[i+1]], Type: "unknown", Help: symbols[ts.Metadata.HelpRef], Unit: symbols[ts.Metadata.UnitRef]}
	if k := ts.Metadata.Type; k > 0 && k <= writev2.Metadata_METRIC_TYPE_STATESET {
		m.Type = strings.ToLower(strings.TrimPrefix(k.String(), "METRIC_TYPE_"))
	}
	m.Metric = string(family([]byte(m.Metric), commonmodel.MetricType(m.Type)))
	return fmt.Sprintf("%q", m), true
}

// BenchmarkReceive2 is BenchmarkReceive as version 2.0.
func BenchmarkReceive2(b *testing.B) {
	st := writev2.NewSymbolTable()
	var req writev2.Request
	for i := range 2000 {
		ls := labels.FromStrings("__name__", "http_request_duration_seconds_bucket", "code", "200", "handler", "/api/v1/query_range",
			"instance", "10.0.0.17:9090", "job", "prometheus", "le", fmt.Sprint(i), "method", "get", "pod", "prometheus-k8s-0")
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: st.SymbolizeLabels(ls, nil),
			Samples: []writev2.Sample{{Value: float64(i), Timestamp: now.Add(time.Duration(i)).UnixMilli()}}})
	}
	req.Symbols = st.Symbols()
	body := encode2(b, &req)
	r := newReceiver(discard{}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if w := post(r, body, version2...); w.Code != 204 {
			b.Fatal(w.Code)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}
