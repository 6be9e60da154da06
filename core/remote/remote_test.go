package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

var now = time.Unix(1_700_000_000, 0)

// recorder is a storage that remembers what it was given, as text, and fails as told.
type recorder struct {
	mu    sync.Mutex
	names []string // of the series, by number
	lost  int      // that many of them have left
	got   []string
	err   error
}

func (r *recorder) Refs(_ context.Context, series []labels.Labels, refs []storage.Ref) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, ls := range series {
		at := slices.Index(r.names[r.lost:], ls.String())
		if at < 0 {
			at = len(r.names) - r.lost
			r.names = append(r.names, ls.String())
		}
		refs[i] = storage.Ref(r.lost + at + 1)
	}
	return nil
}

func (r *recorder) AppendPoints(_ context.Context, points []storage.Point, gone []int) ([]int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range points {
		if int(p.Ref) <= r.lost {
			gone = append(gone, i)
			continue
		}
		v := fmt.Sprint(p.V)
		if model.IsStale(p.V) {
			v = "stale"
		}
		r.got = append(r.got, fmt.Sprintf("%s %d %s", r.names[p.Ref-1], p.T-now.UnixMilli(), v))
	}
	return gone, r.err
}

func (r *recorder) Append(_ context.Context, batch []model.Series) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range batch {
		start := func(t int64) string {
			for _, x := range s.Starts {
				if x.T == t {
					return fmt.Sprintf(" since %d", x.ST-now.UnixMilli())
				}
			}
			return ""
		}
		for _, p := range s.Samples {
			r.got = append(r.got, fmt.Sprintf("%s %d %v%s", s.Labels, p.T-now.UnixMilli(), p.V, start(p.T)))
		}
		for _, h := range s.Histograms {
			kind := "floats"
			if h.H != nil {
				kind = "integers"
			}
			r.got = append(r.got, fmt.Sprintf("%s %d %s of %s%s", s.Labels, h.T-now.UnixMilli(), h.Float(), kind, start(h.T)))
		}
	}
	return r.err
}

