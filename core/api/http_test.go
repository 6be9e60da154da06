package api

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/storage"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// libraryVersion is what go.mod requires of the library, as the server it belongs to is numbered: v0.315.0 is 3.15.0.
func libraryVersion(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(mod), "github.com/prometheus/prometheus v0.")
	var minor, patch int
	if n, err := fmt.Sscanf(rest, "%d.%d", &minor, &patch); !ok || n != 2 || err != nil {
		t.Fatalf("go.mod names no version of the library: %v", err)
	}
	return fmt.Sprintf("%d.%d.%d", minor/100, minor%100, patch)
}

// failing is an engine, and a storage, that answer with an error or panic.
type failing struct {
	err   error
	panic any
}

func (f failing) Instant(context.Context, storage.Queryable, string, time.Time, promql.QueryOptions) (*promql.Result, error) {
	if f.panic != nil {
		panic(f.panic)
	}
	return nil, f.err
}

func (f failing) Range(ctx context.Context, q storage.Queryable, expr string, start, _ time.Time, _ time.Duration, o promql.QueryOptions) (*promql.Result, error) {
	return f.Instant(ctx, q, expr, start, o)
}

func (failing) Parser() parser.Parser { return parser.NewParser(parser.Options{}) }

func (f failing) Querier(int64, int64) (storage.Querier, error) { return nil, f.err }

func send(h http.Handler, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestErrorsHaveTheirTypeAndCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"a query that does not parse", fmt.Errorf("1:1: %w", promql.ErrParse), 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error"}`},
		{"a query that takes too long", promql.ErrTimeout, 503, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`},
		{"a client that goes away", promql.ErrCanceled, 499, `{"status":"error","errorType":"canceled","error":"query was canceled in expression evaluation"}`},
		{"a query that needs too much", promql.ErrTooManySamples, 422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`},
		{"a storage that is closed", storage.ErrClosed, 500, `{"status":"error","errorType":"unavailable","error":"storage closed"}`},
		{"damage of what is stored", fmt.Errorf("%w: page 7", promql.ErrStorage), 500, `{"status":"error","errorType":"internal","error":"storage error: page 7"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := handlerOf(t, Options{Engine: failing{err: tt.err}, Storage: failing{err: tt.err}})
			for _, path := range []string{"/api/v1/query?query=x", "/api/v1/query_range?query=x&start=1&end=2&step=1"} {
				if w := send(h, http.MethodGet, path, nil); w.Code != tt.code || w.Body.String() != tt.want {
					t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, tt.code, tt.want)
				}
			}
			if errors.Is(tt.err, promql.ErrParse) || errors.Is(tt.err, promql.ErrTooManySamples) {
				return // of no storage
			}
			for _, path := range []string{"/api/v1/labels", "/api/v1/label/job/values", "/api/v1/series?match[]=up"} {
				if w := send(h, http.MethodGet, path, nil); w.Code != tt.code || w.Body.String() != tt.want {
					t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, tt.code, tt.want)
				}
			}
		})
	}
}

func TestAPanicEndsOneRequestOnly(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := handlerOf(t, Options{Engine: failing{panic: "a bug"}, Registerer: reg})
	if w := send(h, http.MethodGet, "/api/v1/query?query=x", nil); w.Code != 500 || w.Body.String() != `{"status":"error","errorType":"internal","error":"internal error: a bug"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	send(h, http.MethodGet, "/no/such/path", nil)
	send(h, http.MethodGet, "/-/healthy", nil)
	n, err := testutil.GatherAndCount(reg, "hearth_http_request_duration_seconds")
	if err != nil || n != 3 {
		t.Errorf("%d series of requests, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestOriginsAreAllowedAsConfigured(t *testing.T) {
	for _, tt := range []struct{ allowed, from, want string }{
		{"", "http://any", "*"},
		{"https?://(a|b)\\.example", "http://a.example", "http://a.example"},
		{"https?://(a|b)\\.example", "http://a.example.evil", ""},
		{"https?://(a|b)\\.example", "", ""},
		{"a|b", "ab", ""},
	} {
		h := handlerOf(t, Options{CORSOrigin: tt.allowed})
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			w := send(h, method, "/api/v1/status/buildinfo", nil, "Origin", tt.from)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.want || !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
				t.Errorf("%s from %q where %q is allowed: %q, Vary %q", method, tt.from, tt.allowed, got, w.Header().Values("Vary"))
			}
		}
	}
	if w := send(handlerOf(t, Options{}), http.MethodGet, "/-/healthy", nil, "Origin", "http://any"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read more than the API")
	}
	if _, err := New(Options{CORSOrigin: "("}); err == nil {
		t.Error("a broken expression is taken")
	}
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	flags := map[string]string{"long": strings.Repeat("x", 5000)}
	h := handlerOf(t, Options{Flags: flags})
	w := send(h, http.MethodGet, "/api/v1/status/flags", nil, "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", w.Header())
	}
	r, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(b), flags["long"]) {
		t.Errorf("%v: %.100s", err, b)
	}
	if w := send(h, http.MethodGet, "/api/v1/status/flags", nil); w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), flags["long"]) {
		t.Errorf("headers %v of who does not ask for it", w.Header())
	}
	if w := send(handlerOf(t, Options{}), http.MethodGet, "/api/v1/status/flags", nil, "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
}

