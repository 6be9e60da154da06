package exposition

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// converted writes down the samples that our parser makes of a body, and theirs what upstream's does.
func converted(body []byte, f Format, keep bool) (out []string, err error) {
	var p Parser
	p.SetOptions(Options{ConvertClassic: true, KeepClassic: keep})
	p.Reset(body, f)
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		switch {
		case err != nil:
			return out, err
		case k == Series:
			out = append(out, fmt.Sprintf("%v %v", p.Labels(), p.Value()))
		case k == Histogram:
			out = append(out, fmt.Sprintf("%v %s", p.Labels(), show(p.Histogram())))
		}
	}
}

func convertedByUpstream(body []byte, contentType string, keep bool) (out []string, err error) {
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{ConvertClassicHistogramsToNHCB: true, KeepClassicOnClassicAndNativeHistograms: keep})
	if err != nil {
		return nil, err
	}
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		var ls labels.Labels
		if k == textparse.EntrySeries || k == textparse.EntryHistogram {
			p.Labels(&ls)
		}
		switch k {
		case textparse.EntrySeries:
			_, _, v := p.Series()
			out = append(out, fmt.Sprintf("%v %v", ls, v))
		case textparse.EntryHistogram:
			_, _, h, fh := p.Histogram()
			out = append(out, fmt.Sprintf("%v %s", ls, show(h, fh)))
		}
	}
}

const bucketsOfTwo = `# TYPE h histogram
h_bucket{p="/a",le="1"} 1
h_bucket{p="/a",le="2.0"} 3
h_bucket{p="/a",le="+Inf"} 4
h_sum{p="/a"} 5.5
h_count{p="/a"} 4
h_bucket{p="/b",le="1"} 0.5
h_bucket{p="/b",le="+Inf"} 2
h_sum{p="/b"} NaN
h_count{p="/b"} 2
`

var classicBodies = []string{
	bucketsOfTwo,
	bucketsOfTwo + "# TYPE up gauge\nup 1\n",
	"up 1\n" + bucketsOfTwo + "g_bucket{le=\"1\"} 1\nh_other 3\n",
	"# TYPE h histogram\nh_count 1\nh_sum 2\n",
	"# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 1\nh_count 3\nup 1\n",
	"# TYPE h histogram\nh_bucket{le=\"x\"} 3\nh_bucket 1\nh_count 3\n",
	"# TYPE h histogram\n# TYPE i histogram\ni_bucket{le=\"+Inf\"} 3\ni_count 3\ni_created 5\n",
	"# TYPE s summary\ns_count 1\ns{quantile=\"1\"} 2\n# TYPE h_bucket gauge\nh_bucket 1\n",
}

func TestClassicHistogramsBecomeThoseOfUpstream(t *testing.T) {
	for _, body := range classicBodies {
		for _, keep := range []bool{false, true} {
			for f, contentType := range map[Format]string{Text: "text/plain", OpenMetrics: "application/openmetrics-text; version=1.0.0"} {
				b := body
				if f == OpenMetrics {
					b += "# EOF\n"
				}
				got, err := converted([]byte(b), f, keep)
				want, wantErr := convertedByUpstream([]byte(b), contentType, keep)
				if (err != nil) != (wantErr != nil) {
					t.Errorf("%s: our error %v, upstream's %v", b, err, wantErr)
				}
				if d := difference(got, want); d != "" {
					t.Errorf("%s of\n%s\nkeep=%v: %s", f, b, keep, d)
				}
			}
		}
	}
}

func TestAnExpectedSampleIsKnownBesideConvertedHistograms(t *testing.T) {
	type known struct {
		n int
		h uint64
	}
	body := []byte("up 1\n" + bucketsOfTwo + "# TYPE down gauge\ndown 1\n")
	for _, keep := range []bool{false, true} {
		var p Parser
		p.SetOptions(Options{ConvertClassic: true, KeepClassic: keep})
		var all []known
		p.Reset(body, Text)
		for k, err := p.Next(); err == nil; k, err = p.Next() {
			if k == Series || k == Histogram {
				all = append(all, known{len(p.Raw()), p.Hash()})
			}
		}
		p.Reset(body, Text)
		i := 0
		p.Expect(all[0].n, all[0].h)
		for k, err := p.Next(); err == nil; k, err = p.Next() {
			if k != Series && k != Histogram {
				continue
			}
			if !p.Expected() {
				t.Fatalf("keep=%v: sample %d, %v, is not known", keep, i, p.Labels())
			}
			if i++; i < len(all) {
				p.Expect(all[i].n, all[i].h)
			}
		}
		if want := map[bool]int{false: 4, true: 13}[keep]; len(all) != want {
			t.Errorf("keep=%v: %d samples, want %d", keep, len(all), want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, b := range classicBodies {
		f.Add([]byte(b), true)
		f.Add([]byte(b+"# EOF\n"), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, keep bool) {
		for _, format := range []Format{Text, OpenMetrics} {
			if _, err := converted(body, format, keep); err != nil && len(err.Error()) > 1000 {
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
		}
	})
}
