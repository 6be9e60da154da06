package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
)

// The same routes, alerts and silences go to Alertmanager 0.25 and to ours, over real time and HTTP; what their
// webhooks receive must be the same, byte by byte of JSON values.

const theirs = `
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - matchers: [severity=~"page|ticket"]
      receiver: log
      group_by: ['...']
      continue: true
    - matchers: [severity="page", team!="web"]
      receiver: pager
      group_by: [team, site]
inhibit_rules:
  - source_matchers: [alertname="HostDown"]
    target_matchers: [alertname="Service"]
    equal: [host]
receivers:
  - name: ops
    webhook_configs: [{url: '%[1]s/ops', max_alerts: 2}]
  - name: log
    webhook_configs: [{url: '%[1]s/log', send_resolved: false}]
  - name: pager
    webhook_configs: [{url: '%[1]s/pager'}]
`

const oursLikeTheirs = `
[global]
evaluation_interval = "1ms"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "1s"
group_interval = "2s"
repeat_interval = "1h"
[[route.routes]]
matchers = ['severity=~"page|ticket"']
receiver = "log"
group_by = ["..."]
continue = true
[[route.routes]]
matchers = ['severity="page"', 'team!="web"']
receiver = "pager"
group_by = ["team", "site"]
[[inhibit_rules]]
source_matchers = ['alertname="HostDown"']
target_matchers = ['alertname="Service"']
equal = ["host"]
[[receivers]]
name = "ops"
notifiers = [{ plugin = "hearth/webhook", max_alerts = 2, config = { path = "/ops" } }]
[[receivers]]
name = "log"
notifiers = [{ plugin = "hearth/webhook", send_resolved = false, config = { path = "/log" } }]
[[receivers]]
name = "pager"
notifiers = [{ plugin = "hearth/webhook", config = { path = "/pager" } }]
`

const external = "http://alerts.example/am"

func TestMessagesAreAlertmanagers(t *testing.T) {
	binary, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("prometheus-alertmanager is not installed")
	}
	var am, our hooks
	amHook, ourHook := httptest.NewServer(&am), httptest.NewServer(&our)
	defer amHook.Close()
	defer ourHook.Close()
	api := alertmanager(t, binary, fmt.Sprintf(theirs, amHook.URL))
	manager := hearth(t, ourHook.URL)

	began := time.Now().UTC().Truncate(time.Millisecond) // younger than group_wait: older ones are not waited for
	ended := began.Add(time.Millisecond)
	send := func(resolved bool, alerts ...string) {
		var list []*model.Alert
		var posted []map[string]any
		for _, text := range alerts {
			a := &model.Alert{
				Labels:       labelsOf(text),
				Annotations:  labels.FromStrings("summary", "about "+text, "runbook", "<b>&"),
				State:        model.AlertFiring,
				FiredAt:      began,
				ValidUntil:   time.Now().Add(time.Hour),
				GeneratorURL: "http://hearth.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
			}
			end := a.ValidUntil
			if resolved {
				a.State, a.ResolvedAt, end = model.AlertInactive, ended, ended
			}
			list = append(list, a)
			posted = append(posted, map[string]any{
				"labels": a.Labels.Map(), "annotations": a.Annotations.Map(), "generatorURL": a.GeneratorURL,
				"startsAt": began.Format(time.RFC3339Nano), "endsAt": end.Format(time.RFC3339Nano),
			})
		}
		post(t, api+"/api/v2/alerts", posted)
		if err := manager.Receive(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	until := time.Now().Add(time.Hour)
	post(t, api+"/api/v2/silences", map[string]any{
		"matchers": []map[string]any{{"name": "alertname", "value": "Noise.*", "isRegex": true}},
		"startsAt": time.Now().Format(time.RFC3339Nano), "endsAt": until.Format(time.RFC3339Nano), "createdBy": "ann", "comment": "c",
	})
	if _, err := manager.SetSilence(t.Context(), Silence{
		Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "alertname", "Noise.*")}, EndsAt: until,
	}); err != nil {
		t.Fatal(err)
	}

	send(false,
		"Disk instance=a", "Disk instance=b", "Disk instance=c job=x", // one group, cut to two
		"HostDown host=h1", "Service host=h1", "Service host=h2", // one inhibited
		"Noise1", "Noise2 severity=page", // silenced
		"CPU severity=page team=db site=x", "Mem severity=page team=db site=x", "CPU severity=page team=web", "Up severity=ticket",
	)
	const first = 3 + 4 + 1 // ops: Disk, HostDown, Service; log: 4; pager: 1
	both := func(n int) {
		t.Helper()
		am.wait(t, "Alertmanager", n)
		our.wait(t, "hearth", n)
	}
	both(first)
	send(true, "Disk instance=a", "HostDown host=h1", "CPU severity=page team=db site=x", "Up severity=ticket")
	// ops: Disk, HostDown, Service, which is inhibited no more; pager: 1; log is told of no end.
	both(first + 4)

	got, want := our.bodies(t), am.bodies(t)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("messages of hearth\n%s\nof Alertmanager\n%s", pretty(got), pretty(want))
	}
}

