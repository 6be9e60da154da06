package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/regexp"
	promapi "github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/discovery"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/tsdb"
)

const exposed = `# HELP jobs_total Jobs done.
# TYPE jobs_total counter
jobs_total{queue="a"} 7
# TYPE temperature gauge
temperature 21.5
`

// live is a server over real parts that scrape a real target and evaluate rules on what they find.
type live struct {
	url    string // of the server
	target string // host and port of the target
	client v1.API
}

func newLive(t *testing.T) *live {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, exposed)
	}))
	t.Cleanup(target.Close)
	host := strings.TrimPrefix(target.URL, "http://")
	dir := t.TempDir()
	cfg, err := config.Parse([]byte(fmt.Sprintf(`
rule_files = [%q]
[global]
scrape_interval = "100ms"
scrape_timeout = "100ms"
evaluation_interval = "100ms"
[[scrape_configs]]
job_name = "queues"
static_configs = [{ targets = [%q, "drop.me:1"] }]
relabel_configs = [{ source_labels = ["__address__"], regex = "drop.*", action = "drop" }]
`, write(t, dir, "rules.yml", "groups: [{name: g, rules: [{alert: Warm, expr: temperature > 20, labels: {severity: page}}, {record: r, expr: sum(jobs_total)}]}]"), host)), "test.toml")
	if err != nil {
		t.Fatal(err)
	}
	db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: vfs.OS{}})
	if err != nil {
		t.Fatal(err)
	}
	engine := promql.New(promql.Options{})
	manager := rules.NewManager(rules.Options{Query: queryOf(engine, db), Storage: db, Parser: engine.Parser()})
	scraping := scrape.NewManager(scrape.Options{Storage: db})
	if err := manager.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	if err := scraping.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	finding := discovery.NewManager(discovery.Options{Deliver: scraping.SetTargets})
	if err := finding.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{db.Run, manager.Run, scraping.Run, finding.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	server := httptest.NewServer(handlerOf(t, Options{
		Engine: engine, Storage: db, Rules: manager, Targets: scraping,
		ExternalURL: &url.URL{Scheme: "http", Host: "hearth.example:9090"},
		Flags:       map[string]string{"config": "test.toml"},
		Config:      cfg.TOML,
		Cardinality: db.Cardinality,
		Head:        func() HeadStats { return HeadStats{NumSeries: uint64(db.Stats().Head.Series)} },
	}))
	t.Cleanup(func() {
		server.Close()
		stop()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := promapi.NewClient(promapi.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	l := &live{url: server.URL, target: host, client: v1.NewAPI(c)}
	l.until(t, "the alert fires and the sum is recorded", func() bool {
		alerts, err := l.client.Alerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v, _, _, err := l.client.Query(t.Context(), "r", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return len(alerts.Alerts) == 1 && alerts.Alerts[0].State == "firing" && v.String() != ""
	})
	return l
}

func (l *live) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 500 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}

func TestClientsOfPrometheusReadEveryAnswer(t *testing.T) {
	l := newLive(t)
	ctx, c := t.Context(), l.client
	for _, tt := range []struct {
		name string
		call func() (any, error)
		want string // a part of what the client has read, printed
	}{
		{"Query", func() (any, error) { return first(c.Query(ctx, "jobs_total", time.Now())) }, `jobs_total{instance="` + l.target + `", job="queues", queue="a"} => 7`},
		{"Query with options", func() (any, error) {
			return first(c.Query(ctx, "count({__name__=~'.+'}) > 0", time.Now(), v1.WithTimeout(time.Minute), v1.WithLookbackDelta(time.Minute), v1.WithStats(v1.AllStatsValue), v1.WithLimit(1)))
		}, "=>"},
		{"QueryRange", func() (any, error) {
			return first(c.QueryRange(ctx, "vector(3)", v1.Range{Start: time.Unix(0, 0), End: time.Unix(60, 0), Step: time.Minute}))
		}, "3 @[0]"},
		{"QueryExemplars", func() (any, error) { return c.QueryExemplars(ctx, "jobs_total", time.Now(), time.Now()) }, "[]"},
		{"FormatQuery", func() (any, error) { return c.FormatQuery(ctx, "sum(a)by(b)") }, "sum by (b) (a)"},
		{"LabelNames", func() (any, error) { return first(c.LabelNames(ctx, nil, time.Time{}, time.Time{})) }, "queue"},
		{"LabelNames with a limit", func() (any, error) {
			_, warnings, _, err := c.LabelNames(ctx, []string{"jobs_total"}, time.Time{}, time.Time{}, v1.WithLimit(1))
			return warnings, err
		}, "truncated"},
		{"LabelValues", func() (any, error) {
			return first(c.LabelValues(ctx, "job", []string{"up"}, time.Time{}, time.Time{}))
		}, "[queues]"},
		{"LabelValues of a name that needs quotes", func() (any, error) {
			return first(c.LabelValues(ctx, "a.b é", nil, time.Time{}, time.Time{}))
		}, "[]"},
		{"Series", func() (any, error) {
			return first(c.Series(ctx, []string{"temperature"}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
		}, "__name__=\"temperature\""},
		{"Rules", func() (any, error) { return c.Rules(ctx, nil) }, "Warm"},
		{"Rules of a selector", func() (any, error) { return c.Rules(ctx, []string{`{severity="page"}`}) }, "Warm"},
		{"Alerts", func() (any, error) { return c.Alerts(ctx) }, "2.15e+01"},
		{"Targets", func() (any, error) { return c.Targets(ctx) }, "drop.me:1"},
		{"TargetsMetadata", func() (any, error) { return c.TargetsMetadata(ctx, `{job="queues"}`, "jobs_total", "") }, "Jobs done."},
		{"Metadata", func() (any, error) { return c.Metadata(ctx, "", "") }, "Jobs done."},
		{"AlertManagers", func() (any, error) { return c.AlertManagers(ctx) }, "http://hearth.example:9090/api/v2/alerts"},
		{"Config", func() (any, error) { return c.Config(ctx) }, "queues"},
		{"Flags", func() (any, error) { return c.Flags(ctx) }, "test.toml"},
		{"Buildinfo", func() (any, error) { return c.Buildinfo(ctx) }, compatible},
		{"Runtimeinfo", func() (any, error) { return c.Runtimeinfo(ctx) }, "GOMAXPROCS"},
		{"TSDB", func() (any, error) { return c.TSDB(ctx) }, "jobs_total"},
		{"TSDBBlocks", func() (any, error) { return c.TSDBBlocks(ctx) }, "Blocks:[]"},
		{"WalReplay", func() (any, error) { return c.WalReplay(ctx) }, "{Min:0 Max:0 Current:0}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := tt.call()
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("%+v", v)
			if tt.name == "Rules" || tt.name == "Rules of a selector" || tt.name == "Metadata" || tt.name == "TargetsMetadata" {
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				text = string(b)
			}
			if tt.name == "Runtimeinfo" && v.(v1.RuntimeinfoResult).GOMAXPROCS == 0 || !strings.Contains(text, tt.want) {
				t.Errorf("got %s, want something with %s", text, tt.want)
			}
		})
	}
	for _, err := range []error{c.CleanTombstones(ctx), c.DeleteSeries(ctx, []string{"up"}, time.Time{}, time.Time{}), errOf(c.Snapshot(ctx, false))} {
		if e, ok := err.(*v1.Error); !ok || e.Type != v1.ErrServer || !strings.Contains(e.Detail, "admin APIs disabled") {
			t.Errorf("changing stored data: %#v", err)
		}
	}
	var failed *v1.Error
	_, _, _, err := c.Query(ctx, "sum(", time.Now())
	if e, ok := err.(*v1.Error); ok {
		failed = e
	}
	if failed == nil || failed.Type != v1.ErrBadData || failed.Msg != `invalid parameter "query": 1:5: parse error: unclosed left parenthesis` {
		t.Errorf("got %#v", err)
	}
}

func first[T any](v T, _ v1.Warnings, _ v1.Infos, err error) (any, error) { return v, err }

func errOf(_ any, err error) error { return err }

// changing is what of /targets differs from run to run.
var changing = regexp.MustCompile(`"lastScrape":"[^"]+"|"lastScrapeDuration":[0-9.e-]+|127\.0\.0\.1:\d+|hearth\.example:\d+`)

func TestTargetsAreToldAsUpstreamTellsThem(t *testing.T) {
	l := newLive(t)
	for _, tt := range []struct{ path, want string }{
		{"/targets", `{"status":"success","data":{"activeTargets":[{"discoveredLabels":{"__address__":"T","__metrics_path__":"/metrics","__scheme__":"http",` +
			`"__scrape_interval__":"100ms","__scrape_timeout__":"100ms","job":"queues"},"labels":{"instance":"T","job":"queues"},"scrapePool":"queues",` +
			`"scrapeUrl":"http://T/metrics","globalUrl":"http://G/metrics","lastError":"",T,T,"health":"up","scrapeInterval":"100ms","scrapeTimeout":"100ms"}],` +
			`"droppedTargets":[{"discoveredLabels":{"__address__":"drop.me:1","__metrics_path__":"/metrics","__scheme__":"http","__scrape_interval__":"100ms",` +
			`"__scrape_timeout__":"100ms","job":"queues"},"scrapePool":"queues"}],"droppedTargetCounts":{"queues":1}}}`},
		{"/targets?state=active&scrapePool=none", `{"status":"success","data":{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":null}}`},
		{"/targets?state=Dropped&scrapePool=none", `{"status":"success","data":{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{"queues":1}}}`},
		{"/scrape_pools", `{"status":"success","data":{"scrapePools":["queues"]}}`},
		{"/metadata", `{"status":"success","data":{"jobs_total":[{"type":"counter","help":"Jobs done.","unit":""}],"temperature":[{"type":"gauge","help":"","unit":""}]}}`},
		{"/metadata?metric=jobs_total&limit_per_metric=1", `{"status":"success","data":{"jobs_total":[{"type":"counter","help":"Jobs done.","unit":""}]}}`},
		{"/metadata?metric=none", `{"status":"success","data":{}}`},
		{"/metadata?limit=0", `{"status":"success","data":{}}`},
		{"/targets/metadata", `{"status":"success","data":[{"target":{"instance":"T","job":"queues"},"metric":"jobs_total","type":"counter","help":"Jobs done.","unit":""},` +
			`{"target":{"instance":"T","job":"queues"},"metric":"temperature","type":"gauge","help":"","unit":""}]}`},
		{"/targets/metadata?metric=temperature", `{"status":"success","data":[{"target":{"instance":"T","job":"queues"},"type":"gauge","help":"","unit":""}]}`},
		{"/targets/metadata?match_target=" + url.QueryEscape(`{job="other"}`), `{"status":"success","data":[]}`},
		{"/targets/metadata?limit=1&metric=", `{"status":"success","data":[{"target":{"instance":"T","job":"queues"},"metric":"jobs_total","type":"counter","help":"Jobs done.","unit":""}]}`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			got := changing.ReplaceAllStringFunc(body(t, l.url+"/api/v1"+tt.path), func(s string) string {
				if strings.HasPrefix(s, "hearth") {
					return "G"
				}
				return "T"
			})
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestTheVersionIsThatOfTheLibrary(t *testing.T) {
	l := newLive(t)
	info, err := l.client.Buildinfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := libraryVersion(t); info.Version != want {
		t.Errorf("answers as Prometheus %s, the library is that of %s", info.Version, want)
	}
}