func series(pairs ...string) prompb.TimeSeries {
	var ts prompb.TimeSeries
	for i := 0; i < len(pairs); i += 2 {
		ts.Labels = append(ts.Labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return ts
}

func with(ts prompb.TimeSeries, samples ...float64) prompb.TimeSeries {
	for i, v := range samples {
		ts.Samples = append(ts.Samples, prompb.Sample{Value: v, Timestamp: now.UnixMilli() + int64(i)})
	}
	return ts
}

func encode(t testing.TB, req *prompb.WriteRequest) []byte {
	t.Helper()
	b, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, b)
}

func post(r http.Handler, body []byte, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func newReceiver(store Storage, reg prometheus.Registerer) *Receiver {
	return NewReceiver(Options{Storage: store, Registerer: reg, Clock: func() time.Time { return now }})
}

func TestWhatIsStored(t *testing.T) {
	future := series("__name__", "up")
	future.Samples = []prompb.Sample{{Value: 1, Timestamp: now.UnixMilli()}, {Value: 2, Timestamp: now.Add(time.Hour).UnixMilli()}}
	extras := with(series("__name__", "up"), 1)
	extras.Exemplars = []prompb.Exemplar{{Value: 1}}
	long := strings.Repeat("y", storage.MaxLabel+1)
	withExemplar := with(series("__name__", "up"), 1)
	withExemplar.Exemplars = []prompb.Exemplar{{Value: 1, Labels: series("a", long).Labels}}
	extras.Histograms = []prompb.Histogram{
		prompb.FromIntHistogram(now.UnixMilli()+5, &histogram.Histogram{Schema: 1, Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{1, 1}}),
		prompb.FromFloatHistogram(now.UnixMilli()+6, &histogram.FloatHistogram{Schema: histogram.CustomBucketsSchema, Count: 0.5, Sum: 2, CustomValues: []float64{1, 2},
			PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{0.5}}),
	}
	for _, tt := range []struct {
		name string
		in   prompb.WriteRequest
		code int
		want []string
		text string // in the answer
	}{
		{"nothing at all", prompb.WriteRequest{}, 204, nil, ""},
		{"two series", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up", "job", "a"), 1, 2), with(series("__name__", "up", "job", "b"), math.Inf(1))}}, 204,
			[]string{`{__name__="up", job="a"} 0 1`, `{__name__="up", job="a"} 1 2`, `{__name__="up", job="b"} 0 +Inf`}, ""},
		{"the staleness marker keeps its bits", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), model.Stale)}}, 204, []string{`{__name__="up"} 0 stale`}, ""},
		{"labels out of order are sorted", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("job", "a", "__name__", "up", "b", ""), 1)}}, 204, []string{`{__name__="up", job="a"} 0 1`}, ""},
		{"a series without a name, the rest is stored", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("job", "a"), 1), with(series("__name__", "up"), 2)}}, 400,
			[]string{`{__name__="up"} 0 2`}, `invalid labels: {job="a"} has no metric name`},
		{"a label twice", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up", "a", "1", "a", "2"), 1)}}, 400, nil, `has the label "a" twice`},
		{"a value too long for labels, the rest is stored", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up", "a", long), 1), with(series("__name__", "up"), 2)}}, 400,
			[]string{`{__name__="up"} 0 2`}, "the name or value of a label has 16777217 bytes, more than 16777216"},
		{"an exemplar too long for labels", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{withExemplar}}, 400, nil, "exemplar: a label of 16777217 bytes"},
		{"a value that is no UTF-8", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up", "a", "\xff"), 1)}}, 400, nil, "must be valid UTF-8"},
		{"a sample of the future, the rest is stored", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{future}}, 400, []string{`{__name__="up"} 0 1`}, "sample too far in the future: {__name__=\"up\"} at 2023-11-14T23:13:20Z"},
		{"histograms beside a number", prompb.WriteRequest{Timeseries: []prompb.TimeSeries{extras}, Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up"}}}, 204,
			[]string{`{__name__="up"} 0 1`, `{__name__="up"} 5 {count:3, sum:2, (0.5,0.7071067811865475]:1, (0.7071067811865475,1]:2} of integers`,
				`{__name__="up"} 6 {count:0.5, sum:2, (1,2]:0.5} of floats`}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &recorder{}
			w := post(newReceiver(store, nil), encode(t, &tt.in))
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) || tt.text == "" && w.Body.Len() > 0 {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, tt.code, tt.text)
			}
			if got, want := strings.Join(store.got, "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("stored\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestStorageErrorsBecomeCodes(t *testing.T) {
	body := encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), 1, 2)}})
	for _, tt := range []struct {
		err  error
		code int
	}{
		{&storage.AppendError{Rejected: 1, Stored: 1, First: fmt.Errorf("up at 5: %w", storage.ErrOutOfOrder)}, 400},
		{fmt.Errorf("x: %w", storage.ErrDuplicate), 400},
		{fmt.Errorf("x: %w", storage.ErrTooOld), 400},
		{fmt.Errorf("x: %w", storage.ErrTooNew), 400},
		{storage.ErrClosed, 503},
		{storage.ErrNoSpace, 503},
		{errors.New("disk on fire"), 500},
	} {
		w := post(newReceiver(&recorder{err: tt.err}, nil), body)
		if w.Code != tt.code || strings.TrimSpace(w.Body.String()) != tt.err.Error() {
			t.Errorf("%v is answered %d %q, want %d", tt.err, w.Code, w.Body, tt.code)
		}
	}
}