// hooks is a web server that keeps what is posted.
type hooks struct {
	mu    sync.Mutex
	posts map[string][]map[string]any // by path and group
	n     int
}

func (h *hooks) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		body = map[string]any{"broken": err.Error()}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.posts == nil {
		h.posts = map[string][]map[string]any{}
	}
	key := fmt.Sprint(r.URL.Path, " ", body["groupKey"])
	h.posts[key] = append(h.posts[key], body)
	h.n++
}

func (h *hooks) wait(t *testing.T, who string, n int) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		h.mu.Lock()
		have := h.n
		h.mu.Unlock()
		if have >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s sent %d messages, want %d:\n%s", who, have, n, pretty(h.bodies(t)))
		}
	}
}

// bodies returns the messages of each group in the order of their arrival, without what is newer than version 0.25.
func (h *hooks) bodies(t *testing.T) map[string][]map[string]any {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, posts := range h.posts {
		for _, body := range posts {
			delete(body, "routeLabels")
			delete(body, "notification_reason")
		}
	}
	return h.posts
}

func pretty(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// hearth runs a Manager that posts to hook until the test ends.
func hearth(t *testing.T, hook string) *Manager {
	t.Helper()
	u, err := url.Parse(external)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{
		Dir: filepath.Join(t.TempDir(), "alert"),
		Notifiers: func(_ context.Context, use config.PluginUse) (Notifier, error) {
			return newPoster(hook + use.Config["path"].(string)), nil
		},
		ExternalURL: u,
		Logger:      slog.New(slog.NewTextHandler(t.Output(), nil)),
		Registerer:  prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ApplyConfig(parse(t, oursLikeTheirs)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return m
}

// poster is a notifier that posts messages to a URL.
type poster struct {
	client *http.Client
	url    string
}

func newPoster(url string) *poster {
	return &poster{&http.Client{Transport: &http.Transport{}}, url}
}

func (p *poster) Templates(context.Context) ([]model.Template, error) { return nil, nil }

func (p *poster) Notify(ctx context.Context, n *model.Notification) error {
	message := n.Message
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(message))
	if err != nil {
		return err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}

func (p *poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// alertmanager runs a real one until the test ends and returns its URL.
func alertmanager(t *testing.T, binary, conf string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(binary, "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr,
		"--web.external-url="+external, "--web.route-prefix=/", "--cluster.listen-address=")
	var logs strings.Builder
	cmd.Stderr = &logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("Alertmanager: %s", logs.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		p := newPoster("http://" + addr + "/-/ready")
		res, err := p.client.Get(p.url)
		if err == nil {
			res.Body.Close()
			p.Close()
			if res.StatusCode == http.StatusOK {
				return "http://" + addr
			}
		}
		if time.Now().After(end) {
			t.Fatalf("Alertmanager is not ready: %v", err)
		}
	}
}

func post(t *testing.T, url string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	p := newPoster(url)
	defer p.Close()
	res, err := p.client.Post(url, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(res.Body)
		t.Fatalf("POST %s: %s: %s", url, res.Status, why)
	}
}
