package metric

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// fill writes one family of each kind, with the characters that need care.
func fill(w *Writer) {
	c := w.Counter("requests_total", "Requests\nserved, \\ and \"all\".", "path", "code")
	c.Sample(3, `C:\dir "x"`+"\n", "200")
	c.Sample(1e300, "/é\xff", "")
	w.Gauge("a_first", "").Sample(-0.5)
	w.Untyped("odd", "Who knows.").Sample(math.NaN())
	w.Counter("ticks", "A counter with a name of its own.").Sample(7)
	w.Histogram("latency_seconds", "Time.", "op").Histogram(4, 1.25, []Bucket{{0.1, 1}, {1, 3}}, "get")
	w.Summary("size_bytes", "Size.").Summary(2, 30, []Quantile{{0.5, 10}, {1, 20}})
	w.Gauge("unused", "Nothing is said of it.", "x")
}

func TestTextFormat(t *testing.T) {
	w := NewWriter(Text)
	fill(w)
	got, err := w.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `# TYPE a_first gauge
a_first -0.5
# HELP latency_seconds Time.
# TYPE latency_seconds histogram
latency_seconds_bucket{op="get",le="0.1"} 1
latency_seconds_bucket{op="get",le="1"} 3
latency_seconds_bucket{op="get",le="+Inf"} 4
latency_seconds_sum{op="get"} 1.25
latency_seconds_count{op="get"} 4
# HELP odd Who knows.
# TYPE odd untyped
odd NaN
# HELP requests_total Requests\nserved, \\ and "all".
# TYPE requests_total counter
requests_total{path="C:\\dir \"x\"\n",code="200"} 3
requests_total{path="/é` + "\uFFFD" + `"} 1e+300
# HELP size_bytes Size.
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 10
size_bytes{quantile="1"} 20
size_bytes_sum 30
size_bytes_count 2
# HELP ticks A counter with a name of its own.
# TYPE ticks counter
ticks 7
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestOpenMetricsFormat(t *testing.T) {
	w := NewWriter(OpenMetrics)
	fill(w)
	got, err := w.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"# TYPE requests counter\n", `# HELP requests Requests\nserved, \\ and \"all\".` + "\n", `requests_total{path="C:\\dir \"x\"\n",code="200"} 3` + "\n",
		"# TYPE odd unknown\n", "# TYPE ticks unknown\n", `le="1.0"} 3` + "\n", `le="+Inf"} 4` + "\n", `quantile="1.0"} 20` + "\n",
	} {
		if !bytes.Contains(got, []byte(line)) {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
	if !bytes.HasSuffix(got, []byte("\n# EOF\n")) {
		t.Errorf("does not end in # EOF:\n%s", got)
	}
}

// What this package writes, upstream's parser must read, with the values that went in.
func TestUpstreamReadsBothFormats(t *testing.T) {
	for _, f := range []Format{Text, OpenMetrics} {
		w := NewWriter(f)
		fill(w)
		body, err := w.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		series := read(t, body, f)
		for name, want := range map[string]float64{
			`{__name__="a_first"}`: -0.5,
			`{__name__="requests_total", code="200", path="C:\\dir \"x\"\n"}`: 3,
			`{__name__="requests_total", path="/é` + "\uFFFD" + `"}`:          1e300,
			`{__name__="latency_seconds_count", op="get"}`:                    4,
			`{__name__="size_bytes_sum"}`:                                     30,
			`{__name__="ticks"}`:                                              7,
		} {
			if got, ok := series[name]; !ok || got != want {
				t.Errorf("format %d: %s is %v (there: %v), want %v\n%v", f, name, got, ok, want, series)
			}
		}
		if len(series) != 14 {
			t.Errorf("format %d: %d series", f, len(series))
		}
	}
}

func read(t *testing.T, body []byte, f Format) map[string]float64 {
	t.Helper()
	p, err := textparse.New(body, f.ContentType(), labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, body)
		}
		if e != textparse.EntrySeries {
			continue
		}
		_, _, v := p.Series()
		var ls labels.Labels
		p.Labels(&ls)
		if _, ok := got[ls.String()]; ok {
			t.Errorf("%s twice", ls)
		}
		got[ls.String()] = v
	}
}

func TestMistakesAreErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*Writer)
		want string
	}{
		{"a bad metric name", func(w *Writer) { w.Gauge("a-b", "") }, `"a-b" is not a metric name`},
		{"an empty metric name", func(w *Writer) { w.Gauge("", "") }, `"" is not`},
		{"a bad label name", func(w *Writer) { w.Gauge("a", "", "b:c") }, `"b:c"`},
		{"a reserved label name", func(w *Writer) { w.Gauge("a", "", "__b") }, `"__b"`},
		{"a label twice", func(w *Writer) { w.Gauge("a", "", "b", "b") }, `"b"`},
		{"le on a histogram", func(w *Writer) { w.Histogram("a", "", "le") }, `"le"`},
		{"too few label values", func(w *Writer) { w.Gauge("a", "", "b").Sample(1) }, "0 values for the 1 labels"},
		{"one name with two kinds", func(w *Writer) { w.Gauge("a", "").Sample(1); w.Counter("a", "").Sample(2) }, "gauge"},
		{"one name with two sets of labels", func(w *Writer) { w.Gauge("a", "").Sample(1); w.Gauge("a", "", "b").Sample(2, "c") }, "labels"},
		{"a sample in a histogram", func(w *Writer) { w.Histogram("a", "").Sample(1) }, "no plain sample"},
		{"a histogram in a gauge", func(w *Writer) { w.Gauge("a", "").Histogram(1, 1, nil) }, "no histogram"},
		{"a summary in a gauge", func(w *Writer) { w.Gauge("a", "").Summary(1, 1, nil) }, "no summary"},
		{"buckets that fall", func(w *Writer) { w.Histogram("a", "").Histogram(5, 1, []Bucket{{1, 4}, {2, 3}}) }, "rise"},
		{"a bucket above the count", func(w *Writer) { w.Histogram("a", "").Histogram(5, 1, []Bucket{{1, 6}}) }, "rise"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWriter(Text)
			tt.do(w)
			if _, err := w.AppendTo(nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
			w.Reset()
			w.Gauge("fine", "").Sample(1)
			if b, err := w.AppendTo(nil); err != nil || !bytes.Contains(b, []byte("fine 1")) {
				t.Errorf("not usable after Reset: %s %v", b, err)
			}
		})
	}
}

func TestWriterRefusesMoreThanMaxSize(t *testing.T) {
	w := NewWriter(Text)
	f := w.Gauge("a", "", "b")
	long := strings.Repeat("x", 1<<20)
	for range 100 {
		f.Sample(1, long)
	}
	if _, err := w.AppendTo(nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if cap(f.buf) > 2*MaxSize {
		t.Errorf("kept %d bytes", cap(f.buf))
	}
}

func TestResetForgetsWhatIsNoLongerUsed(t *testing.T) {
	w := NewWriter(Text)
	for i := range 3 {
		w.Gauge("steady", "").Sample(float64(i))
		if i == 0 {
			w.Gauge("once", "").Sample(1)
		}
		if i < 2 {
			w.Reset()
		}
	}
	b, err := w.AppendTo(nil)
	if err != nil || string(b) != "# TYPE steady gauge\nsteady 2\n" || len(w.families) != 1 {
		t.Errorf("%s %v %d", b, err, len(w.families))
	}
}

func TestSteadyWritingDoesNotAllocate(t *testing.T) {
	w := NewWriter(Text)
	var out []byte
	write := func() {
		w.Reset()
		f := w.Counter("cpu_seconds_total", "Seconds.", "cpu", "mode")
		for i := range 10 {
			f.Sample(float64(i)+0.25, "0", "idle")
		}
		out, _ = w.AppendTo(out[:0])
	}
	write()
	if n := testing.AllocsPerRun(100, write); n > 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func FuzzSampleReadsBack(f *testing.F) {
	f.Add("plain", 1.5)
	f.Add("quote\" back\\ line\n\xff", math.Inf(-1))
	f.Fuzz(func(t *testing.T, value string, v float64) {
		for _, format := range []Format{Text, OpenMetrics} {
			w := NewWriter(format)
			w.Gauge("m", value, "l").Sample(v, value)
			body, err := w.AppendTo(nil)
			if err != nil {
				t.Skip() // too large
			}
			got := read(t, body, format)
			want := labels.FromStrings("__name__", "m", "l", string([]rune(value))).WithoutEmpty() // each bad byte becomes U+FFFD
			if x, ok := got[want.String()]; !ok || (x != v && v == v) {
				t.Errorf("%q %v became %v", value, v, got)
			}
		}
	})
}

func BenchmarkSample(b *testing.B) {
	w := NewWriter(Text)
	f := w.Counter("node_cpu_seconds_total", "Seconds.", "cpu", "mode")
	for b.Loop() {
		w.size, f.buf = 0, f.buf[:0]
		f.Sample(12345.67, "0", "idle")
	}
}
