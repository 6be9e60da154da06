package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// described writes down the samples that our parser makes of a body, with start timestamps, and describedByUpstream
// those of upstream's.
func described(body []byte, f Format, o Options) (out []string, err error) {
	var p Parser
	p.SetOptions(o)
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
			out = append(out, fmt.Sprintf("%v %v from %d", p.Labels(), p.Value(), p.StartTimestamp()))
		case k == Histogram:
			out = append(out, fmt.Sprintf("%v %s from %d", p.Labels(), show(p.Histogram()), p.StartTimestamp()))
		}
	}
}

func describedByUpstream(body []byte, contentType string, o Options) (out []string, err error) {
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{
		EnableTypeAndUnitLabels: o.TypeAndUnit, OpenMetricsSkipSTSeries: o.StartTimestamps, IgnoreNativeHistograms: o.IgnoreNative,
		ConvertClassicHistogramsToNHCB: o.ConvertClassic, KeepClassicOnClassicAndNativeHistograms: o.KeepClassic, EnableOpenMetrics2: true,
	})
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
		if k != textparse.EntrySeries && k != textparse.EntryHistogram {
			continue
		}
		var ls labels.Labels
		p.Labels(&ls)
		var value string
		if k == textparse.EntryHistogram {
			_, _, h, fh := p.Histogram()
			value = show(h, fh)
		} else {
			_, _, v := p.Series()
			value = fmt.Sprint(v)
		}
		st := int64(0)
		if o.StartTimestamps {
			st = p.StartTimestamp()
		}
		out = append(out, fmt.Sprintf("%v %s from %d", ls, value, st))
	}
}

const (
	contentText  = "text/plain; version=0.0.4"
	contentOM    = "application/openmetrics-text; version=1.0.0"
	contentProto = protobufMedia + "; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// optionsOf returns all ways to read a body.
func optionsOf() (all []Options) {
	for bits := range 32 {
		all = append(all, Options{IgnoreNative: bits&1 != 0, KeepClassic: bits&2 != 0, ConvertClassic: bits&4 != 0,
			StartTimestamps: bits&8 != 0, TypeAndUnit: bits&16 != 0})
	}
	return all
}

// describe compares with upstream.
func describe(t *testing.T, body []byte, f Format, contentType string, o Options) {
	t.Helper()
	if !o.StartTimestamps && f == Protobuf { // ours tells them whether asked or not
		return
	}
	got, gotErr := described(body, f, o)
	want, wantErr := describedByUpstream(bytes.Clone(body), contentType, o)
	if (gotErr != nil) != (wantErr != nil) {
		t.Fatalf("%+v: our error %v, upstream's %v, body\n%q", o, gotErr, wantErr, body)
	}
	if gotErr != nil {
		return
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%+v: from\n%.2000s\nwe read\n%s\nupstream reads\n%s", o, body, got[i], want[i])
			}
		}
		t.Fatalf("%+v: from\n%.2000s\nwe read %d samples, upstream %d", o, body, len(got), len(want))
	}
}

// createdBodies are OpenMetrics bodies with start timestamps here and there.
var createdBodies = []string{
	"# TYPE a counter\na_total 1\na_created 123.456\n# EOF\n",
	"# TYPE a counter\na_created 5\na_total 1\n# EOF\n",
	"# TYPE a counter\na_total{x=\"1\"} 1\na_created{x=\"1\"} 5\na_total{x=\"2\"} 1\na_created{x=\"2\"} 6\n# EOF\n",
	"# TYPE a counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\na_created{x=\"1\"} 5\na_created{x=\"2\"} 6\n# EOF\n",
	"# TYPE a counter\na_total{x=\"1\",y=\"2\"} 1\na_created{y=\"2\",x=\"1\"} 5\n# EOF\n",
	"# TYPE a counter\na_total 1\n# TYPE b counter\nb_total 1\nb_created 5\n# EOF\n",
	"# TYPE a gauge\na 1\na_created 5\n# EOF\n",
	"# TYPE a counter\na_total 1 # {t=\"x\"} 1 2\na_created 0\n# EOF\n",
	"# TYPE a counter\na_total 1\na_created NaN\n# EOF\n",
	"# TYPE a counter\na_total 1 7\na_created 5 7\n# EOF\n",
	"# TYPE \"a.b\" counter\n{\"a.b_total\"} 1\n{\"a.b_created\"} 5\n# EOF\n",
	"# TYPE \"a.b\" counter\n{\"a.b_total\",x=\"1\"} 1\n{\"a.b_created\",x=\"1\"} 5\n# EOF\n",
	"# TYPE h histogram\nh_bucket{le=\"1\",x=\"1\"} 1\nh_bucket{le=\"+Inf\",x=\"1\"} 2\nh_count{x=\"1\"} 2\nh_sum{x=\"1\"} 3\nh_created{x=\"1\"} 5\n" +
		"h_bucket{le=\"1\",x=\"2\"} 1\nh_bucket{le=\"+Inf\",x=\"2\"} 2\nh_created{x=\"2\"} 6\nh_count{x=\"2\"} 2\nh_sum{x=\"2\"} 3\n# EOF\n",
	"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} 2\ns_count 4\ns_sum 5\ns_created 6\n# TYPE t summary\nt_created 7\nt_count 1\nt_sum 2\n# EOF\n",
	"# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{__type__=\"mine\",__unit__=\"mine\"} 1\na_seconds_created 5\n# TYPE b gauge\n# UNIT b \nb{__type__=\"mine\",__unit__=\"mine\"} 1\n# EOF\n",
	"# TYPE a unknown\na{__type__=\"mine\"} 1\n# EOF\n",
	"a{__type__=\"mine\"} 1\n# TYPE a info\na_info 1\n# EOF\n",
}

