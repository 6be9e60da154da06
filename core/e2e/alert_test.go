package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

const alertConfig = `
rule_files = ["rules.yml"]

[global]
scrape_interval = "1s"
scrape_timeout = "1s"
evaluation_interval = "1s"

[[scrape_configs]]
job_name = "node"
plugin = "hearth/node"
grant = { files = ["/proc", "/sys"], statfs = ["*"] }
static_configs = [{ targets = ["this-host"] }]

[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "1s"
group_interval = "2s"

[[receivers]]
name = "ops"
notifiers = [{ plugin = "hearth/webhook", config = { url = "%[1]s" }, grant = { net = ["%[2]s"] } }]
`

const alertRules = `
groups:
- name: host
  rules:
  - record: instance:cpu_used:percent
    expr: 100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5s])) * 100
  - alert: CPUBusy
    expr: instance:cpu_used:percent > 80
    for: 4s
    labels: {severity: page}
    annotations:
      summary: 'CPU of {{ $labels.instance }} at {{ printf "%.0f" $value }} %'
`

// received is the part of Alertmanager's webhook message (version 4) that the tests look at.
type received struct {
	Version  string
	Receiver string
	Status   string
	GroupKey string
	Alerts   []struct {
		Status       string
		Labels       map[string]string
		Annotations  map[string]string
		StartsAt     time.Time
		EndsAt       time.Time
		GeneratorURL string
		Fingerprint  string
	}
}

// receiver stands for the service at the other end of a webhook.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	fail int // answer this many requests with 503 first
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m received
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.fail > 0 {
			r.fail--
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		r.got = append(r.got, m)
	}))
	t.Cleanup(r.Close)
	return r
}

// with returns the messages of a status so far.
func (r *receiver) with(status string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []received
	for _, m := range r.got {
		if m.Status == status {
			out = append(out, m)
		}
	}
	return out
}

func TestBusyCPUReachesTheReceiverAndResolves(t *testing.T) {
	rcv := newReceiver(t)
	rcv.fail = 1 // the first attempt is refused: it must be tried again
	h := serve(t, "")
	if err := os.WriteFile(filepath.Join(filepath.Dir(h.config), "rules.yml"), []byte(alertRules), 0o600); err != nil {
		t.Fatal(err)
	}
	h.configure(t, fmt.Sprintf(alertConfig, rcv.URL+"/hook", strings.TrimPrefix(rcv.URL, "http://")))
	if code, body := h.post(t, "/-/reload"); code != http.StatusOK {
		t.Fatalf("reload: %d %s", code, body)
	}
	eventually(t, 40*time.Second, "the recording rule", func() error {
		_, err := h.value("instance:cpu_used:percent")
		return err
	})

	load := start(t, "/usr/bin/stress-ng", "--cpu", "0", "--timeout", "120s")
	var states []promv1.AlertState
	eventually(t, 90*time.Second, "CPUBusy to fire", func() error {
		res, err := h.api.Alerts(t.Context())
		if err != nil {
			return err
		}
		for _, a := range res.Alerts {
			if a.Labels["alertname"] == "CPUBusy" && !slices.Contains(states, a.State) {
				states = append(states, a.State)
			}
		}
		if !slices.Contains(states, promv1.AlertStateFiring) {
			return fmt.Errorf("states seen: %v", states)
		}
		return nil
	})
	if states[0] != promv1.AlertStatePending {
		t.Errorf("states were %v, want pending before firing", states)
	}
	eventually(t, 60*time.Second, "the firing message", func() error {
		if len(rcv.with("firing")) == 0 {
			return errNothing
		}
		return nil
	})
	m := rcv.with("firing")[0]
	if m.Version != "4" || m.Receiver != "ops" || len(m.Alerts) != 1 {
		t.Fatalf("message: %+v", m)
	}
	a := m.Alerts[0]
	if a.Labels["alertname"] != "CPUBusy" || a.Labels["severity"] != "page" || a.Labels["instance"] != "this-host" ||
		!strings.HasPrefix(a.Annotations["summary"], "CPU of this-host at ") || a.StartsAt.IsZero() || a.GeneratorURL == "" {
		t.Errorf("alert: %+v", a)
	}

	load.kill()
	eventually(t, 90*time.Second, "the resolved message", func() error {
		if len(rcv.with("resolved")) == 0 {
			return errNothing
		}
		return nil
	})
	if a := rcv.with("resolved")[0].Alerts[0]; a.Status != "resolved" || a.EndsAt.Before(a.StartsAt) {
		t.Errorf("resolved alert: %+v", a)
	}
}
