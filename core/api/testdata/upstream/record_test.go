// Package upstream records what the API of Prometheus answers. It is a module of its own, because that API needs
// many that hearth does not.
package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

func TestAnswers(t *testing.T) {
	t.Chdir("..")
	synctest.Test(t, func(t *testing.T) {
		h := world(t)
		datadriven.RunTest(t, "answers", func(t *testing.T, d *datadriven.TestData) string { return answer(t, h, d) })
	})
}

// world is Prometheus with the series of the file series, each 15 s apart, and the rules of rules.yml.
func world(t *testing.T) http.Handler {
	log := slog.New(slog.DiscardHandler)
	db, err := tsdb.Open(t.TempDir(), log, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	syntax := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: 2 * time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true,
		EnableNegativeOffset: true, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: syntax,
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(engine, db),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Context:    t.Context(),
		Appendable: db, Queryable: db, Parser: syntax,
		OutageTolerance: time.Hour, ForGracePeriod: 10 * time.Minute, ResendDelay: time.Minute,
	})
	defer manager.Stop()
	if err := manager.Update(time.Minute, []string{"rules.yml"}, labels.EmptyLabels(), "", nil); err != nil {
		t.Fatal(err)
	}
	go manager.Run()
	text, err := os.ReadFile("series")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		app := db.Appender(t.Context())
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			ls, values, err := syntax.ParseSeriesDesc(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := app.Append(0, ls, time.Now().UnixMilli(), values[i].Value); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
	}

	a := v1.NewAPI(engine, db, nil, nil, db,
		func(context.Context) v1.ScrapePoolsRetriever { return none{} },
		func(context.Context) v1.TargetRetriever { return none{} },
		nil,
		func() config.Config { return config.DefaultConfig },
		map[string]string{}, v1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		nil, "", false, false, 0, log,
		func(context.Context) v1.RulesRetriever { return manager },
		0, 0, 0, false, regexp.MustCompile("^(?:.*)$"),
		nil, &v1.PrometheusVersion{}, nil, nil, prometheus.NewRegistry(), nil, nil,
		false, nil, false, false, false, false, 5*time.Minute, false, false, nil, nil, v1.OpenAPIOptions{}, syntax,
	)
	r := route.New().WithPrefix("/api/v1")
	a.Register(r)
	return r
}

type none struct{}

func (none) TargetsActive() map[string][]*scrape.Target            { return nil }
func (none) TargetsDropped() map[string][]*scrape.Target           { return nil }
func (none) TargetsDroppedCounts() map[string]int                  { return nil }
func (none) ScrapePoolConfig(string) (*config.ScrapeConfig, error) { return nil, nil }
func (none) ScrapePools() []string                                 { return nil }

// answer sends the request of a directive: its method and path, headers, and below them the parameters, one a line.
func answer(t *testing.T, h http.Handler, d *datadriven.TestData) string {
	form := url.Values{}
	for line := range strings.Lines(d.Input) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		form.Add(name, value)
	}
	target, body := "/api/v1"+d.CmdArgs[0].Key, io.Reader(nil)
	if d.Cmd == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	r := httptest.NewRequest(d.Cmd, target, body)
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, a := range d.CmdArgs[1:] {
		r.Header.Set(a.Key, a.Vals[0])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out := fmt.Sprintln(w.Code, strings.ToLower(w.Header().Get("Content-Type")))
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") || name == "Allow" && w.Code == http.StatusMethodNotAllowed {
			list := strings.Split(strings.ToLower(w.Header().Get(name)), ", ")
			slices.Sort(list)
			out += fmt.Sprintln(name+":", strings.Join(list, ", "))
		}
	}
	lines := strings.SplitAfter(out, "\n")
	slices.Sort(lines[1 : len(lines)-1])
	return strings.Join(lines, "") + normal(t, w.Body.Bytes())
}

// normal sorts what comes in no order (series, the elements of a vector, alerts), leaves statistics out, and gives
// times as UTC.
func normal(t *testing.T, body []byte) string {
	if !bytes.HasPrefix(body, []byte("{")) {
		return string(body)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				return at.UTC().Format(time.RFC3339Nano)
			}
		case []any:
			for i, e := range v {
				v[i] = walk(e)
			}
		case map[string]any:
			delete(v, "stats") // they differ from run to run
			for key, e := range v {
				v[key] = walk(e)
				if list, ok := e.([]any); ok && (key == "data" || key == "alerts" || key == "result" && v["resultType"] == "vector") {
					slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				}
			}
		}
		return v
	}
	out, err := json.Marshal(walk(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
