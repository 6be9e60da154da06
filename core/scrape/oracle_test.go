package scrape

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	upconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	upscrape "github.com/prometheus/prometheus/scrape"
	up "github.com/prometheus/prometheus/storage"
	updb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
	adapter "github.com/hearth-project/hearth/core/storage/upstream"
	"github.com/hearth-project/hearth/core/tsdb"
)

// wire is a network within the process: what listens on it and who calls run on the clock of the test.
type wire chan net.Conn

func (w wire) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	w <- theirs
	return ours, nil
}

func (w wire) Accept() (net.Conn, error) {
	c, ok := <-w
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener. Nobody calls any more then.
func (w wire) Close() error {
	close(w)
	return nil
}

func (w wire) Addr() net.Addr { return &net.UnixAddr{} }

// answer is what a target says to one scrape. In the body, $N stands for the time of the scrape and N milliseconds, in
// milliseconds, and $$N in seconds.
type answer struct {
	status            int
	contentType, body string
	encoding          string
}

// play is a target that gives each client the same answers in turn.
type play struct {
	mu      sync.Mutex
	answers []answer
	asked   map[string]int // by User-Agent
}

func (p *play) times(agent string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[agent]
}

// ServeHTTP implements http.Handler.
func (p *play) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	n := p.asked[r.UserAgent()]
	p.asked[r.UserAgent()]++
	p.mu.Unlock()
	a := p.answers[min(n, len(p.answers)-1)]
	if a.status != 0 {
		w.WriteHeader(a.status)
		return
	}
	now := time.Now().UnixMilli()
	var body strings.Builder
	if a.contentType == contentProto {
		body.WriteString(a.body)
		a.body = ""
	}
	for i := 0; i < len(a.body); i++ {
		if a.body[i] != '$' {
			body.WriteByte(a.body[i])
			continue
		}
		rest := a.body[i+1:]
		seconds := strings.HasPrefix(rest, "$")
		var off int64
		var n int
		if seconds {
			rest = rest[1:]
			i++
		}
		for n < len(rest) && (rest[n] == '-' || rest[n] == '+' || rest[n] >= '0' && rest[n] <= '9') {
			n++
		}
		_, _ = fmt.Sscan(rest[:n], &off)
		i += n
		if t := now + off; seconds {
			fmt.Fprintf(&body, "%d.%03d", t/1000, t%1000)
		} else {
			fmt.Fprint(&body, t)
		}
	}
	contentType := a.contentType
	if contentType == "" {
		contentType = contentText
	}
	w.Header().Set("Content-Type", contentType)
	if a.encoding == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzippedBody(body.String()))
		return
	}
	_, _ = w.Write([]byte(body.String()))
}

