package api

import (
	"math"
	"net/http"
	"net/url"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/exemplars"
)

func TestExemplarsOfAnExpression(t *testing.T) {
	s, err := exemplars.Open(exemplars.Options{FS: vfs.NewMem(), Dir: "x", Max: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		series, trace string
		v             float64
		t             int64
	}{{"a", "1", 6, 1600096945479}, {"a", "2", 1e-9, 1600096955500}, {"b", "3", math.Inf(1), 1600096946000}} {
		err := s.AppendExemplars(labels.FromStrings("__name__", e.series, "job", "x"), []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", e.trace), Value: e.v, Ts: e.t}})
		if err != nil {
			t.Fatal(err)
		}
	}
	h := handlerOf(t, Options{Exemplars: s})
	for _, tt := range []struct{ query, start, end, want string }{
		{"a", "", "", `[{"seriesLabels":{"__name__":"a","job":"x"},"exemplars":[{"labels":{"trace_id":"1"},"value":"6","timestamp":1600096945.479},{"labels":{"trace_id":"2"},"value":"1e-09","timestamp":1600096955.500}]}]`},
		{`rate(a[5m]) / sum(b{job="x"})`, "1600096945.5", "1600096950", `[{"seriesLabels":{"__name__":"b","job":"x"},"exemplars":[{"labels":{"trace_id":"3"},"value":"+Inf","timestamp":1600096946}]}]`},
		{"c", "", "", `[]`},
	} {
		v := url.Values{"query": {tt.query}}
		if tt.start != "" {
			v.Set("start", tt.start)
			v.Set("end", tt.end)
		}
		w := send(h, http.MethodGet, "/api/v1/query_exemplars?"+v.Encode(), nil)
		if want := `{"status":"success","data":` + tt.want + `}`; w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", tt.query, w.Code, w.Body, want)
		}
	}
}
