package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of a message, to put one together by hand.
func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func float(n protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), math.Float64bits(v))
}

func text(n protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), s)
}

func message1(n protowire.Number, fields ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(fields, nil))
}

func delimited(fields ...[]byte) []byte { return protowire.AppendBytes(nil, bytes.Join(fields, nil)) }

func label(name, value string) []byte { return message1(1, text(1, name), text(2, value)) }

func zigzag(v int64) uint64 { return protowire.EncodeZigZag(v) }

func spanOf(n protowire.Number, offset int64, length uint64) []byte {
	return message1(n, number(1, zigzag(offset)), number(2, length))
}

// instrumented returns what client_golang exposes of each kind of metric.
func instrumented(tb testing.TB, series int) []byte {
	tb.Helper()
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests."}, []string{"code", "path"})
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "temperature_celsius", Help: "Warmth, in ü."})
	s := prometheus.NewSummary(prometheus.SummaryOpts{Name: "size_bytes", Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001}})
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "classic_seconds", Buckets: prometheus.DefBuckets}, []string{"path"})
	both := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "both_seconds", Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, []string{"path"})
	n := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "native_seconds", NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: 0.001})
	reg.MustRegister(c, g, s, h, both, n)
	g.Set(21.5)
	for i := range series {
		path := fmt.Sprintf("/api/v1/%04d", i)
		c.WithLabelValues("200", path).(prometheus.ExemplarAdder).AddWithExemplar(float64(i), prometheus.Labels{"trace_id": path})
		for j := range 20 {
			v := float64(j*i)/7 - 3
			h.WithLabelValues(path).Observe(v)
			both.WithLabelValues(path).(prometheus.ExemplarObserver).ObserveWithExemplar(v, prometheus.Labels{"trace_id": path})
			n.Observe(v)
			s.Observe(v)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

// show writes down all that a histogram is made of.
func show(h *histogram.Histogram, fh *histogram.FloatHistogram) string {
	type integer histogram.Histogram // without String
	type float histogram.FloatHistogram
	if h != nil {
		return fmt.Sprintf("%+v", integer(*h))
	}
	return fmt.Sprintf("%+v", float(*fh))
}

func oursProto(body []byte, o Options) (out []string, err error) {
	var p Parser
	p.SetOptions(o)
	p.Reset(body, Protobuf)
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch k {
		case Type:
			out = append(out, fmt.Sprintf("type %q %s", p.Name(), p.MetricType()))
		case Help, Unit:
			out = append(out, fmt.Sprintf("text %q %q", p.Name(), p.Text()))
		case Series, Histogram:
			ts, has := p.Timestamp()
			if !has {
				ts = 0
			}
			line := fmt.Sprintf("%v %d %d ", p.Labels(), ts, p.StartTimestamp())
			if k == Series {
				line += fmt.Sprint(p.Value())
			} else {
				h, fh := p.Histogram()
				line += show(h, fh)
			}
			out = append(out, line)
			for _, e := range p.Exemplars(nil) {
				out = append(out, fmt.Sprintf("exemplar %v %v %v %d", e.Labels, e.Value, e.HasT, e.T))
			}
		}
	}
}

func theirsProto(body []byte, o Options) (out []string, err error) {
	p := textparse.NewProtobufParser(body, o.IgnoreNative, o.KeepClassic, o.ConvertClassic, false, labels.NewSymbolTable())
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch k {
		case textparse.EntryType:
			n, t := p.Type()
			out = append(out, fmt.Sprintf("type %q %s", n, t))
		case textparse.EntryHelp:
			n, t := p.Help()
			out = append(out, fmt.Sprintf("text %q %q", n, t))
		case textparse.EntryUnit:
			n, t := p.Unit()
			out = append(out, fmt.Sprintf("text %q %q", n, t))
		case textparse.EntrySeries, textparse.EntryHistogram:
			var ls labels.Labels
			p.Labels(&ls)
			var t *int64
			value := ""
			if k == textparse.EntrySeries {
				_, ts, v := p.Series()
				t, value = ts, fmt.Sprint(v)
			} else {
				_, ts, h, fh := p.Histogram()
				t, value = ts, show(h, fh)
			}
			at := int64(0)
			if t != nil {
				at = *t
			}
			out = append(out, fmt.Sprintf("%v %d %d %s", ls, at, p.StartTimestamp(), value))
			for {
				var e exemplar.Exemplar
				if !p.Exemplar(&e) {
					break
				}
				out = append(out, fmt.Sprintf("exemplar %v %v %v %d", e.Labels, e.Value, e.HasTs, e.Ts))
			}
		}
	}
}

// difference tells where two readings part; empty if they do not. Exemplars that upstream does not find are no
// difference: it reads those of the first native histogram of a family only.
func difference(got, want []string) string {
	j := 0
	for i := range got {
		switch {
		case j < len(want) && got[i] == want[j]:
			j++
		case !strings.HasPrefix(got[i], "exemplar"):
			return fmt.Sprintf("entry %d: we read\n%s\nupstream reads\n%s", i, got[i], append(want, "its end")[j])
		}
	}
	if j < len(want) {
		return "upstream reads on with\n" + want[j]
	}
	return ""
}

