package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/storage"
)

// blocked is a storage whose querier waits for its release.
type blocked struct{ started, release chan struct{} }

func (b blocked) Querier(int64, int64) (storage.Querier, error) {
	close(b.started)
	<-b.release
	return nil, storage.ErrClosed
}

func TestRunningQueriesAreListedAndCanceled(t *testing.T) {
	engine := promql.New(promql.Options{})
	db := blocked{make(chan struct{}), make(chan struct{})}
	h := handlerOf(t, Options{Engine: engine, Queries: engine, Storage: db})
	answer := make(chan *httptest.ResponseRecorder)
	go func() {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/query?query=sum(up)&time=1700000000", nil)
		r.Header.Set("User-Agent", "grafana")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answer <- w
	}()
	<-db.started
	do := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	code, body := do(http.MethodGet, "/api/hearth/v1/queries")
	for _, part := range []string{`"id":1,`, `"query":"sum(up)"`, `"userAgent":"grafana"`, `"remoteAddr":"192.0.2.1:1234"`, `"start":"2023-11-14T22:13:20`, `"waiting":false`} {
		if code != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%d: no %s in %s", code, part, body)
		}
	}
	for _, tt := range []struct {
		path string
		want int
	}{{"/api/hearth/v1/queries/2", 404}, {"/api/hearth/v1/queries/x", 400}, {"/api/hearth/v1/queries/1", 204}} {
		if code, body := do(http.MethodDelete, tt.path); code != tt.want {
			t.Errorf("DELETE %s: %d %s", tt.path, code, body)
		}
	}
	close(db.release)
	w := <-answer
	if w.Code != 499 || !strings.Contains(w.Body.String(), `"errorType":"canceled"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, body := do(http.MethodGet, "/api/hearth/v1/queries"); body != `{"status":"success","data":[]}` {
		t.Errorf("afterwards %s", body)
	}
}

func TestLimitsAnswerWithUpstreamsTypes(t *testing.T) {
	engine := promql.New(promql.Options{MaxSamples: 1000})
	h := handlerOf(t, Options{Engine: engine, Storage: failing{}})
	for _, tt := range []struct {
		name, path, kind string
		code             int
	}{
		{"too many steps between times further apart than a duration is long", "/api/v1/query_range?query=up&start=-9223372036854775&end=9223372036854775&step=9223372036", `"errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points`, 400},
		{"a few steps between these", "/api/v1/query_range?query=vector(1)&start=0&end=94670856000&step=9223372036", `"status":"success"`, 200},
		{"too many steps", "/api/v1/query_range?query=up&start=0&end=11001&step=1", `"errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points`, 400},
		{"too many samples", "/api/v1/query?query=max_over_time(vector(1)[30d:1s])", `"errorType":"execution"`, 422},
		{"too deep", "/api/v1/query?query=" + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000), `"errorType":"bad_data"`, 400},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.kind) {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
}

func TestExplainStandsInTheStats(t *testing.T) {
	engine := promql.New(promql.Options{})
	h := handlerOf(t, Options{Engine: engine, Storage: failing{}})
	for _, tt := range []struct{ path, want string }{
		{"/api/v1/query?query=sum(vector(1))&explain=true", `"explain":{"operator":"once","expr":"sum(vector(1))","steps":1,"series":1,`},
		{"/api/v1/query_range?query=sum(vector(1))&start=0&end=10&step=5&explain=true", `"children":[{"operator":"sum","expr":"sum(vector(1))","steps":1,`},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %s, want %s", tt.path, w.Code, w.Body, tt.want)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, strings.Replace(tt.path, "explain=true", "stats=true", 1), nil))
		if body := w.Body.String(); strings.Contains(body, "explain") || !strings.Contains(body, `"stats"`) {
			t.Errorf("not asked for: %s", body)
		}
	}
}
