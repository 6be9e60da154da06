package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// plainText is the answer as upstream's encoder writes it, made step by step with the standard library.
func plainText(m model.Matrix) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
	for i, s := range m {
		if i > 0 {
			b = append(b, ',')
		}
		metric, err := json.Marshal(s.Labels) // in order of names
		if err != nil {
			panic(err) // strings always marshal
		}
		b = fmt.Appendf(b, `{"metric":%s,"values":[`, metric)
		for k, p := range s.Samples {
			if k > 0 {
				b = append(b, ',')
			}
			sign := ""
			if p.T < 0 {
				sign, p.T = "-", -p.T
			}
			b = fmt.Appendf(b, "[%s%d", sign, p.T/1000)
			if p.T%1000 != 0 {
				b = fmt.Appendf(b, ".%03d", p.T%1000)
			}
			format := byte('f')
			if a := math.Abs(p.V); a != 0 && (a < 1e-6 || a >= 1e21) {
				format = 'e'
			}
			b = fmt.Appendf(b, `,"%s"]`, strconv.FormatFloat(p.V, format, -1, 64))
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}}"...)
}

func TestMatricesAreWrittenAsUpstreamWritesThem(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		m := randomMatrix(r)
		w := httptest.NewRecorder()
		if err := writeAnswer(t.Context(), w, answer{value: m}); err != nil {
			t.Fatal(err)
		}
		got, want := w.Body.Bytes(), plainText(m)
		if !bytes.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Fatalf("at byte %d: got …%.80s, want …%.80s", i, got[max(0, i-20):], want[max(0, i-20):])
		}
	}
}

// randomMatrix has series on one grid with gaps, or of targets with times of their own, with values of all kinds.
func randomMatrix(r *rand.Rand) model.Matrix {
	m := model.Matrix{}
	start, step, own := r.Int64N(4e12)-2e12, 1+r.Int64N(100_000), r.IntN(2) == 0
	for i := range r.IntN(8) {
		s := model.Series{Labels: labels.FromStrings("__name__", "x", "i", strconv.Itoa(i))}
		shift := int64(0)
		if own {
			shift = r.Int64N(step)
		}
		gaps := r.IntN(3) * 20
		v := 0.0
		for k := range r.Int64N(300) {
			if r.IntN(100) < gaps {
				continue
			}
			switch r.IntN(8) {
			case 0:
				v = math.Float64frombits(r.Uint64())
			case 1:
				v = float64(r.Int64N(1e9)) / 100
			case 2:
				v = float64(r.IntN(1000))
			case 3:
				v = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e15, 1e21, 1e-7}[r.IntN(7)]
			case 4:
				v = r.Float64()
			} // else it stays
			s.Samples = append(s.Samples, model.Sample{T: start + shift + k*step, V: v})
		}
		if len(s.Samples) > 0 {
			m = append(m, s)
		}
	}
	return m
}

// dashboard is a range query's result of 1000 series and 1000 steps.
func dashboard(value func(*rand.Rand) float64) model.Matrix {
	r := rand.New(rand.NewPCG(1, 2))
	m := make(model.Matrix, 1000)
	for i := range m {
		m[i].Labels = labels.FromStrings("__name__", "http_requests_total", "code", "200", "handler", "/api/v1/query",
			"instance", fmt.Sprintf("host-%04d:9100", i), "job", "web", "method", "GET")
		m[i].Samples = make([]model.Sample, 1000)
		for k := range m[i].Samples {
			m[i].Samples[k] = model.Sample{T: 1_764_000_000_000 + int64(k)*15_000, V: value(r)}
		}
	}
	return m
}

var dashboards = []struct {
	name  string
	value func(*rand.Rand) float64
}{
	{"rates", func(r *rand.Rand) float64 { return float64(r.IntN(1e6)) / 299.987 }},
	{"integers", func(r *rand.Rand) float64 { return float64(r.IntN(1e7)) }},
	{"decimals", func(r *rand.Rand) float64 { return float64(r.IntN(1e7)) / 100 }},
	{"constant", func(r *rand.Rand) float64 { return 0.25 }},
}

func BenchmarkMatrix(b *testing.B) {
	for _, d := range dashboards {
		m := dashboard(d.value)
		n := len(m) * len(m[0].Samples)
		b.Run(d.name+"/hearth", func(b *testing.B) {
			w := &pieces{header: http.Header{}}
			for b.Loop() {
				w.total = 0
				if err := writeAnswer(b.Context(), w, answer{value: m}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, w.total)
		})
		b.Run(d.name+"/encoding-json", func(b *testing.B) {
			total := 0
			for b.Loop() {
				text, err := json.Marshal(asPlain(m))
				if err != nil {
					b.Fatal(err)
				}
				total = len(text)
			}
			report(b, n, total)
		})
	}
}

// asPlain is m as one would write it without a thought for speed.
func asPlain(m model.Matrix) any {
	type series struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"`
	}
	out := make([]series, len(m))
	for i, s := range m {
		out[i] = series{s.Labels.Map(), make([][2]any, len(s.Samples))}
		for k, p := range s.Samples {
			out[i].Values[k] = [2]any{float64(p.T) / 1000, strconv.FormatFloat(p.V, 'f', -1, 64)}
		}
	}
	return out
}

func report(b *testing.B, points, bytes int) {
	perOp := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perOp/float64(points), "ns/point")
	b.ReportMetric(float64(bytes)/perOp*1000, "MB/s")
}

// BenchmarkCompression tells what an answer costs over HTTP by encoding: the whole of it, with the text it is made of.
func BenchmarkCompression(b *testing.B) {
	for _, d := range dashboards {
		m := dashboard(d.value)[:100]
		h, err := compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := writeAnswer(r.Context(), w, answer{value: m}); err != nil {
				b.Error(err)
			}
		}))
		if err != nil {
			b.Fatal(err)
		}
		for _, accept := range []string{"identity", "gzip", "zstd"} {
			b.Run(d.name+"/"+accept, func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Accept-Encoding", accept)
				w := &pieces{header: http.Header{}}
				for b.Loop() {
					w.total = 0
					clear(w.header)
					h.ServeHTTP(w, r)
				}
				report(b, 100*1000, w.total)
				b.ReportMetric(float64(w.total)/100_000, "B/point")
			})
		}
	}
}

func TestAnswersAreCompressedAsTheClientAccepts(t *testing.T) {
	m := dashboard(dashboards[0].value)[:5]
	h, err := compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := writeAnswer(r.Context(), w, answer{value: m}); err != nil {
			t.Error(err)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ accept, want string }{
		{"", ""},
		{"identity", ""},
		{"gzip", "gzip"},
		{"gzip, deflate, br", "gzip"},
		{"gzip, deflate, br, zstd", "zstd"},
		{"zstd;q=0, gzip", "gzip"},
		{"br", ""},
	} {
		w := send(h, http.MethodGet, "/", nil, "Accept-Encoding", tt.accept)
		var text io.Reader = w.Body
		switch w.Header().Get("Content-Encoding") {
		case "gzip":
			text, err = gzip.NewReader(w.Body)
		case "zstd":
			text, err = zstd.NewReader(w.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(text)
		if w.Header().Get("Content-Encoding") != tt.want || err != nil || !bytes.Equal(got, plainText(m)) {
			t.Errorf("who accepts %q gets %q, %v, %.60s", tt.accept, w.Header().Get("Content-Encoding"), err, got)
		}
	}
}
