package exposition

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// benchBody is an exposition of n series of about 100 bytes, in families of ten.
func benchBody(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&b, "# HELP http_requests_%d_total Number of requests that were handled.\n# TYPE http_requests_%d_total counter\n", i/10, i/10)
		}
		v := fmt.Sprint(i * 7919)
		if i%3 == 0 {
			v = fmt.Sprintf("%g", float64(i)*1.0007)
		}
		fmt.Fprintf(&b, "http_requests_%d_total{handler=\"/api/v1/query_range\",method=\"GET\",code=\"%d\",pod=\"app-07-5d8f%04d\"} %s\n", i/10, 200+i%10, i, v)
	}
	return b.Bytes()
}

func perSample(b *testing.B, body []byte, samples int) {
	b.SetBytes(int64(len(body)))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
}

func BenchmarkParse(b *testing.B) {
	const n = 1000
	body := benchBody(n)
	type known struct {
		n int
		h uint64
	}
	b.Run("known series", func(b *testing.B) {
		var p Parser
		var series []known
		p.Reset(body, Text)
		for {
			k, err := p.Next()
			if err != nil {
				break
			}
			if k == Series {
				series = append(series, known{len(p.Raw()), p.Hash()})
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			p.Reset(body, Text)
			i := 0
			p.Expect(series[0].n, series[0].h)
			for {
				k, err := p.Next()
				if err == io.EOF {
					break
				}
				if k == Series {
					if !p.Expected() {
						b.Fatal("not expected")
					}
					if i++; i < n {
						p.Expect(series[i].n, series[i].h)
					}
				}
			}
		}
		perSample(b, body, n)
	})
	b.Run("new series with hash", func(b *testing.B) {
		var p Parser
		b.ReportAllocs()
		var sum uint64
		for b.Loop() {
			p.Reset(body, Text)
			for {
				k, err := p.Next()
				if err == io.EOF {
					break
				}
				if k == Series {
					sum += p.Hash()
				}
			}
		}
		perSample(b, body, n)
	})
	b.Run("new series with labels", func(b *testing.B) {
		var p Parser
		for b.Loop() {
			p.Reset(body, Text)
			for {
				k, err := p.Next()
				if err == io.EOF {
					break
				}
				if k == Series {
					p.Labels()
				}
			}
		}
		perSample(b, body, n)
	})
	b.Run("upstream, entries only", func(b *testing.B) {
		st := labels.NewSymbolTable()
		for b.Loop() {
			p := textparse.NewPromParser(body, st, false)
			for {
				if _, err := p.Next(); err == io.EOF {
					break
				}
			}
		}
		perSample(b, body, n)
	})
}
