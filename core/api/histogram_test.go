package api

import (
	"math"
	"testing"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/jsonutil"

	"github.com/hearth-project/hearth/core/model"
)

func TestHistogramsAreWrittenAsUpstreamDoes(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    histogram.FloatHistogram
	}{
		{"one without buckets", histogram.FloatHistogram{Count: 3, Sum: math.NaN()}},
		{"exponential buckets on both sides of zero, some empty", histogram.FloatHistogram{
			Schema: 1, Count: 1e22, Sum: -1e-9, ZeroThreshold: 0.001, ZeroCount: 2,
			PositiveSpans: []histogram.Span{{Offset: -3, Length: 2}, {Offset: 1, Length: 1}}, PositiveBuckets: []float64{1, 0, 2.5},
			NegativeSpans: []histogram.Span{{Offset: 1, Length: 1}}, NegativeBuckets: []float64{4},
		}},
		{"custom buckets", histogram.FloatHistogram{
			Schema: histogram.CustomBucketsSchema, Count: 4, Sum: 7, CustomValues: []float64{1, 2.5},
			PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []float64{1, 1, 2},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream := jsoniter.NewStream(jsoniter.ConfigDefault, nil, 0)
			jsonutil.MarshalHistogram(&tt.h, stream)
			if got, want := string(appendHistogram(nil, &tt.h)), string(stream.Buffer()); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestResultsWithHistograms(t *testing.T) {
	h := &histogram.FloatHistogram{Count: 3, Sum: 4}
	ls := labels.FromStrings("a", "b")
	for _, tt := range []struct {
		name  string
		value model.Value
		want  string
	}{
		{"an element of a vector", model.Vector{{Labels: ls, Sample: model.Sample{T: 1500}, H: h}},
			`[{"metric":{"a":"b"},"histogram":[1.500,{"count":"3","sum":"4"}]}]`},
		{"a series of histograms alone has no values", model.Matrix{{Labels: ls, Histograms: []model.Histogram{{T: 1000, FH: h}}}},
			`[{"metric":{"a":"b"},"histograms":[[1,{"count":"3","sum":"4"}]]}]`},
		{"a series of both", model.Matrix{{Labels: ls, Samples: []model.Sample{{T: 2000, V: 7}}, Histograms: []model.Histogram{{T: 1000, FH: h}}}},
			`[{"metric":{"a":"b"},"values":[[2,"7"]],"histograms":[[1,{"count":"3","sum":"4"}]]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stream{}
			s.value(tt.value)
			if got := string(s.b); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