func TestAllNativeHistogramsHaveTheirExemplars(t *testing.T) {
	lines, err := oursProto(instrumented(t, 3), Options{})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for i, line := range lines {
		if strings.HasPrefix(line, "exemplar") && i < 60 {
			of[line[:strings.Index(line, "}")]]++
		}
	}
	for i := range 3 {
		if n := of[fmt.Sprintf(`exemplar {trace_id="/api/v1/%04d"`, i)]; n < 10 {
			t.Errorf("%d exemplars of the histogram %d: %v", n, i, of)
		}
	}
}

var protoOptions = []Options{{}, {KeepClassic: true}, {IgnoreNative: true}, {ConvertClassic: true}, {ConvertClassic: true, KeepClassic: true},
	{IgnoreNative: true, ConvertClassic: true}, {IgnoreNative: true, ConvertClassic: true, KeepClassic: true}}

// protoSeeds are bodies that both parsers take, by what is special about them.
func protoSeeds(tb testing.TB) map[string][]byte {
	stamp := message1(15, number(1, 1_700_000_000), number(2, 123_456_789))
	return map[string][]byte{
		"nothing":                        {},
		"what client_golang exposes":     instrumented(tb, 3),
		"a family without metrics":       delimited(text(1, "a"), text(2, "A.")),
		"a counter with unit and times":  delimited(text(1, "a_seconds"), text(5, "seconds"), message1(4, label("x", "y"), message1(3, float(1, 5), message1(3, number(1, 7))), number(6, 1000))),
		"the name after the metric":      delimited(message1(4, message1(2, float(1, 2))), number(3, protoGauge), text(1, "a")),
		"labels after the value":         delimited(text(1, "a"), number(3, protoUntyped), message1(4, message1(5, float(1, 2)), label("z", "1"), label("b", "2"))),
		"labels around the value":        delimited(text(1, "a"), number(3, protoUntyped), message1(4, label("z", "1"), message1(5, float(1, 2)), label("b", "2"))),
		"a value of another type":        delimited(text(1, "a"), number(3, protoGauge), message1(4, message1(3, float(1, 2)))),
		"a summary without quantiles":    delimited(text(1, "a"), number(3, protoSummary), message1(4, message1(4, number(1, 2), float(2, 3)))),
		"a histogram without buckets":    delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 2), float(2, 3)))),
		"a histogram with +Inf":          delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 2), float(2, 3), message1(3, number(1, 1), float(2, 1)), message1(3, number(1, 2), float(2, math.Inf(1)))))),
		"a gauge histogram":              delimited(text(1, "a"), number(3, protoGaugeHistogram), message1(4, message1(7, number(1, 2), float(2, 3), number(5, zigzag(3)), spanOf(12, -2, 2), number(13, zigzag(1)), number(13, zigzag(0)), stamp))),
		"float counts":                   delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, float(4, 2.5), float(2, 3), spanOf(12, 0, 1), float(14, 2), spanOf(9, 1, 1), float(11, 0.5)))),
		"packed counts":                  delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 3), spanOf(12, 0, 2), message1(13, protowire.AppendVarint(protowire.AppendVarint(nil, zigzag(1)), zigzag(1)))))),
		"empty buckets that go":          delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 1), spanOf(12, 0, 3), number(13, zigzag(0)), number(13, zigzag(1)), number(13, zigzag(-1))))),
		"a no-op span":                   delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 0), spanOf(12, 0, 0)))),
		"native and classic by turns":    delimited(text(1, "a"), number(3, protoHistogram), message1(4, label("i", "1"), message1(7, number(1, 1), spanOf(12, 0, 1), number(13, zigzag(1)), message1(3, number(1, 1), float(2, 1)))), message1(4, label("i", "2"), message1(7, number(1, 1), message1(3, number(1, 1), float(2, 1)))), message1(4, label("i", "3"), message1(7, number(1, 1), number(7, 1)))),
		"buckets that are not in order":  delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 3), message1(3, number(1, 2), float(2, 5)), message1(3, number(1, 1), float(2, 1))))),
		"fields that are not known":      delimited(text(1, "a"), number(3, protoGauge), number(99, 1), message1(4, message1(2, float(1, 2), text(77, "x")), text(50, "y"))),
		"exemplars of native histograms": delimited(text(1, "a"), number(3, protoHistogram), message1(4, message1(7, number(1, 1), number(7, 1), message1(16, label("t", "1"), float(2, 3), message1(3, number(1, 5))), message1(16, label("t", "2"), float(2, 3))))),
	}
}

