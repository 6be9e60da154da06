package exposition

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		format     Format
		want       string
	}{
		{"a word where a value should be", "a 1\nb two\n", Text, `line 2, column 3: the value is not a number (invalid syntax): "b two"`},
		{"a label without quotes", "a{b=c} 1", Text, `line 1, column 5: expected the value of a label in double quotes: "a{b=c} 1"`},
		{"a web page", "<html>", Text, `line 1, column 1: expected a metric name, a brace or a comment: "<html>"`},
		{"a name twice", `{"a","b"} 1`, Text, `line 1, column 6: a second metric name: "{\"a\",\"b\"} 1"`},
		{"no name at all", `{a="b"} 1`, Text, `line 1, column 1: a series without a metric name: "{a=\"b\"} 1"`},
		{"only a name", "up\n", Text, `line 1, column 3: expected a value after the series: "up"`},
		{"an unknown type", "# TYPE up meter\n", Text, `line 1, column 10: not a metric type: "# TYPE up meter"`},
		{"a cut OpenMetrics body", "a 1\n", OpenMetrics, `line 2, column 1: the body does not end with # EOF: it was cut, or it is not OpenMetrics`},
		{"more after the end", "# EOF\na 1\n", OpenMetrics, `line 2, column 1: there is more after # EOF: "a 1"`},
		{"a unit that is not in the name", "# UNIT a seconds\n# EOF\n", OpenMetrics, `line 1, column 9: the unit is not the end of the metric name, after a _: "# UNIT a seconds"`},
		{"a long line is cut around the place", strings.Repeat("x", 500) + "{" + strings.Repeat("y", 500), Text,
			`line 1, column 1002: expected = after the name of a label: ..."` + strings.Repeat("y", 30) + `"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Check([]byte(tt.body), tt.format)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%T is no *Error", err)
			}
		})
	}
}

func TestNULBytes(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		ok         bool
	}{
		{"in the value of a label", "a{b=\"c\x00d\"} 1\n", true},
		{"in a help text", "# HELP a b\x00c\n", true},
		{"in a comment", "# b\x00c\na 1\n", true},
		{"where a line starts", "a 1\n\x00b 1\n", false},
		{"after a quoted value", "a{b=\"c\"\x00} 1\n", false},
		{"in a value", "a 1\x00\n", false},
	} {
		if _, err := Check([]byte(tt.body), Text); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestEntriesEndAfterAnError(t *testing.T) {
	for _, f := range []Format{Text, OpenMetrics} {
		var p Parser
		p.Reset([]byte("a 1\n???\nb 1\n"), f)
		p.Next()
		if _, err := p.Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", f, err)
		}
		if _, err := p.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v after an error", f, err)
		}
	}
}

func TestAnExpectedSeriesIsFoundOnlyIfItIsTheSame(t *testing.T) {
	seed := maphash.MakeSeed()
	for _, tt := range []struct {
		expect, body string
		want         bool
	}{
		{`up{a="b"}`, `up{a="b"} 1`, true},
		{`up`, `up 1`, true},
		{`up`, "\n  # comment\n up 1", true},
		{`up`, `upper 1`, false},
		{`up`, `up{a="b"} 1`, false},
		{`up`, `up {a="b"} 1`, false},
		{`up`, `up  {a="b"} 1`, false},
		{`up{a="b"}`, `up{a="c"} 1`, false},
		{`up{a="b"}`, `up{a="b"}`, false},
		{`up{a="b"}`, `up{a="b"}  1`, false}, // takes the long way
	} {
		var p Parser
		p.SetSeed(seed)
		p.Reset([]byte(tt.body), Text)
		p.Expect(len(tt.expect), maphash.String(seed, tt.expect))
		k, err := p.Next()
		if k == Comment {
			k, err = p.Next()
		}
		if p.Expected() != tt.want {
			t.Errorf("%q expected, %q: %v (%v, %v)", tt.expect, tt.body, p.Expected(), k, err)
		}
		if k == Series && p.Hash() != maphash.Bytes(seed, p.Raw()) {
			t.Errorf("%q: Hash is not that of Raw", tt.body)
		}
	}
}

func checkFloat(t *testing.T, s string) {
	t.Helper()
	got, gotErr := parseFloat([]byte(s))
	want, wantErr := strconv.ParseFloat(s, 64)
	if strings.ContainsAny(s, "pP_") {
		wantErr = errFloatChar
	}
	if (gotErr != nil) != (wantErr != nil) {
		t.Fatalf("%q: our error %v, strconv's %v", s, gotErr, wantErr)
	}
	if gotErr == nil && math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
		t.Fatalf("%q: %v (%#x), strconv has %v (%#x)", s, got, math.Float64bits(got), want, math.Float64bits(want))
	}
}

func TestNumbersAreThoseOfStrconv(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		f := math.Float64frombits(rng.Uint64())
		switch rng.IntN(4) {
		case 0:
			f = float64(rng.Int64N(1 << 55))
		case 1:
			f = float64(rng.Int64N(1<<40)) / math.Pow10(rng.IntN(12))
		}
		checkFloat(t, strconv.FormatFloat(f, "efg"[rng.IntN(3)], -1+rng.IntN(2)*rng.IntN(25), 64))
	}
	for exp := -30; exp < 30; exp++ {
		for _, m := range []uint64{0, 1, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxUint64} {
			checkFloat(t, fmt.Sprintf("%de%d", m, exp))
			checkFloat(t, fmt.Sprintf("-%d.0E%+d", m, exp))
		}
	}
}

func FuzzFloat(f *testing.F) {
	for _, s := range []string{"1", "-0", "1.5e3", "NaN", "+Inf", "0x1p-2", "1_0", "1e400", ".5", "5.", "1e+", "123456789012345678901"} {
		f.Add(s)
	}
	f.Fuzz(checkFloat)
}

func TestFormatOf(t *testing.T) {
	for _, tt := range []struct {
		contentType, fallback string
		want                  Format
		text                  string
	}{
		{"text/plain; version=0.0.4; charset=utf-8", "", Text, ""},
		{"text/plain;version=1.0.0;escaping=allow-utf-8", "", Text, ""},
		{"text/plain", "", Text, ""},
		{"application/openmetrics-text; version=1.0.0; charset=utf-8", "", OpenMetrics, ""},
		{"application/openmetrics-text; version=2.0.0", "", 0, "openmetrics2"},
		{"application/openmetrics-text; version=2.0.0", "OpenMetricsText1.0.0", OpenMetrics, ""},
		{"", "", 0, "no Content-Type"},
		{"", "OpenMetricsText1.0.0", OpenMetrics, ""},
		{"text/html", "", 0, "text/html"},
		{"text/html", "PrometheusText0.0.4", Text, ""},
		{"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", "", Protobuf, ""},
		{"", "PrometheusProto", Protobuf, ""},
		{"application/x-protobuf", "", 0, "protobuf"},
		{";;;", "", 0, "cannot be read"},
	} {
		got, err := FormatOf(tt.contentType, tt.fallback, false)
		if got != tt.want || (err != nil) != (tt.want == 0) || err != nil && !(strings.Contains(err.Error(), tt.text) && strings.Contains(err.Error(), "fallback_scrape_protocol")) {
			t.Errorf("FormatOf(%q, %q) = %v, %v", tt.contentType, tt.fallback, got, err)
		}
	}
}

func TestOpenMetrics2IsNegotiatedIfWanted(t *testing.T) {
	if got := Accept([]string{"OpenMetricsText2.0.0"}, true); got != "application/openmetrics-text;version=2.0.0;q=0.7,*/*;q=0.6" {
		t.Errorf("asks for %s", got)
	}
	if f, err := FormatOf("application/openmetrics-text; version=2.0.0; charset=utf-8", "", true); f != OpenMetrics2 || err != nil {
		t.Errorf("%v, %v", f, err)
	}
}

func TestAccept(t *testing.T) {
	got := Accept([]string{"PrometheusProto", "OpenMetricsText2.0.0", "OpenMetricsText1.0.0", "PrometheusText0.0.4"}, false)
	want := "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	body := benchBody(100)
	var p Parser
	p.Reset(body, Text)
	if n := testing.AllocsPerRun(20, func() {
		p.Reset(body, Text)
		for {
			if _, err := p.Next(); err != nil {
				break
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
