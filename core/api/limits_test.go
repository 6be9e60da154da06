package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/limits"
)

func TestLimitsAreShown(t *testing.T) {
	asked := 0
	report := func(top int) limits.Report {
		asked = top
		return limits.Report{Limits: []limits.Limit{{Name: "series", Key: "[limits] max_series", Limit: 5, Used: 4}}}
	}
	for _, tt := range []struct {
		name, query string
		report      func(int) limits.Report
		code, top   int
		want        string
	}{
		{"ten jobs are shown if nothing is said", "", report, 200, 10, `{"status":"success","data":{"limits":[{"name":"series","key":"[limits] max_series","limit":5,"used":4,`},
		{"or as many as are asked for", "?top=500", report, 200, 500, `"rejections":`},
		{"too many are refused", "?top=1001", report, 400, 0, `"errorType":"bad_data"`},
		{"none, too", "?top=0", report, 400, 0, `want 1 to 1000`},
		{"and what is no number", "?top=x", report, 400, 0, `invalid parameter \"top\"`},
		{"nothing known is an empty answer", "", nil, 200, 0, `"limits":[]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked = 0
			h := handlerOf(t, Options{Storage: failing{}, Limits: tt.report})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/hearth/v1/limits"+tt.query, nil))
			if w.Code != tt.code || asked != tt.top || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s, asked for %d", w.Code, w.Body, asked)
			}
		})
	}
}