// listed writes down all that a storage has, times counted from the first scrape.
func listed(t *testing.T, q up.Querier) string {
	t.Helper()
	defer q.Close()
	base := int64(math.MaxInt64)
	var b strings.Builder
	for _, pass := range []string{"up", ".+"} {
		all := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", pass))
		for all.Next() {
			s := all.At()
			it := s.Iterator(nil)
			if pass != "up" {
				fmt.Fprintf(&b, "%s", s.Labels())
			}
			for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
				at := it.AtT()
				if pass == "up" {
					base = min(base, at)
					continue
				}
				v := ""
				switch typ {
				case chunkenc.ValFloat:
					_, f := it.At()
					if strings.HasSuffix(s.Labels().Get("__name__"), "_created") {
						f = math.Round(f*1000) - float64(base) // NaN stays the marker it is
					}
					v = show(f)
				case chunkenc.ValHistogram:
					_, h := it.AtHistogram(nil)
					if v = "stale"; !value.IsStaleNaN(h.Sum) {
						v = h.Copy().Compact(0).String()
					}
				case chunkenc.ValFloatHistogram:
					_, h := it.AtFloatHistogram(nil)
					if v = "stale"; !value.IsStaleNaN(h.Sum) {
						v = h.Copy().Compact(0).String()
					}
				}
				fmt.Fprintf(&b, " %d=%s", at-base, v)
				if st := it.AtST(); st != 0 {
					fmt.Fprintf(&b, "(from %d)", st-base)
				}
			}
			if err := it.Err(); err != nil {
				t.Fatal(err)
			}
			if pass != "up" {
				b.WriteByte('\n')
			}
		}
		if err := all.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// besideUpstream has hearth and upstream scrape the same target into their databases, until it is taken away, and returns
// what the two have stored.
func besideUpstream(t *testing.T, settings string, f features, answers []answer) (ours, theirs string) {
	t.Helper()
	const agent = "hearth/test"
	yaml := "global:\n  scrape_interval: 15s\n  scrape_timeout: 10s\nscrape_configs:\n- job_name: j\n" + settings
	net := make(wire)
	target := &play{answers: answers, asked: map[string]int{}}
	server := &http.Server{Handler: target}
	served := make(chan error)
	go func() { served <- server.Serve(net) }()

	theirCfg, err := upconfig.Load(yaml, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	o := updb.DefaultOptions()
	o.EnableSTStorage, o.EnableSTAsZeroSample = f.keepStarts, f.zeroStarts
	if f.keepStarts {
		o.FloatChunkEncoding, o.EnableHistogramSTEncoding = chunkenc.EncXOR2, true
	}
	theirDB, err := updb.Open(t.TempDir(), promslog.NewNopLogger(), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer theirDB.Close()
	theirManager, err := upscrape.NewManager(&upscrape.Options{
		ParseST: f.wantStarts(), EnableTypeAndUnitLabels: f.typeAndUnit, EnableOpenMetrics2: f.openMetrics2,
		HTTPClientOptions: []promconfig.HTTPClientOption{promconfig.WithDialContextFunc(net.dial)},
	}, promslog.NewNopLogger(), nil, nil, theirDB, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := theirManager.ApplyConfig(theirCfg); err != nil {
		t.Fatal(err)
	}
	sets := make(chan map[string][]*targetgroup.Group)
	theirDone := make(chan error)
	go func() { theirDone <- theirManager.Run(sets) }()

	ourCfg, err := config.Parse([]byte(yaml), "prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	ourDB, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Retention: 240 * time.Hour, Sync: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer ourDB.Close()
	m := NewManager(Options{Storage: ourDB, UserAgent: agent})
	for feature, on := range map[string]bool{config.FeatureStarts: f.keepStarts, config.FeatureZeroStarts: f.zeroStarts, config.FeatureTypeAndUnit: f.typeAndUnit, config.FeatureOpenMetrics: f.openMetrics2} {
		if on {
			ourCfg.Global.EnableFeatures = append(ourCfg.Global.EnableFeatures, feature)
		}
	}
	if err := m.ApplyConfig(ourCfg); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: net.dial}
	m.mu.pools["j"].job.source.(*httpSource).client = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(t.Context())
	ourDone := make(chan error)
	go func() { ourDone <- m.Run(ctx) }()

	address := model.LabelSet{"__address__": "target:1"}
	sets <- map[string][]*targetgroup.Group{"j": {{Source: "s", Targets: []model.LabelSet{address}}}}
	m.SetTargets("j", group("target:1"))
	goneHere, goneThere := false, false
	for !goneHere || !goneThere {
		time.Sleep(time.Second)
		if !goneHere && target.times(agent) >= len(answers) {
			m.SetTargets("j", nil)
			goneHere = true
		}
		if !goneThere && target.times(upscrape.UserAgent) >= len(answers) {
			sets <- map[string][]*targetgroup.Group{"j": {{Source: "s"}}}
			goneThere = true
		}
	}
	time.Sleep(2 * time.Minute)
	cancel()
	if err := <-ourDone; err != nil {
		t.Error(err)
	}
	theirManager.Stop()
	if err := <-theirDone; err != nil {
		t.Error(err)
	}
	transport.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-served
	ourQuerier, err := adapter.New(ourDB, nil, nil, nil).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	theirQuerier, err := theirDB.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	return listed(t, ourQuerier), listed(t, theirQuerier)
}

// nativeAnswers are protobuf bodies with native and classic histograms and such that are both, which grow, start again,
// vanish and come back.
func nativeAnswers(t *testing.T) (out []answer) {
	t.Helper()
	reg := prometheus.NewRegistry()
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic_seconds", Buckets: []float64{1, 2}})
	both := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "both_seconds", Buckets: []float64{1, 2}, NativeHistogramBucketFactor: 1.1})
	native := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "native_seconds", NativeHistogramBucketFactor: 1.1}, []string{"path"})
	reg.MustRegister(classic, both, native)
	for step := range 8 {
		switch step {
		case 3:
			native.DeleteLabelValues("/a")
		case 6:
			native.Reset()
		case 5:
			out = append(out, answer{status: 500})
		}
		for i := range 10 {
			v := float64(i-3) * float64(step+1) / 7
			classic.Observe(v)
			both.Observe(v)
			if step != 3 {
				native.WithLabelValues("/a").Observe(v)
			}
			native.WithLabelValues("/b").Observe(v * v)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		enc := expfmt.NewEncoder(&body, expfmt.NewFormat(expfmt.TypeProtoDelim))
		for _, f := range families {
			if err := enc.Encode(f); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, answer{contentType: contentProto, body: body.String()})
	}
	return out
}

func TestWhatIsStoredIsWhatUpstreamStores(t *testing.T) {
	// Upstream looks its own name up. What the resolver keeps for all of the process must not be made in a bubble.
	_, _ = net.LookupHost("localhost")
	plain := []answer{
		{body: "a 1\nb{x=\"y\"} 2\n"}, {body: "a 2\nb{x=\"y\"} 3\n"}, {body: "a 3\n"}, {body: "b{x=\"y\"} 5\na 4\nc 1\n"},
		{status: 500}, {body: "a 5\nc 2\n"}, {body: "?\na 6\n"}, {body: "a 7\na 7\na 8\n"}, {body: ""}, {body: "a 9\n", encoding: "gzip"},
		{contentType: "text/html", body: "a 1\n"}, {body: "a 10\n"},
	}
	stamped := []answer{
		{body: "a 1 $-500\nb 1\n"}, {body: "a 2 $-500\nb 2\n"}, {body: "b 3\n"}, {body: "a 3 $-10\nb 4\n"}, {body: "a 4 $-20\nb 5 $-1\n"},
		{body: "a 5 $+3600000\nb 6\n"}, {body: "a 6 $0\nb 7\n"}, {body: "b 8\n"}, {body: "a 7\nb 9\n"}, {status: 503}, {body: "a 8 $-100\n"},
	}
	labelled := []answer{
		{body: "a{job=\"x\",instance=\"y\"} 1\nbad 1\nold{z=\"1\"} 2\na{job=\"\"} 3\n"},
		{body: "a{job=\"x\",exported_job=\"z\"} 1\nbad 2\nold{z=\"1\"} 3\n"},
	}
	om := func(body string) answer { return answer{contentType: contentOM, body: body + "# EOF\n"} }
	starts := []answer{
		om("# TYPE c counter\nc_total 1\nc_created $$-1000\n# TYPE g gauge\ng 1\n"), om("# TYPE c counter\nc_total 2\nc_created $$-16000\n# TYPE g gauge\ng 1\n"),
		om("# TYPE c counter\nc_total 1\nc_created $$-5000\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3\nh_created $$-3000\n"),
		om("# TYPE c counter\nc_total 3\nc_created $$-20000\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_count 3\nh_sum 4\nh_created $$-18000\n"),
		om("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\nh_created $$-2000\n"),
		{status: 500},
		om("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\nh_created $$-32000\n"),
	}
	typed := []answer{om("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n"), om("# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1\n")}
	om2 := func(body string) answer {
		return answer{contentType: "application/openmetrics-text; version=2.0.0", body: body + "# EOF\n"}
	}
	second := []answer{
		om2("# TYPE h histogram\nh {count:12,sum:100.0,schema:0,zero_threshold:0.001,zero_count:4,positive_spans:[0:2,1:2],positive_buckets:[2,1,2,3]}\n# TYPE c counter\nc 1 st@$$-100\n"),
		om2("# TYPE h histogram\nh {count:13,sum:101.0,schema:0,zero_threshold:0.001,zero_count:5,positive_spans:[0:2,1:2],positive_buckets:[2,1,2,3]}\n# TYPE c counter\nc 2\n"),
		om2("# TYPE h gauge\nh 5\n"),
		om2("# TYPE h histogram\nh {count:1,sum:1,schema:1,zero_threshold:0.001,zero_count:1}\n# TYPE s summary\ns {count:1,sum:2,quantile:[0.5:1]}\n"),
		{status: 500},
		om2("# TYPE h histogram\nh {count:2,sum:1,schema:1,zero_threshold:0.001,zero_count:2}\n"),
		om2("# TYPE b gauge\nb 1\n"),
	}
	native := nativeAnswers(t)
	for _, tt := range []struct {
		name, settings string
		features       features
		answers        []answer
	}{
		{name: "series that come and go, and failures", answers: plain},
		{name: "timestamps", answers: stamped},
		{name: "timestamps whose staleness is tracked", settings: "  track_timestamps_staleness: true\n", answers: stamped},
		{name: "timestamps that are not honoured", settings: "  honor_timestamps: false\n", answers: stamped},
		{name: "labels", answers: labelled},
		{name: "labels that are honoured", settings: "  honor_labels: true\n", answers: labelled},
		{name: "relabelling", settings: "  metric_relabel_configs:\n  - {source_labels: [__name__], regex: bad, action: drop}\n  - {source_labels: [__name__], regex: old, target_label: __name__, replacement: new}\n  - {regex: z, action: labeldrop}\n", answers: labelled},
		{name: "a limit of labels", settings: "  label_limit: 4\n", answers: labelled},
		{name: "a limit of bytes, and extra metrics", settings: "  body_size_limit: 16B\n  extra_scrape_metrics: true\n", answers: plain},
		{name: "a fallback", settings: "  fallback_scrape_protocol: PrometheusText0.0.4\n", answers: plain},
		{name: "start timestamps that are not wanted", answers: starts},
		{name: "start timestamps", features: features{keepStarts: true}, answers: starts},
		{name: "zero samples", features: features{zeroStarts: true}, answers: starts},
		{name: "start timestamps and zero samples, custom buckets", features: features{keepStarts: true, zeroStarts: true}, settings: "  convert_classic_histograms_to_nhcb: true\n", answers: starts},
		{name: "classic histograms beside those made of them", settings: "  convert_classic_histograms_to_nhcb: true\n  always_scrape_classic_histograms: true\n", answers: starts},
		{name: "types and units", features: features{typeAndUnit: true}, answers: typed},
		{name: "protobuf without native histograms", answers: native},
		{name: "native histograms", settings: "  scrape_native_histograms: true\n", answers: native},
		{name: "native and classic histograms", settings: "  scrape_native_histograms: true\n  always_scrape_classic_histograms: true\n", answers: native},
		{name: "native histograms and custom buckets", settings: "  scrape_native_histograms: true\n  convert_classic_histograms_to_nhcb: true\n", answers: native},
		{name: "native histograms of a lower resolution", settings: "  scrape_native_histograms: true\n  native_histogram_bucket_limit: 8\n  native_histogram_min_bucket_factor: 1.2\n", answers: native},
		{name: "OpenMetrics 2.0", features: features{openMetrics2: true}, answers: second},
		{name: "OpenMetrics 2.0 with start timestamps", features: features{openMetrics2: true, keepStarts: true, zeroStarts: true}, answers: second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := besideUpstream(t, tt.settings, tt.features, tt.answers)
				if ours != theirs {
					t.Errorf("%s\nall of ours:\n%s", firstDifference(ours, theirs), ours)
				}
			})
		})
	}
}
