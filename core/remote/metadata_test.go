package remote

import (
	"fmt"
	"reflect"
	"testing"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/metadata"
)

// withMetadata returns a receiver that keeps metadata, and where.
func withMetadata(store Storage) (*Receiver, *metadata.Store) {
	m := metadata.Open(metadata.Options{FS: vfs.NewMem(), Dir: "data", Max: 100_000})
	return NewReceiver(Options{Storage: store, Metadata: m}), m
}

func TestMetadataOfVersion1(t *testing.T) {
	r, m := withMetadata(&recorder{})
	body := encode(t, &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{with(series("__name__", "up"), 1)},
		Metadata: []prompb.MetricMetadata{
			{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "requests_total", Help: "Requests.", Unit: "requests"},
			{Type: prompb.MetricMetadata_HISTOGRAM, MetricFamilyName: "seconds", Help: "How long."},
			{Type: 77, MetricFamilyName: "odd"},
			{Help: "of nothing"},
		},
	})
	for range 2 {
		if w := post(r, body); w.Code != 204 {
			t.Fatal(w.Code, w.Body)
		}
		clear(body) // nothing of the request may be kept
		body = encode(t, &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "requests_total"}}})
	}
	want := []storage.Metadata{
		{Metric: "odd", Type: "unknown"},
		{Metric: "requests_total", Type: "gauge"},
		{Metric: "requests_total", Type: "counter", Help: "Requests.", Unit: "requests"},
		{Metric: "seconds", Type: "histogram", Help: "How long."},
	}
	if got := m.Metadata(""); !reflect.DeepEqual(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestMetadataOfVersion2(t *testing.T) {
	at := now.UnixMilli()
	st := writev2.NewSymbolTable()
	var req writev2.Request
	add := func(kind writev2.Metadata_MetricType, help, unit string, pairs ...string) {
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: st.SymbolizeLabels(labels.FromStrings(pairs...), nil), Samples: []writev2.Sample{{Timestamp: at}},
			Metadata: writev2.Metadata{Type: kind, HelpRef: st.Symbolize(help), UnitRef: st.Symbolize(unit)}})
	}
	for i := range 3 {
		add(writev2.Metadata_METRIC_TYPE_COUNTER, "Requests.", "", "__name__", "requests_total", "i", fmt.Sprint(i), "A", "before the name")
		add(writev2.Metadata_METRIC_TYPE_HISTOGRAM, "How long.", "seconds", "__name__", "seconds_bucket", "le", fmt.Sprint(i))
		add(writev2.Metadata_METRIC_TYPE_HISTOGRAM, "How long.", "seconds", "__name__", "seconds_sum")
		add(writev2.Metadata_METRIC_TYPE_UNSPECIFIED, "", "", "__name__", "nothing_is_said")
		add(writev2.Metadata_METRIC_TYPE_UNSPECIFIED, "Only help.", "", "__name__", "help")
	}
	req.Symbols = st.Symbols()
	r, m := withMetadata(&recorder{})
	if w := post(r, encode2(t, &req), version2...); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	want := []storage.Metadata{
		{Metric: "help", Type: "unknown", Help: "Only help."},
		{Metric: "requests_total", Type: "counter", Help: "Requests."},
		{Metric: "seconds", Type: "histogram", Help: "How long.", Unit: "seconds"},
	}
	if got := m.Metadata(""); !reflect.DeepEqual(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestFamiliesOfSeries(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind commonmodel.MetricType
		want string
	}{
		{"a_bucket", commonmodel.MetricTypeHistogram, "a"},
		{"a_sum", commonmodel.MetricTypeHistogram, "a"},
		{"a_count", commonmodel.MetricTypeSummary, "a"},
		{"a", commonmodel.MetricTypeSummary, "a"},
		{"a_bucket", commonmodel.MetricTypeSummary, "a_bucket"},
		{"a_gsum", commonmodel.MetricTypeGaugeHistogram, "a"},
		{"a_sum", commonmodel.MetricTypeGauge, "a_sum"},
		{"a_total", commonmodel.MetricTypeCounter, "a_total"},
		{"_sum", commonmodel.MetricTypeHistogram, "_sum"},
	} {
		if got := string(family([]byte(tt.name), tt.kind)); got != tt.want {
			t.Errorf("%s, a %s, is of %s, want %s", tt.name, tt.kind, got, tt.want)
		}
	}
}

func TestARequestMakesSoManyStatementsAndNoMore(t *testing.T) {
	var req prompb.WriteRequest
	for i := range maxStatements + 7 {
		req.Metadata = append(req.Metadata, prompb.MetricMetadata{MetricFamilyName: fmt.Sprint("m", i)})
	}
	r, m := withMetadata(&recorder{})
	if w := post(r, encode(t, &req)); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	if n := len(m.Metadata("")); n != maxStatements {
		t.Errorf("%d are kept", n)
	}
}
