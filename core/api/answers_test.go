package api

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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestAnswersAreUpstreams sends the requests of testdata/answers to our handler over our parts. The answers there are
// Prometheus's, recorded by testdata/upstream with the same series and rules at the same (bubble's) times: a
// difference is to be mended here, not there.
func TestAnswersAreUpstreams(t *testing.T) {
	t.Chdir("testdata")
	synctest.Test(t, func(t *testing.T) {
		h := world(t)
		datadriven.RunTest(t, "answers", func(t *testing.T, d *datadriven.TestData) string { return answerTo(t, h, d) })
	})
}

// world is hearth with the series of the file series, each 15 s apart, and the rules of rules.yml.
func world(t *testing.T) http.Handler {
	t.Helper()
	db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), FS: vfs.OS{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	engine := promql.New(promql.Options{})
	manager := rules.NewManager(rules.Options{Query: queryOf(engine, db), Storage: db, Parser: engine.Parser()})
	cfg := &config.Config{RuleFiles: []string{"rules.yml"}}
	cfg.Global.EvaluationInterval = config.Duration(time.Minute)
	if err := manager.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := manager.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer stop()
	for i := range 20 {
		if err := db.Append(t.Context(), measured(t, engine.Parser(), i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
	}
	return handlerOf(t, Options{Engine: engine, Storage: db, Rules: manager})
}

// handlerOf fills in what a test has nothing to say about.
func handlerOf(t *testing.T, o Options) http.Handler {
	t.Helper()
	if o.Engine == nil {
		o.Engine = promql.New(promql.Options{})
	}
	if o.Targets == nil {
		o.Targets = scrape.NewManager(scrape.Options{})
	}
	if o.Rules == nil {
		o.Rules = rules.NewManager(rules.Options{})
	}
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// queryOf is how the host gives rules an engine.
func queryOf(engine *promql.Engine, db *tsdb.DB) rules.QueryFunc {
	return func(ctx context.Context, expr string, at time.Time) (model.Vector, error) {
		res, err := engine.Instant(ctx, db, expr, at, promql.QueryOptions{})
		if err != nil {
			return nil, err
		}
		return res.Value.(model.Vector), nil
	}
}

// measured returns the samples with the number i of the file series, as of now.
func measured(t *testing.T, p parser.Parser, i int) (batch []model.Series) {
	t.Helper()
	text, err := os.ReadFile("series")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		ls, values, err := p.ParseSeriesDesc(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, model.Series{Labels: ls, Samples: []model.Sample{{T: time.Now().UnixMilli(), V: values[i].Value}}})
	}
	return batch
}

// answerTo sends the request of a directive: its method and path, headers, and below them the parameters, one a line.
func answerTo(t *testing.T, h http.Handler, d *datadriven.TestData) string {
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
