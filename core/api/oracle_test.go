package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/jsonutil"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	adapted "github.com/hearth-project/hearth/core/storage/upstream"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestAnswersHaveUpstreamsBytes asks our handler, over HTTP on the real database, and holds each answer byte for byte
// against what upstream's engine finds in the same database, written with upstream's own number and histogram printers.
func TestAnswersHaveUpstreamsBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	o := oracle{t: t, start: time.UnixMilli(1_700_000_000_000 + r.Int64N(1000)).UTC()}
	o.open(r)
	server := httptest.NewServer(handlerOf(t, Options{Engine: promql.New(promql.Options{}), Storage: o.db}))
	defer server.Close()
	exprs := []string{
		"numbers", "-numbers", "numbers * 1e18", "numbers / 1e18", "numbers % 7", "numbers == bool numbers", "numbers > 1e6",
		"floor(numbers)", "exp(numbers)", "sum(ops_total)", "sum by (i) (numbers)", "count_values without (i) (\"v\", numbers)",
		"max_over_time(numbers[2m])", "rate(numbers[2m])", "rate(ops_total[2m])", "increase(ops_total[31s])", "numbers offset 13s",
		"odd", `label_replace(odd, "b", "<$1>\n\"\\é", "a", "(.*)")`, "time()", "time() / 7", "1e-7", "1e300 ^ 2", "-(1e300 ^ 2)", "0/0", "-0", "vector(-0)",
		"hist", "rate(hist[1m])", "sum(hist)", "avg_over_time(hist[1m])", "histogram_quantile(0.9, hist)", "hist * -1", "{__name__=~\"hist|numbers\"}",
		"absent(none)", "none", "quantile(2, numbers)", "timestamp(numbers)", "{\"my.metric\"}", "topk(2, ops_total)", "scalar(numbers{i=\"0\"})",
	}
	for _, expr := range exprs {
		for range 8 {
			at := o.start.Add(time.Duration(r.Int64N(600_000)) * time.Millisecond)
			step := time.Duration(1+r.Int64N(40_000)) * time.Millisecond
			o.ranged(server.URL, expr, at, at.Add(step*time.Duration(r.IntN(30))), step)
			o.instant(server.URL, expr, at)
		}
	}
	for _, expr := range []string{`"x<\n\u0001é\u2028"`, "numbers[1m]", "hist[1m]", "odd[1m] offset 3s", `{__name__=~".+"}[10m:17s]`} {
		o.instant(server.URL, expr, o.start.Add(5*time.Minute))
	}
}

// oracle is upstream's engine on a database of ours.
type oracle struct {
	t      *testing.T
	start  time.Time
	db     *tsdb.DB
	engine *upstream.Engine
	stored *adapted.Storage
}

// open fills a database with numbers of every kind, at times with milliseconds.
func (o *oracle) open(r *rand.Rand) {
	db, err := tsdb.Open(tsdb.Options{Dir: o.t.TempDir(), Sync: "off", Clock: func() time.Time { return o.start.Add(time.Hour) }})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { db.Close() })
	var batch []model.Series
	add := func(value func(k int64) float64, name string, more ...string) {
		s := model.Series{Labels: labels.FromStrings(append([]string{"__name__", name}, more...)...)}
		for k := range int64(60) {
			s.Samples = append(s.Samples, model.Sample{T: o.start.UnixMilli() + k*10_000 + r.Int64N(1000), V: value(k)})
		}
		batch = append(batch, s)
	}
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 1e20, 1e21, 1e-6, 9.99e-7, 1 << 53, math.MaxFloat64, 5e-324}
	for i := range 6 {
		add(func(k int64) float64 {
			return []float64{
				special[r.IntN(len(special))], float64(r.Int64N(1e9)) / 100, float64(r.Int64N(1e12)), r.NormFloat64(),
				math.Float64frombits(r.Uint64()), float64(k),
			}[i]
		}, "numbers", "i", fmt.Sprint(i))
		add(func(k int64) float64 { return float64(k * int64(i)) }, "ops_total", "i", fmt.Sprint(i))
	}
	for i, s := range []string{"<&>", `q"\`, "\t\n\r\b\x7f", "é\u2028😀", "plain"} {
		add(func(int64) float64 { return float64(i) }, "odd", "a", s)
	}
	add(func(int64) float64 { return 7 }, "my.metric", "a.b", "c")
	hist := model.Series{Labels: labels.FromStrings("__name__", "hist")}
	for k := range int64(60) {
		n := float64(k + 1)
		hist.Histograms = append(hist.Histograms, model.Histogram{T: o.start.UnixMilli() + k*10_000 + r.Int64N(1000), FH: &histogram.FloatHistogram{
			Schema: 2, Count: 6.5 * n, Sum: n * r.NormFloat64() * 1e9, ZeroThreshold: 1e-9, ZeroCount: n,
			PositiveSpans: []histogram.Span{{Offset: -3, Length: 2}, {Offset: 90, Length: 1}}, PositiveBuckets: []float64{n, n, n / 2},
			NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{3 * n},
		}})
	}
	batch = append(batch, hist)
	slices.SortFunc(batch, func(a, b model.Series) int { return labels.Compare(a.Labels, b.Labels) })
	if err := db.Append(o.t.Context(), batch); err != nil {
		o.t.Fatal(err)
	}
	o.db, o.stored = db, adapted.New(db, nil, nil, nil)
	o.engine = upstream.NewEngine(upstream.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(parser.Options{}),
	})
	o.t.Cleanup(func() { o.engine.Close() })
}

func (o *oracle) instant(server, expr string, at time.Time) {
	q, err := o.engine.NewInstantQuery(o.t.Context(), o.stored, nil, expr, at)
	o.same(server+"/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}}, q, err)
}

func (o *oracle) ranged(server, expr string, from, to time.Time, step time.Duration) {
	q, err := o.engine.NewRangeQuery(o.t.Context(), o.stored, nil, expr, from, to, step)
	form := url.Values{"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {fmt.Sprintf("%dms", step.Milliseconds())}}
	o.same(server+"/api/v1/query_range", form, q, err)
}

func seconds(t time.Time) string { return t.Format(time.RFC3339Nano) }

// same posts the form and compares the answer with what q finds.
func (o *oracle) same(to string, form url.Values, q upstream.Query, err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatalf("%s: %v", form, err)
	}
	defer q.Close()
	res := q.Exec(o.t.Context())
	if res.Err != nil {
		o.t.Fatalf("%s: %v", form, res.Err)
	}
	answer, err := http.PostForm(to, form)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil {
		o.t.Fatal(err)
	}
	warnings, infos := res.Warnings.AsStrings(form.Get("query"), 10, 10)
	slices.Sort(warnings)
	slices.Sort(infos)
	list := func(name string, remarks []string) string {
		if len(remarks) == 0 {
			return ""
		}
		text, err := jsoniter.ConfigCompatibleWithStandardLibrary.MarshalToString(remarks)
		if err != nil {
			o.t.Fatal(err)
		}
		return `,"` + name + `":` + text
	}
	want := fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}%s%s}`, res.Value.Type(), text(res.Value), list("warnings", warnings), list("infos", infos))
	if got := ordered(o.t, res.Value.Type(), body.String()); got != want {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		o.t.Errorf("%s: at byte %d of %d\n got %.160s\nwant %.160s", form, i, len(want), got[max(0, i-60):], want[max(0, i-60):])
	}
}