func TestProtobufSaysWhatUpstreamReads(t *testing.T) {
	for name, body := range protoSeeds(t) {
		for _, o := range protoOptions {
			got, err := oursProto(body, o)
			want, wantErr := theirsProto(body, o)
			if err != nil || wantErr != nil {
				t.Errorf("%s, %+v: our error %v, upstream's %v", name, o, err, wantErr)
			}
			if d := difference(got, want); d != "" {
				t.Errorf("%s, %+v: %s", name, o, d)
			}
		}
	}
}

func TestErrorsOfProtobufNameTheFamilyAndThePlace(t *testing.T) {
	gauge := func(metric ...[]byte) []byte {
		return delimited(text(1, "up"), number(3, protoGauge), message1(4, metric...))
	}
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"a cut body", gauge(message1(2, float(1, 1)))[:9], "byte 0: a metric family should have"},
		{"a page of text", []byte("<html>"), "byte 0: a metric family should have 60 bytes, but there are only 5: the body was cut, or it is not delimited protobuf"},
		{"no name", delimited(message1(4, message1(3, float(1, 1)))), "byte 1: a metric family has no name"},
		{"a type that is none", delimited(text(1, "up"), number(3, 9), message1(4)), `metric family "up", byte 1: 9 is no metric type`},
		{"a value that is no number", gauge(message1(2, number(1, 1))), `metric family "up", byte 11: a number has wire type 0, not 1`},
		{"a label without a name", gauge(message1(1, text(2, "x"))), `metric family "up", byte 11: "" cannot be the name of a label`},
		{"a label that is not UTF-8", gauge(label("a", "\xff")), `the value of label "a" is not valid UTF-8`},
		{"a field that is longer than its metric", gauge([]byte{2<<3 | 2, 100}), `metric family "up", byte 10: field 2 should have 100 bytes, but there are only 0`},
		{"spans without buckets", delimited(text(1, "h"), number(3, protoHistogram), message1(4, message1(7, spanOf(12, 0, 4_000_000_000)))),
			`the spans of a native histogram have 4000000000 positive buckets, but there are 0`},
	} {
		_, err := oursProto(tt.body, Options{})
		var e *MessageError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestAnExpectedSampleOfProtobufIsKnown(t *testing.T) {
	body := instrumented(t, 3)
	var p Parser
	p.SetOptions(Options{KeepClassic: true})
	type known struct {
		n int
		h uint64
	}
	var all []known
	hashes := map[uint64]bool{}
	p.Reset(body, Protobuf)
	for k, err := p.Next(); err == nil; k, err = p.Next() {
		if k == Series || k == Histogram {
			all = append(all, known{len(p.Raw()), p.Hash()})
			hashes[p.Hash()] = true
		}
	}
	if len(all) < 80 || len(hashes) != len(all) {
		t.Fatalf("%d samples with %d hashes", len(all), len(hashes))
	}
	p.Reset(body, Protobuf)
	i := 0
	p.Expect(all[0].n, all[0].h)
	for k, err := p.Next(); err == nil; k, err = p.Next() {
		if k != Series && k != Histogram {
			continue
		}
		if !p.Expected() || p.Hash() != all[i].h {
			t.Fatalf("sample %d, %v, is not known", i, p.Labels())
		}
		if i++; i < len(all) {
			p.Expect(all[i].n, all[i].h)
		}
	}
}

func FuzzProtobuf(f *testing.F) {
	for _, body := range protoSeeds(f) {
		for i := range protoOptions {
			f.Add(body, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, option uint8) {
		o := protoOptions[int(option)%len(protoOptions)]
		got, err := oursProto(body, o)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
			return
		}
		want, wantErr := func() (out []string, err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("upstream panics: %v", r)
				}
			}()
			return theirsProto(body, o)
		}()
		if wantErr != nil || bytes.Contains(body, []byte("\x02\x00\x00\x00\x00\x00\xf0\x7f")) {
			return
		}
		if d := difference(got, want); d != "" {
			t.Fatalf("%+v: %s", o, d)
		}
	})
}

func BenchmarkProtobuf(b *testing.B) {
	body := instrumented(b, 100)
	for _, upstream := range []bool{false, true} {
		b.Run(map[bool]string{false: "hearth", true: "upstream"}[upstream], func(b *testing.B) {
			var p Parser
			st := labels.NewSymbolTable()
			samples := 0
			b.ReportAllocs()
			began := time.Now()
			for b.Loop() {
				if upstream {
					q := textparse.NewProtobufParser(body, false, false, false, false, st)
					for e, err := q.Next(); err == nil; e, err = q.Next() {
						switch e {
						case textparse.EntryHistogram:
							q.Histogram()
							samples++
						case textparse.EntrySeries:
							q.Series()
							samples++
						}
					}
					continue
				}
				p.Reset(body, Protobuf)
				for k, err := p.Next(); err == nil; k, err = p.Next() {
					switch k {
					case Histogram:
						p.Histogram()
						samples++
					case Series:
						samples++
					}
				}
			}
			b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(samples), "ns/sample")
		})
	}
}