func TestBadFormsAreRefused(t *testing.T) {
	h := handlerOf(t, Options{MaxFormBytes: 100})
	form := "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, target, kind, body string
		code                             int
		want                             string
	}{
		{"an escape that is none", http.MethodGet, "/api/v1/format_query?query=%zz", "", "", 400, `invalid URL escape`},
		{"a semicolon between parameters", http.MethodGet, "/api/v1/format_query?query=up;x=1", "", "", 400, `invalid semicolon separator`},
		{"an escape in a body", http.MethodPost, "/api/v1/format_query", form, "query=%", 400, `error parsing form values`},
		{"a body that is too large", http.MethodPost, "/api/v1/format_query", form, "query=" + strings.Repeat("a", 200), 413, "larger than 100 bytes"},
		{"a body of another kind", http.MethodPost, "/api/v1/format_query", "application/json", `{"query":"up"}`, 400, `no expression found`},
		{"parameters in the URL of a POST", http.MethodPost, "/api/v1/format_query?query=up", form, "", 200, `"up"`},
		{"a step below a millisecond", http.MethodGet, "/api/v1/query_range?query=up&start=1&end=1&step=0.0001", "", "", 400, `invalid parameter \"step\": query resolution step widths below 1ms`},
		{"a body in parts", http.MethodPost, "/api/v1/format_query", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nup\r\n--b--\r\n", 200, `"up"`},
		{"a part with a broken header", http.MethodPost, "/api/v1/format_query", "multipart/form-data; boundary=b", "--b\r\nbroken\r\n\r\nup\r\n--b--", 400, `error parsing form values`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := send(h, tt.method, tt.target, strings.NewReader(tt.body), "Content-Type", tt.kind)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestNamesMayHoldASlash(t *testing.T) {
	h := handlerOf(t, Options{Storage: failing{err: errors.New("asked")}})
	if w := send(h, http.MethodGet, "/api/v1/label/a%2Fb/values", nil); !strings.Contains(w.Body.String(), "asked") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTheServerIsManaged(t *testing.T) {
	ready, stopping, quit := false, false, false
	var reload error
	o := Options{
		Ready: func() bool { return ready }, Stopping: func() bool { return stopping },
		Reload: func(context.Context) error { return reload }, Quit: func() { quit = true },
		Gatherer: prometheus.NewRegistry(), ExternalURL: &url.URL{Scheme: "http", Host: "x", Path: "/sub/"},
		UI: fstest.MapFS{"index.html": {Data: []byte("<html>")}, "assets/a.js": {Data: []byte("1")}},
	}
	h := handlerOf(t, o)
	expect := func(method, path string, code int, want string) *httptest.ResponseRecorder {
		t.Helper()
		w := send(h, method, path, nil)
		if w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s: %d %q, want %d %q", method, path, w.Code, w.Body, code, want)
		}
		return w
	}
	expect("GET", "/sub/-/healthy", 200, "hearth is Healthy.\n")
	expect("HEAD", "/sub/-/healthy", 200, "")
	expect("GET", "/sub/-/ready", 503, "Service Unavailable")
	expect("GET", "/sub/api/v1/query", 503, "Service Unavailable")
	ready = true
	expect("HEAD", "/sub/-/ready", 200, "")
	if w := expect("GET", "/sub/-/ready", 200, "hearth is Ready.\n"); w.Header().Get("X-Prometheus-Stopping") != "false" {
		t.Errorf("headers %v", w.Header())
	}
	stopping = true
	if w := expect("GET", "/sub/-/ready", 200, ""); w.Header().Get("X-Prometheus-Stopping") != "true" {
		t.Errorf("headers %v", w.Header())
	}
	expect("POST", "/sub/-/reload", 200, "")
	reload = errors.New("hearth.toml:3: no such key")
	expect("PUT", "/sub/-/reload", 500, "failed to reload config: hearth.toml:3: no such key")
	expect("GET", "/sub/-/reload", 405, "Method Not Allowed")
	expect("POST", "/sub/-/quit", 200, "Goodbye")
	if !quit {
		t.Error("the process was not asked to end")
	}
	expect("GET", "/sub/metrics", 200, "")
	expect("GET", "/sub/query", 200, "<html>")
	expect("GET", "/sub/assets/a.js", 200, "1")
	expect("GET", "/sub/assets/none.js", 404, "not found")
	expect("GET", "/sub/assets/..%2f..%2fetc/passwd", 404, "not found")
	if w := expect("GET", "/sub/graph?g0.expr=up&g0.tab=1", 302, ""); w.Header().Get("Location") != "/sub/query?g0.expr=up&g0.tab=1" {
		t.Errorf("redirected to %s", w.Header().Get("Location"))
	}
	expect("GET", "/query", 404, "404 page not found")
	expect("POST", "/sub/api/v1/write", 404, "remote write is switched off")

	h = handlerOf(t, Options{})
	expect("POST", "/-/reload", 403, "Lifecycle API is not enabled")
	expect("POST", "/-/quit", 403, "Lifecycle API is not enabled")
	expect("GET", "/", 404, "without its web UI")
}

func TestLocalTargetsAreReachedFromElsewhere(t *testing.T) {
	h := &handler{Options: Options{ExternalURL: &url.URL{Scheme: "https", Host: "hearth.example", Path: "/sub"}, Listen: "0.0.0.0:9090"}}
	for target, want := range map[string]string{
		"http://localhost:9090/metrics":  "https://hearth.example/metrics", // this server
		"http://localhost:9100/metrics":  "http://hearth.example:9100/metrics",
		"http://127.0.0.1/metrics?a=b":   "http://hearth.example/metrics?a=b",
		"http://[::1]:9100/metrics":      "http://hearth.example:9100/metrics",
		"http://db.example:9090/metrics": "http://db.example:9090/metrics",
		"hearth/node this-host":          "hearth/node this-host",
		"://":                            "://",
	} {
		if got := h.globalURL(target); got != want {
			t.Errorf("%s is reached by %s, want %s", target, got, want)
		}
	}
	if got := (&handler{}).globalURL("http://localhost:1/"); got != "http://localhost:1/" {
		t.Errorf("without an external URL: %s", got)
	}
}

func TestTimesAndDurationsAreRead(t *testing.T) {
	for in, want := range map[string]time.Time{
		"0":                                   time.Unix(0, 0),
		"1.5":                                 time.Unix(1, 500e6),
		"-0.25":                               time.Unix(0, -250e6),
		"1543578564.7049":                     time.Unix(1543578564, 705e6),
		"1e30":                                maxTime,
		"-Inf":                                minTime,
		"2015-06-03T13:21:58.555Z":            time.Unix(1433337718, 555e6),
		"2015-06-03T14:21:58.555+01:00":       time.Unix(1433337718, 555e6),
		minTimeText:                           minTime,
		maxTimeText:                           maxTime,
		"2015-06-03T13:21:58.555123456-00:00": time.Unix(1433337718, 555123456),
	} {
		if got, err := parseTime(in); err != nil || !got.Equal(want) {
			t.Errorf("time %s: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "NaN", "noon", "30s", "2015-06-03", "0x1p-2x"} {
		if got, err := parseTime(in); err == nil {
			t.Errorf("time %s: %v", in, got)
		}
	}
	for in, want := range map[string]time.Duration{"123": 123 * time.Second, "123.333": 123333 * time.Millisecond, "15s": 15 * time.Second, "5m": 5 * time.Minute, "-1": -time.Second, "1h30m": 90 * time.Minute} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("duration %s: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "NaN", "Inf", "-1e300", "1e300", "soon", "5", "1x"} {
		if got, err := parseDuration(in); in != "5" && err == nil {
			t.Errorf("duration %s: %v", in, got)
		}
	}
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"0", "-1e18", "9e18", "1e400", "2000-01-01T00:00:00Z", minTimeText, "NaN", "0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := parseTime(s); err == nil && (at.Before(minTime) || at.After(maxTime)) {
			t.Errorf("time %q is %v", s, at)
		}
		if d, err := parseDuration(s); err == nil && (d == math.MinInt64 || d == math.MaxInt64) {
			t.Errorf("duration %q is %v", s, d)
		}
	})
}

func TestManyRemarksAreCutShort(t *testing.T) {
	var remarks []string
	for i := range 12 {
		remarks = append(remarks, fmt.Sprint("w", i))
	}
	w := httptest.NewRecorder()
	vector := model.Vector{{Labels: labels.FromStrings("a", "b")}}
	if err := writeAnswer(t.Context(), w, answer{value: vector, warnings: remarks, infos: remarks[:1]}); err != nil {
		t.Fatal(err)
	}
	want := `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[0,"0"]}]},` +
		`"warnings":["w0","w1","w2","w3","w4","w5","w6","w7","w8","w9","2 more warning annotations omitted"],"infos":["w0"]}`
	if got := w.Body.String(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestALargeResultGoesOutInPieces(t *testing.T) {
	matrix := model.Matrix{{Labels: labels.FromStrings("a", "b"), Samples: make([]model.Sample, 100_000)}}
	w := &pieces{header: http.Header{}}
	if err := writeAnswer(t.Context(), w, answer{value: matrix}); err != nil {
		t.Fatal(err)
	}
	if w.largest > flushAt+4096 || w.total < 700_000 {
		t.Errorf("%d bytes, at most %d at once", w.total, w.largest)
	}
	w = &pieces{header: http.Header{}, err: errors.New("gone")}
	if err := writeAnswer(t.Context(), w, answer{value: matrix}); err == nil || w.total > flushAt+4096 {
		t.Errorf("%v after %d bytes to a client that is gone", err, w.total)
	}
}

type pieces struct {
	header         http.Header
	total, largest int
	err            error
	written        func() // after each piece; may be nil
}

func (p *pieces) Header() http.Header { return p.header }
func (p *pieces) WriteHeader(int)     {}
func (p *pieces) Write(b []byte) (int, error) {
	p.total += len(b)
	p.largest = max(p.largest, len(b))
	if p.written != nil {
		p.written()
	}
	return len(b), p.err
}

func TestAResultIsNotPrintedForAClientThatIsGone(t *testing.T) {
	matrix := model.Matrix{{Labels: labels.FromStrings("a", "b"), Samples: make([]model.Sample, 100_000)}}
	ctx, leave := context.WithCancel(t.Context())
	w := &pieces{header: http.Header{}, written: leave}
	err := writeAnswer(ctx, w, answer{value: matrix})
	var inAPI *apiError
	if !errors.As(err, &inAPI) || inAPI.kind != errCanceled || w.total > flushAt+4096 {
		t.Errorf("%v after %d bytes", err, w.total)
	}
}