// ordered returns an answer whose vector, which comes in no order, has that of the text of its elements.
func ordered(t *testing.T, kind parser.ValueType, answer string) string {
	if kind != parser.ValueTypeVector {
		return answer
	}
	var parts struct {
		Data struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(answer), &parts); err != nil {
		t.Errorf("%v: %s", err, answer)
	}
	var all []string
	for _, e := range parts.Data.Result {
		all = append(all, string(e))
	}
	before := strings.Join(all, ",")
	slices.Sort(all)
	return strings.Replace(answer, before, strings.Join(all, ","), 1)
}

// text is a result as upstream's API writes it, the elements of a vector in order of their text.
func text(v parser.Value) string {
	point := func(s *jsoniter.Stream, t int64, v float64, h *histogram.FloatHistogram) {
		s.WriteArrayStart()
		jsonutil.MarshalTimestamp(t, s)
		s.WriteMore()
		if h != nil {
			jsonutil.MarshalHistogram(h, s)
		} else {
			jsonutil.MarshalFloat(v, s)
		}
		s.WriteArrayEnd()
	}
	metric := func(s *jsoniter.Stream, ls labels.Labels) {
		s.WriteRaw(`{"metric":{`)
		first := true
		ls.Range(func(l labels.Label) {
			if !first {
				s.WriteMore()
			}
			first = false
			s.WriteString(l.Name)
			s.WriteRaw(":")
			s.WriteString(l.Value)
		})
		s.WriteRaw("}")
	}
	var all []string
	s := jsoniter.NewStream(jsoniter.ConfigCompatibleWithStandardLibrary, nil, 0)
	switch v := v.(type) {
	case upstream.Vector:
		for _, e := range v {
			s.Reset(nil)
			metric(s, e.Metric)
			s.WriteRaw(map[bool]string{false: `,"value":`, true: `,"histogram":`}[e.H != nil])
			point(s, e.T, e.F, e.H)
			s.WriteObjectEnd()
			all = append(all, string(s.Buffer()))
		}
		slices.Sort(all)
	case upstream.Matrix:
		for _, e := range v {
			s.Reset(nil)
			metric(s, e.Metric)
			for i, p := range e.Floats {
				s.WriteRaw(map[bool]string{true: `,"values":[`, false: ","}[i == 0])
				point(s, p.T, p.F, nil)
			}
			if len(e.Floats) > 0 {
				s.WriteArrayEnd()
			}
			for i, p := range e.Histograms {
				s.WriteRaw(map[bool]string{true: `,"histograms":[`, false: ","}[i == 0])
				point(s, p.T, 0, p.H)
			}
			if len(e.Histograms) > 0 {
				s.WriteArrayEnd()
			}
			s.WriteObjectEnd()
			all = append(all, string(s.Buffer()))
		}
	default: // scalars and strings print themselves
		b, err := jsoniter.ConfigCompatibleWithStandardLibrary.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	return "[" + strings.Join(all, ",") + "]"
}