func TestStartTimestampsAreThoseOfUpstream(t *testing.T) {
	for _, body := range createdBodies {
		for _, o := range optionsOf() {
			describe(t, []byte(body), OpenMetrics, contentOM, o)
		}
	}
	for _, o := range optionsOf() {
		describe(t, instrumented(t, 3), Protobuf, contentProto, o)
		if o.TypeAndUnit {
			continue // families without a unit follow one that has one
		}
		body, err := os.ReadFile("testdata/families.om")
		if err != nil {
			t.Fatal(err)
		}
		describe(t, body, OpenMetrics, contentOM, o)
	}
	for _, file := range []string{"testdata/node_exporter.txt"} {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		describe(t, body, Text, contentText, Options{TypeAndUnit: true})
	}
}

// TestAUnitIsThatOfItsFamily is our deviation.
func TestAUnitIsThatOfItsFamily(t *testing.T) {
	got, err := described([]byte("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n# TYPE b gauge\nb 1\n# EOF\n"), OpenMetrics, Options{TypeAndUnit: true})
	want := "{__name__=\"a_seconds\", __type__=\"gauge\", __unit__=\"seconds\"} 1 from 0\n{__name__=\"b\", __type__=\"gauge\"} 1 from 0"
	if err != nil || strings.Join(got, "\n") != want {
		t.Errorf("%s, %v", strings.Join(got, "\n"), err)
	}
}

// TestExpectedLinesSurviveStartTimestamps: what is left out does not make the series after it unexpected.
func TestExpectedLinesSurviveStartTimestamps(t *testing.T) {
	body := []byte("# TYPE a counter\na_total{x=\"1\"} 1\na_created{x=\"1\"} 5\na_total{x=\"2\"} 1\na_created{x=\"2\"} 6\n# EOF\n")
	var p Parser
	p.SetOptions(Options{StartTimestamps: true, TypeAndUnit: true})
	type line struct {
		n    int
		hash uint64
	}
	var lines []line
	for pass := range 2 {
		p.Reset(body, OpenMetrics)
		n := 0
		for {
			if pass == 1 && n < len(lines) {
				p.Expect(lines[n].n, lines[n].hash)
			}
			k, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if k != Series {
				continue
			}
			if pass == 0 {
				lines = append(lines, line{len(p.Raw()), p.Hash()})
			} else if !p.Expected() || p.StartTimestamp() != int64(5000+1000*n) {
				t.Errorf("series %d: expected is %v, start %d", n, p.Expected(), p.StartTimestamp())
			}
			n++
		}
		if n != 2 {
			t.Errorf("%d series", n)
		}
	}
}

func FuzzStartTimestamps(f *testing.F) {
	for _, body := range createdBodies {
		f.Add([]byte(body), uint8(0xff))
	}
	f.Fuzz(func(t *testing.T, body []byte, bits uint8) {
		o := optionsOf()[bits%32]
		if bytes.ContainsAny(body, "\x00\\") || o.TypeAndUnit && bytes.Contains(body, []byte("UNIT")) {
			return // our deviations
		}
		describe(t, body, OpenMetrics, contentOM, o)
	})
}
