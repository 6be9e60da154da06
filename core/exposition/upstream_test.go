package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// ours and theirs write down what the two parsers make of a body, one line an entry.
func ours(body []byte, f Format) (out []string, err error) {
	var p Parser
	p.Reset(body, f)
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
		case Help:
			out = append(out, fmt.Sprintf("help %q %q", p.Name(), p.Text()))
		case Unit:
			out = append(out, fmt.Sprintf("unit %q %q", p.Name(), p.Text()))
		case Comment:
			out = append(out, fmt.Sprintf("comment %q", p.Text()))
		case Series:
			ts, hasTS := p.Timestamp()
			if !hasTS {
				ts = 0
			}
			out = append(out, fmt.Sprintf("series %q %v %#x %v %d", p.Raw(), p.Labels(), math.Float64bits(p.Value()), hasTS, ts))
			if e, ok := p.Exemplar(); ok {
				out = append(out, fmt.Sprintf("exemplar %v %#x %v %d", e.Labels, math.Float64bits(e.Value), e.HasT, e.T))
			}
		}
	}
}

func theirs(body []byte, f Format) (out []string, err error) {
	var p textparse.Parser
	if f == Text {
		p = textparse.NewPromParser(bytes.Clone(body), labels.NewSymbolTable(), false)
	} else {
		p = textparse.NewOpenMetricsParser(body, labels.NewSymbolTable())
	}
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch e {
		case textparse.EntryType:
			n, t := p.Type()
			out = append(out, fmt.Sprintf("type %q %s", n, t))
		case textparse.EntryHelp:
			n, h := p.Help()
			out = append(out, fmt.Sprintf("help %q %q", n, h))
		case textparse.EntryUnit:
			n, u := p.Unit()
			out = append(out, fmt.Sprintf("unit %q %q", n, u))
		case textparse.EntryComment:
			out = append(out, fmt.Sprintf("comment %q", p.Comment()))
		case textparse.EntrySeries:
			raw, t, v := p.Series()
			var ls labels.Labels
			p.Labels(&ls)
			if trimmed := bytes.TrimLeft(raw, " \t"); len(trimmed) != len(raw) { // our deviation
				if name := ls.Get(model.MetricNameLabel); trimmed[0] != '{' {
					ls = labels.NewBuilder(ls).Set(model.MetricNameLabel, strings.TrimLeft(name, " \t")).Labels()
				}
				raw = trimmed
			}
			hasTS, ts := t != nil, int64(0)
			if hasTS {
				ts = *t
			}
			out = append(out, fmt.Sprintf("series %q %v %#x %v %d", raw, ls, math.Float64bits(v), hasTS, ts))
			var ex exemplar.Exemplar
			if p.Exemplar(&ex) {
				out = append(out, fmt.Sprintf("exemplar %v %#x %v %d", ex.Labels, math.Float64bits(ex.Value), ex.HasTs, ex.Ts))
			}
		}
	}
}