func TestBadRequests(t *testing.T) {
	good := encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), 1)}})
	huge := append([]byte{0x80, 0x80, 0x80, 0x40}, good...) // says it is 128 MiB
	bomb := append([]byte{0x80, 0x80, 0x80, 0x08}, good...) // says it is 16 MiB, which so few bytes cannot be
	for _, tt := range []struct {
		name   string
		body   []byte
		header []string
		code   int
		text   string
	}{
		{"another content type", good, []string{"Content-Type", "application/json"}, 415, `Content-Type "application/json" is not accepted`},
		{"another message", good, []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, 415, "remote write 1.0"},
		{"the message named", good, []string{"Content-Type", "application/x-protobuf; proto=prometheus.WriteRequest"}, 204, ""},
		{"no content type, as old senders", good, []string{"Content-Type", ""}, 204, ""},
		{"another encoding", good, []string{"Content-Encoding", "gzip"}, 415, "send snappy"},
		{"no snappy", []byte("hello, hello, hello"), nil, 400, "snappy: corrupt input"},
		{"an empty body", nil, nil, 400, "snappy: corrupt input"},
		{"snappy that ends early", good[:len(good)-3], nil, 400, "snappy: corrupt input"},
		{"more than is accepted", huge, nil, 413, "134217728 bytes when decompressed"},
		{"a length that cannot be", bomb, nil, 400, "snappy: corrupt input"},
		{"a body that is too long", make([]byte, 33<<20), nil, 413, "larger than 33554432 bytes"},
		{"no protobuf", snappy.Encode(nil, []byte("\x0a\x7f")), nil, 400, "message ends too early"},
		{"a damaged label", snappy.Encode(nil, []byte("\x0a\x03\x0a\x01\x0a")), nil, 400, "message ends too early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := post(newReceiver(&recorder{}, nil), tt.body, tt.header...)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, tt.code, tt.text)
			}
		})
	}
	w := httptest.NewRecorder()
	newReceiver(&recorder{}, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/write", nil))
	if w.Code != 405 {
		t.Errorf("GET is answered %d", w.Code)
	}
}

