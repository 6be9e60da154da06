package api

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/floattext"
	"github.com/hearth-project/hearth/core/model"
)

func TestResultsAreWrittenAsUpstreamWritesThem(t *testing.T) {
	ls := labels.FromStrings("__name__", "up", "path", `a"\b<é`)
	for _, tt := range []struct {
		name string
		in   model.Value
		want string
	}{
		{"an empty vector", model.Vector{}, `[]`},
		{"a vector", model.Vector{{Labels: ls, Sample: model.Sample{T: 1435781451781, V: 1}}},
			`[{"metric":{"__name__":"up","path":"a\"\\b<é"},"value":[1435781451.781,"1"]}]`},
		{"a matrix", model.Matrix{{Labels: labels.EmptyLabels(), Samples: []model.Sample{{T: 1000, V: 0.1}, {T: 1005, V: math.Inf(1)}}}},
			`[{"metric":{},"values":[[1,"0.1"],[1.005,"+Inf"]]}]`},
		{"a scalar has a plain time", model.Scalar{T: -1500, V: math.NaN()}, `[-1.5,"NaN"]`},
		{"a scalar has no exponent", model.Scalar{V: 1e-7}, `[0,"0.0000001"]`},
		{"a string", model.String{T: 0, V: "x\n"}, `[0,"x\n"]`},
		{"minus nothing keeps its sign", one(math.Copysign(0, -1)), element("-0")},
		{"a large whole number has no exponent", one(1e20), element("100000000000000000000")},
		{"a very large one has", one(1e21), element("1e+21")},
		{"a small one has", one(1e-7), element("1e-07")},
		{"a negative whole number", one(-42), element("-42")},
		{"a time before 1970", model.Vector{{Sample: model.Sample{T: -1500}}}, `[{"metric":{},"value":[-1.500,"0"]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s stream
			s.value(tt.in)
			if got := string(s.b); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func one(v float64) model.Vector { return model.Vector{{Sample: model.Sample{V: v}}} }

func element(text string) string { return `[{"metric":{},"value":[0,"` + text + `"]}]` }

func FuzzStringsAreWrittenAsEncodingJSONWritesThem(f *testing.F) {
	for _, s := range []string{"", "plain", `a"\b`, "<&>", "\xff\xc0\xaf", "\u2028\u007f\x00", "é😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func FuzzLabelsAreWrittenAsUpstreamWritesThem(f *testing.F) {
	for _, s := range []string{"", "plain", `a"\b`, "<&>", "\xff\xc0\xaf", "\u2028\u007f\x00\b\r\n\t", "é😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendLabel(nil, s)
		if !utf8.ValidString(s) { // which upstream does not look at
			if !json.Valid(got) {
				t.Errorf("%q is not JSON", got)
			}
			return
		}
		stream := jsoniter.NewStream(jsoniter.ConfigCompatibleWithStandardLibrary, nil, 0)
		stream.WriteString(s)
		if want := string(stream.Buffer()); string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func FuzzNumbersReadBack(f *testing.F) {
	for _, v := range []float64{0, 1, 1e15, 1e15 + 2, 1e-6, 9.99e-7, 1e21, 123456789.125, math.MaxFloat64, math.Inf(-1)} {
		f.Add(v, int64(v))
	}
	f.Fuzz(func(t *testing.T, v float64, at int64) {
		text := string(floattext.Append(nil, v))
		back, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(v) && !(math.IsNaN(v) && math.IsNaN(back)) {
			t.Errorf("%v became %s, %v", v, text, err)
		}
		if a := math.Abs(v); strings.ContainsRune(text, 'e') != (a != 0 && a < 1e-6 || a >= 1e21 && !math.IsInf(v, 0)) {
			t.Errorf("%v is written as %s", v, text)
		}
		if at == math.MinInt64 {
			t.Skip("no such time")
		}
		text = string(appendTime(nil, at))
		whole, decimals, found := strings.Cut(text, ".")
		if !found {
			decimals = "000"
		}
		if n, err := strconv.ParseInt(whole+decimals, 10, 64); err != nil || n != at || found && decimals == "000" {
			t.Errorf("time %d became %s", at, text)
		}
	})
}
