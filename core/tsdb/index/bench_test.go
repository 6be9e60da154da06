package index

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// fleet calls f with the series of 500 targets of 1000 series: ten labels each, six of them the target's.
func fleet(f func(target int, common, full labels.Labels)) {
	for t := range 500 {
		common := labels.FromStrings("cluster", fmt.Sprint("c", t%3), "env", "production", "instance", fmt.Sprintf("10.0.%d.%d:9100", t/250, t%250),
			"job", fmt.Sprint("job", t%10), "namespace", fmt.Sprint("team-", t%40), "pod", fmt.Sprintf("app-%02d-7d9f8b6c5-x%dx", t%50, t))
		for k := range 1000 {
			b := labels.NewBuilder(common)
			b.Set("__name__", fmt.Sprintf("http_requests_%d_total", k/50)).Set("code", fmt.Sprint(200+k%5*100))
			b.Set("handler", fmt.Sprint("/api/v1/r", k%50/5)).Set("method", []string{"get", "post"}[k%2])
			f(t, common, b.Labels())
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkSelect(b *testing.B) {
	before := heap()
	mem, n := NewMem(), uint32(0)
	fleet(func(_ int, _, full labels.Labels) { mem.Add(n, full); n++ })
	perSeries := float64(heap()-before) / float64(n)
	build := NewBuilder()
	var own []labels.Labels
	var common labels.Labels
	last := 0
	add := func() {
		if err := build.AddGroup(common, own, 0); err != nil {
			b.Fatal(err)
		}
		own = own[:0]
	}
	fleet(func(t int, c, full labels.Labels) {
		if t != last {
			add()
			last = t
		}
		common, own = c, append(own, Own(c, full))
	})
	add()
	var buf bytes.Buffer
	if _, err := build.WriteTo(&buf); err != nil {
		b.Fatal(err)
	}
	disk, err := Open(flat(buf.Bytes()))
	if err != nil {
		b.Fatal(err)
	}
	m := labels.MustNewMatcher
	name := m(labels.MatchEqual, "__name__", "http_requests_7_total")
	for _, q := range []struct {
		name string
		ms   []*labels.Matcher
	}{
		{"name and namespace", []*labels.Matcher{name, m(labels.MatchEqual, "namespace", "team-3")}},
		{"name, code=~5.., cluster", []*labels.Matcher{name, m(labels.MatchRegexp, "code", "5.."), m(labels.MatchEqual, "cluster", "c1")}},
		{"name, pod by prefix", []*labels.Matcher{name, m(labels.MatchRegexp, "pod", "app-07-.*")}},
		{"name, method!=get", []*labels.Matcher{name, m(labels.MatchNotEqual, "method", "get")}},
	} {
		b.Run("memory/"+q.name, func(b *testing.B) {
			hits := 0
			for b.Loop() {
				hits = len(mem.Select(q.ms...))
			}
			b.ReportMetric(float64(hits), "series")
			b.ReportMetric(perSeries, "B/series")
		})
		b.Run("part/"+q.name, func(b *testing.B) {
			hits := 0
			for b.Loop() {
				ids, err := disk.Select(q.ms...)
				if err != nil {
					b.Fatal(err)
				}
				hits = len(ids)
			}
			b.ReportMetric(float64(hits), "series")
			b.ReportMetric(float64(buf.Len())/float64(n), "B/series")
		})
	}
}