func TestCounts(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newReceiver(&recorder{}, reg)
	post(r, encode(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), 1, 2), with(series("a", "b"), 3)},
		Metadata:   []prompb.MetricMetadata{{MetricFamilyName: "up"}},
	}))
	want := `
# HELP hearth_remote_rejected_samples_total Samples received by remote write that cannot be stored; where several reasons met in a request, the first.
# TYPE hearth_remote_rejected_samples_total counter
hearth_remote_rejected_samples_total{reason="labels"} 1
# HELP hearth_remote_requests_total Remote write requests by the code they were answered with.
# TYPE hearth_remote_requests_total counter
hearth_remote_requests_total{code="400"} 1
# HELP hearth_remote_samples_total Samples received by remote write and stored.
# TYPE hearth_remote_samples_total counter
hearth_remote_samples_total 2
# HELP hearth_remote_skipped_total What came by remote write and is not kept.
# TYPE hearth_remote_skipped_total counter
hearth_remote_skipped_total{kind="metadata"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestRequestsAtTheSameTime(t *testing.T) {
	store := &recorder{}
	r := newReceiver(store, nil)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				ts := with(series("__name__", "m", "g", fmt.Sprint(g), "i", fmt.Sprint(i%5)), float64(g*1000+i))
				if w := post(r, encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}})); w.Code != 204 {
					t.Errorf("answered %d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, line := range store.got {
		var g, i int
		var v float64
		if _, err := fmt.Sscanf(line, `{__name__="m", g="%d", i="%d"} 0 %g`, &g, &i, &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if int(v)/1000 != g || int(v)%1000%5 != i {
			t.Errorf("sample of another series: %s", line)
		}
		seen[line] = true
	}
	if len(seen) != 400 {
		t.Errorf("%d samples stored, want 400", len(seen))
	}
}

func TestSeriesThatLeftTheStorageComeBack(t *testing.T) {
	store := &recorder{}
	r := newReceiver(store, nil)
	body := encode(t, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "a"), 1, 2), with(series("__name__", "b"), 3)}})
	for range 2 {
		if w := post(r, body); w.Code != 204 {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
		store.lost = 1 // a is gone, b is there
	}
	once := []string{`{__name__="a"} 0 1`, `{__name__="a"} 1 2`, `{__name__="b"} 0 3`}
	again := []string{`{__name__="b"} 0 3`, `{__name__="a"} 0 1`, `{__name__="a"} 1 2`}
	if want := slices.Concat(once, again); !slices.Equal(store.got, want) {
		t.Errorf("stored\n%s\nwant\n%s", strings.Join(store.got, "\n"), strings.Join(want, "\n"))
	}
	if w := post(r, body); w.Code != 204 || len(store.names) != 3 {
		t.Errorf("the third time: %d, %d series were made", w.Code, len(store.names))
	}
}

func TestKnownIsBoundedAndExact(t *testing.T) {
	k := newKnown(64<<10, func() int { return 0 })
	for round := range 3 {
		for lo := 0; lo < 6000; lo += 100 {
			batch := make([]sent, 100)
			for i := range batch {
				batch[i].name = k.name(fmt.Appendf(nil, "series %d", lo+i))
			}
			unknown := k.find(batch, nil)
			for i := range batch {
				if s := batch[i]; s.ref != 0 && int(s.ref) != lo+i+1 {
					t.Fatalf("round %d: series %d is taken for %d", round, lo+i, s.ref-1)
				}
			}
			for _, i := range unknown {
				batch[i].ref = storage.Ref(lo + i + 1)
			}
			k.keep(batch, unknown)
			if left := k.find(batch, nil); len(left) > 0 {
				t.Fatalf("round %d: %d series are forgotten at once", round, len(left))
			}
		}
	}
	if n := (len(k.mu.young.places) + len(k.mu.old.places)) * placeBytes; n > 64<<10 {
		t.Errorf("%d bytes are used", n)
	}
	batch := []sent{{name: k.name([]byte("series 5999"))}}
	var buf [1]int
	if n := testing.AllocsPerRun(100, func() { k.find(batch, buf[:0]) }); n > 0 {
		t.Errorf("a known series costs %v allocations", n)
	}
}

func TestKnownHasRoomForAllSeriesInMemory(t *testing.T) {
	stored := 0
	k := newKnown(64<<10, func() int { return stored })
	const senders, each = 60, 100
	for round := range 3 {
		for lo := 0; lo < senders*each; lo += each {
			batch := make([]sent, each)
			for i := range batch {
				batch[i].name = k.name(fmt.Appendf(nil, "series %d", lo+i))
			}
			unknown := k.find(batch, nil)
			if round > 0 && len(unknown) > 0 {
				t.Fatalf("round %d: %d of the series from %d on are not known", round, len(unknown), lo)
			}
			for _, i := range unknown {
				batch[i].ref = storage.Ref(lo + i + 1)
				stored++
			}
			k.keep(batch, unknown)
		}
	}
	if n := (len(k.mu.young.places) + len(k.mu.old.places)) * placeBytes; n > senders*each*placeBytes*3 {
		t.Errorf("%d bytes are used", n)
	}
}

// histogramText shows every field of a histogram; the hint is 0 if it is none that there is.
func histogramText(h model.Histogram) string {
	if h.H != nil {
		c := *h.H
		if c.CounterResetHint > histogram.GaugeType {
			c.CounterResetHint = 0
		}
		return fmt.Sprintf("%d:%+v ", h.T, c)
	}
	c := *h.FH
	if c.CounterResetHint > histogram.GaugeType {
		c.CounterResetHint = 0
	}
	return fmt.Sprintf("%d:%+v ", h.T, c)
}

// FuzzWalker holds the walker against upstream's generated code.
func FuzzWalker(f *testing.F) {
	for _, req := range []prompb.WriteRequest{
		{Timeseries: []prompb.TimeSeries{with(series("__name__", "up", "job", "a"), 1, 2), with(series("a", "b"), math.NaN())}},
		{Timeseries: []prompb.TimeSeries{{Histograms: []prompb.Histogram{
			prompb.FromIntHistogram(5, &histogram.Histogram{Schema: -1, Count: 7, ZeroCount: 2, ZeroThreshold: 0.1, Sum: 2, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []int64{1, 1},
				NegativeSpans: []histogram.Span{{Offset: 4, Length: 1}}, NegativeBuckets: []int64{2}}),
			prompb.FromFloatHistogram(6, &histogram.FloatHistogram{CounterResetHint: histogram.GaugeType, Schema: histogram.CustomBucketsSchema, CustomValues: []float64{1, 2}, Count: 0.5,
				PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{0.5}}),
		}}}},
		{Timeseries: []prompb.TimeSeries{{Exemplars: []prompb.Exemplar{{Value: 1}}, Histograms: []prompb.Histogram{{Sum: 1}}}}, Metadata: []prompb.MetricMetadata{{Help: "h"}, {Type: prompb.MetricMetadata_SUMMARY, MetricFamilyName: "m", Unit: "s"}, {Type: 8}}},
	} {
		b, err := req.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x0a\x0b\x12\x02\x10\x01\x0a\x05\x0a\x01a\x12\x00")) // a sample before the labels
	f.Add([]byte("\x0a\x08\x2b\x08\x01\x2c\x12\x02\x10\x01"))          // a group
	f.Add([]byte("\x0a\x0f\x12\x0d\x09\x00\x00\x00\x00\x00\x00\x00\x00\x10\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var samples []model.Sample
		var got []string
		w := walker1{b: b}
		var failed error
		for {
			s, more, err := w.next(&samples)
			if err != nil {
				failed = err
				break
			}
			if !more {
				break
			}
			var line strings.Builder
			if err := eachLabel(b[s.lo:s.hi], func(n, v []byte) { fmt.Fprintf(&line, "%q=%q ", n, v) }); err != nil {
				failed = err
				break
			}
			for _, p := range samples[s.firstSample:] {
				fmt.Fprintf(&line, "%d:%x ", p.T, math.Float64bits(p.V))
			}
			for _, h := range s.histograms {
				line.WriteString(histogramText(h))
			}
			got = append(got, line.String())
		}
		var req prompb.WriteRequest
		if err := req.Unmarshal(b); err != nil {
			return // we do not look into what we skip, so we may be content where upstream is not
		}
		if errors.Is(failed, errPacked) {
			return
		}
		if failed != nil {
			t.Fatalf("upstream reads it, we do not: %v", failed)
		}
		var want []string
		for _, ts := range req.Timeseries {
			var line strings.Builder
			for _, l := range ts.Labels {
				fmt.Fprintf(&line, "%q=%q ", l.Name, l.Value)
			}
			for _, p := range ts.Samples {
				fmt.Fprintf(&line, "%d:%x ", p.Timestamp, math.Float64bits(p.Value))
			}
			for _, h := range ts.Histograms {
				m := model.Histogram{T: h.Timestamp}
				if h.IsFloatHistogram() {
					m.FH = h.ToFloatHistogram()
				} else {
					m.H = h.ToIntHistogram()
				}
				line.WriteString(histogramText(m))
			}
			want = append(want, line.String())
		}
		for _, m := range w.metadata().said {
			got = append(got, fmt.Sprintf("%q", m))
		}
		for _, m := range req.Metadata {
			kind := strings.ToLower(m.Type.String())
			if m.Type < 0 || m.Type > prompb.MetricMetadata_STATESET {
				kind = "unknown"
			}
			want = append(want, fmt.Sprintf("%q", storage.Metadata{Metric: m.MetricFamilyName, Type: kind, Help: m.Help, Unit: m.Unit}))
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Fatalf("got\n%s\nwant\n%s", g, w)
		}
	})
}

// FuzzReceiver sends anything at all: it must answer, and keep to its limits.
func FuzzReceiver(f *testing.F) {
	f.Add(encode(f, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), 1)}}))
	r := NewReceiver(Options{Storage: &recorder{}, MaxBytes: 1 << 16})
	f.Fuzz(func(t *testing.T, body []byte) {
		if w := post(r, body); w.Code != 204 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	})
}

type discard struct{}

func (discard) Refs(_ context.Context, _ []labels.Labels, refs []storage.Ref) error {
	for i := range refs {
		refs[i] = storage.Ref(i + 1)
	}
	return nil
}

func (discard) Append(context.Context, []model.Series) error { return nil }

func (discard) AppendPoints(_ context.Context, _ []storage.Point, gone []int) ([]int, error) {
	return gone, nil
}

// BenchmarkReceive is a request of 2000 known series, as Prometheus sends them.
func BenchmarkReceive(b *testing.B) {
	var req prompb.WriteRequest
	for i := range 2000 {
		req.Timeseries = append(req.Timeseries, with(series("__name__", "http_request_duration_seconds_bucket", "code", "200", "handler", "/api/v1/query_range",
			"instance", "10.0.0.17:9090", "job", "prometheus", "le", fmt.Sprint(i), "method", "get", "pod", "prometheus-k8s-0"), float64(i)))
	}
	body := encode(b, &req)
	r := newReceiver(discard{}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if w := post(r, body); w.Code != 204 {
			b.Fatal(w.Code)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}
