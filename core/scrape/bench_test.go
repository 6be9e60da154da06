package scrape

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// sink is a storage that costs nothing.
type sink struct{}

type sinkGroup struct{ slots storage.Slot }

func (sink) Append(context.Context, []model.Series) error { return nil }

func (sink) Group(labels.Labels) (storage.Group, error) { return &sinkGroup{}, nil }

func (g *sinkGroup) Slot(labels.Labels) (storage.Slot, error) { g.slots++; return g.slots - 1, nil }

func (*sinkGroup) Append(int64, []storage.Slot, []float64) error { return nil }

func (*sinkGroup) Close() {}

const benchSeries = 1000

// benchPages returns an exposition of benchSeries series, of about 115 bytes each, at k times: a third of the values
// change.
func benchPages(k int) [][]byte {
	pages := make([][]byte, k)
	for at := range pages {
		var b bytes.Buffer
		for i := range benchSeries {
			if i%10 == 0 {
				fmt.Fprintf(&b, "# HELP http_requests_%d_total Number of requests that were handled.\n# TYPE http_requests_%d_total counter\n", i/10, i/10)
			}
			v := i * 7919
			if i%3 == 0 {
				v += at
			}
			fmt.Fprintf(&b, "http_requests_%d_total{handler=\"/api/v1/query_range\",method=\"GET\",code=\"%d\",pod=\"app-07-5d8f%04d\"} %d\n", i/10, 200+i%10, i, v)
		}
		pages[at] = b.Bytes()
	}
	return pages
}

// replay is a source that hands out pages in turn.
type replay struct {
	pages       [][]byte
	contentType string
	next        int
}

func (r *replay) fetch(_ context.Context, _ *target, a *reply) error {
	r.next++
	*a = reply{body: r.pages[r.next%len(r.pages)], contentType: r.contentType}
	return nil
}

func (r *replay) close() error { return nil }

func benchLoop(b *testing.B, store storage.Writer, address string, change func(*config.Scrape)) *loop {
	b.Helper()
	m := NewManager(Options{Storage: store, UserAgent: "hearth/bench"})
	cfg := testConfig()
	if change != nil {
		change(cfg)
	}
	j, err := m.newJob(b.Context(), cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = j.source.close() })
	lb := labels.NewBuilder(labels.EmptyLabels())
	t, err := j.newTarget(lb, j.discoveredLabels(lb, labels.FromStrings("__address__", address, "env", "prod", "cluster", "eu-1"), labels.EmptyLabels()))
	if err != nil {
		b.Fatal(err)
	}
	return m.newLoop(j, t, 0, nil)
}

// run measures scrapes: wall and CPU time a sample, the latter of the whole process.
func run(b *testing.B, l *loop) {
	b.Helper()
	at := time.Now()
	once := func() {
		at = at.Add(15 * time.Second)
		l.scrape(context.Background(), at)
	}
	once()
	if s := l.targetStatus(); s.Health != HealthUp {
		b.Fatal(s.LastError)
	}
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()
	samples := float64(b.N) * benchSeries
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
	b.ReportMetric(float64(cpu)/samples, "cpu-ns/sample")
}

func BenchmarkScrapeOverHTTP(b *testing.B) {
	pages := benchPages(16)
	packed := map[string][][]byte{"identity": pages}
	for _, p := range pages {
		packed["gzip"] = append(packed["gzip"], gzipped(b, string(p)))
		packed["zstd"] = append(packed["zstd"], zstded(b, string(p)))
	}
	for _, encoding := range []string{"gzip", "zstd", "identity"} {
		b.Run(encoding, func(b *testing.B) {
			n := 0
			s, _ := seen(b, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", encoding)
				n++
				_, _ = w.Write(packed[encoding][n%len(pages)])
			})
			run(b, benchLoop(b, sink{}, strings.TrimPrefix(s.URL, "http://"), nil))
		})
	}
}

// BenchmarkScrapeIntoDatabase is the whole way, from the request to the log of the real database.
func BenchmarkScrapeIntoDatabase(b *testing.B) {
	var pages [][]byte
	for _, p := range benchPages(16) {
		pages = append(pages, gzipped(b, string(p)))
	}
	n := 0
	s, _ := seen(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		n++
		_, _ = w.Write(pages[n%len(pages)])
	})
	db, err := tsdb.Open(tsdb.Options{Dir: b.TempDir(), Clock: func() time.Time { return time.Now().Add(240 * time.Hour) }})
	if err != nil {
		b.Fatal(err)
	}
	run(b, benchLoop(b, db, strings.TrimPrefix(s.URL, "http://"), nil))
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

const contentProto = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// protobufPages says in protobuf what pages say as text.
func protobufPages(b *testing.B, pages [][]byte) [][]byte {
	b.Helper()
	var out [][]byte
	for _, page := range pages {
		p := expfmt.NewTextParser(promodel.UTF8Validation)
		families, err := p.TextToMetricFamilies(bytes.NewReader(page))
		if err != nil {
			b.Fatal(err)
		}
		var body bytes.Buffer
		enc := expfmt.NewEncoder(&body, expfmt.NewFormat(expfmt.TypeProtoDelim))
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if err := enc.Encode(families[name]); err != nil {
				b.Fatal(err)
			}
		}
		out = append(out, body.Bytes())
	}
	return out
}

func BenchmarkBodyToRow(b *testing.B) {
	pages := benchPages(16)
	stamped := make([][]byte, len(pages))
	shuffled := make([][]byte, len(pages))
	churning := make([][]byte, len(pages))
	for i, p := range pages {
		lines := bytes.SplitAfter(p, []byte("\n"))
		for j, line := range lines {
			if j%2 == 0 {
				churning[i] = append(churning[i], bytes.Replace(line, []byte("pod=\"app-07-"), fmt.Appendf(nil, "pod=\"app-%d-", (i+j)%16/15), 1)...)
			} else {
				churning[i] = append(churning[i], line...)
			}
			if bytes.HasPrefix(line, []byte("http")) {
				line = fmt.Appendf(nil, "%s %d\n", bytes.TrimSpace(line), 1_700_000_000_000+j/100*10)
			}
			stamped[i] = append(stamped[i], line...)
		}
		rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		shuffled[i] = bytes.Join(lines, nil)
	}
	for _, bb := range []struct {
		name, contentType string
		pages             [][]byte
	}{
		{"the same series", contentText, pages},
		{"in another order each time", contentText, shuffled},
		{"some of them new each time", contentText, churning},
		{"with timestamps", contentText, stamped},
		{"the same series as protobuf", contentProto, protobufPages(b, pages)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			l := benchLoop(b, sink{}, "h:1", nil)
			l.job.source = &replay{pages: bb.pages, contentType: bb.contentType}
			run(b, l)
		})
	}
}