// compare fails the test unless both parsers find the same entries or both refuse the body.
func compare(t *testing.T, body []byte, f Format) {
	t.Helper()
	if bytes.IndexByte(body, 0) >= 0 {
		return // our deviation; TestNULBytes has it
	}
	got, gotErr := ours(body, f)
	if f == OpenMetrics && bytes.Contains(body, []byte(`\`)) && strings.Contains(strings.Join(got, "\n"), "\nexemplar") {
		return // our deviation: escapes in exemplars
	}
	want, wantErr := theirs(body, f)
	if (gotErr != nil) != (wantErr != nil) {
		t.Fatalf("%s: our error %v, upstream's %v, body\n%q", f, gotErr, wantErr, body)
	}
	if gotErr != nil {
		return
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Fatalf("%s: from\n%q\nwe read\n%s\nupstream reads\n%s", f, body, g, w)
	}
}

var seeds = []string{
	"",
	"\n\n",
	"up 1",
	"up 1\n",
	"up 1 1700000000000\n",
	"up  1 \t 1700000000000\t\n",
	"  up 1\n",
	"\t{\"up\"} 1\n",
	"up{} 1\n",
	"up {a=\"b\"} 1\n",
	"up{a=\"b\",} 1\n",
	"up{a=\"b\",,} 1\n",
	"up{ a = \"b\" , c=\"d\" } 1\n",
	"up{a=\"b\"c=\"d\"} 1\n",
	"up{a=\"b\"}1\n",
	"up.5\n",
	"up+1\n",
	"up-Inf\n",
	"up{a=\"}\"} 1\n",
	"up{a=\"\\\\\\\"\\n\\x\"} NaN\n",
	"up{a=\"\xff\"} 1\n",
	"up{a=\"two\nlines\"} 1\n",
	"up{a=\"two\\\nlines\"} 1\n",
	"up{a=\"open} 1\n",
	"up{a=b} 1\n",
	"up{1a=\"b\"} 1\n",
	"up{\"häuser\"=\"b\"} 1\n",
	"{\"my.metric\"} 1\n",
	"{\"my.metric\",a=\"b\"} 1\n",
	"{a=\"b\",\"my.metric\"} 1\n",
	"{a=\"b\"} 1\n",
	"{\"a\",\"b\"} 1\n",
	"up{\"a\"} 1\n",
	"{\"\"} 1\n",
	"{\"esc\\\"aped\\n\"} 1\n",
	"up 0x1p3\n", "up 1_0\n", "up inf\n", "up +Infinity\n", "up nan\n", "up 1e400\n", "up 1e-400\n", "up -0\n", "up .\n", "up 1e\n",
	"up 123456789012345678901234567890\n", "up 9007199254740993\n", "up 0.1e23\n", "up 1.7976931348623157e308\n",
	"up 1\r\n", "up 1{\n", "up 1 -5\n", "up 1 99999999999999999999\n", "up 1 2 3\n", "up 1 2x\n", "up\n", "up ", "1up 1\n",
	"# HELP up It is up.\n# TYPE up gauge\nup 1\n",
	"#HELP up It is up.\n", "#\n", "# \n", "# HELP\n", "# HELP \n", "# HELP up", "# HELP up \n", "# HELP up    \n", "# HELP up-x y\n",
	"# HELP up a\\nb\\\\c\\\"d\n", "# HELP up \xff\n", "# HELPx up y\n", "# \tHELP\tup\ttext\n", "  # HELP up text\n",
	"# TYPE up counter \n", "# TYPE up  counter\n", "# TYPE up nonsense\n", "# TYPE up\n", "# TYPE \"my.metric\" counter\n", "# TYPE \"my", "# EOF\n",
	"# TYPE up untyped\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"x\"} 1\n",
	"# TYPE s summary\ns{quantile=\"0\"} 1\ns{quantile=\"1e0\"} 1\n",
	"up 1\n# EOF\n", "up 1\n# EOF", "up 1\n# EOFx", "up 1\n# EOF\n\n", "# EOF\nup 1\n",
	"# TYPE a counter\n# UNIT a_seconds seconds\n# HELP a_seconds Help \\\"x\\\".\na_total 1 1.5\n# EOF\n",
	"# UNIT a_seconds bytes\n# EOF\n", "# UNIT seconds seconds\n# EOF\n", "# UNIT a \n# EOF\n", "# UNIT aseconds seconds\n# EOF\n",
	"# TYPE a info\n# TYPE b stateset\n# TYPE c gaugehistogram\n# TYPE d unknown\n# EOF\n", "# TYPE a untyped\n# EOF\n",
	"a 1 # {} 1\n# EOF\n", "a 1 # {id=\"x\"} 1 2\n# EOF\n", "a 1 5 # {id=\"x\",b=\"y\"} 1.5e3 2.25\n# EOF\n", "a 1 # {id=\"x\"} 1 NaN\n# EOF\n",
	"a 1 # {\"id\"} 1\n# EOF\n", "a 1 # {\"id\"=\"q\"} 1\n# EOF\n", "a 1 # {id=\"x\"}1\n# EOF\n", "a 1 # {id=\"x\"} 1 2 3\n# EOF\n", "a 1 # x\n# EOF\n", "a 1 #\n# EOF\n",
	"a 1 \n# EOF\n", "a  1\n# EOF\n", " a 1\n# EOF\n", "a 1\n\n# EOF\n", "a{a=\"b\" } 1\n# EOF\n", "a{ a=\"b\"} 1\n# EOF\n", "a{a=\"b\",} 1\n# EOF\n",
	"a 1 inf\n# EOF\n", "a 1 1e300\n# EOF\n", "a 1 -1.5\n# EOF\n", "a{a=\"x\ny\"} 1\n# EOF\n", "{\"x\ny\"} 1\n# EOF\n", "a 1 # {\"x\ny\"=\"z\"} 1\n# EOF\n",
	"a", "a{", "a{a", "a{a=", "a{a=\"", "a{a=\"b\"", "a{a=\"b\"}", "a{a=\"b\"} ", "a 1", "a 1 ", "a 1 #", "a 1 # ", "a 1 # {", "# ", "# H", "# HELP a",
}

func TestWeReadWhatUpstreamReads(t *testing.T) {
	for _, s := range seeds {
		compare(t, []byte(s), Text)
		compare(t, []byte(s), OpenMetrics)
		compare(t, []byte(s+"# EOF\n"), OpenMetrics)
	}
}

func TestWeReadTheExpositionsInTestdata(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := Text
		if strings.HasSuffix(file, ".om") {
			f = OpenMetrics
		}
		if n, err := Check(body, f); err != nil || n < 20 {
			t.Errorf("%s: %d samples, %v", file, n, err)
		}
		compare(t, body, f)
		for i := 0; i < len(body); i += 97 { // cut anywhere
			compare(t, body[:i], f)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { compare(t, body, Text) })
}

func FuzzOpenMetrics(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add([]byte(s + "# EOF\n"))
	}
	f.Fuzz(func(t *testing.T, body []byte) { compare(t, body, OpenMetrics) })
}

// FuzzAnything holds bodies with NUL bytes too: no panic, and errors that stay short.
func FuzzAnything(f *testing.F) {
	f.Add([]byte("up{a=\"\x00\"} 1\n\x00"), true)
	f.Fuzz(func(t *testing.T, body []byte, om bool) {
		format := Text
		if om {
			format = OpenMetrics
		}
		if _, err := ours(body, format); err != nil && len(err.Error()) > 1000 {
			t.Fatalf("error of %d bytes", len(err.Error()))
		}
	})
}
