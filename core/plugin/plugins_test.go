package plugin

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// The plugins of this repository, as operators run them.

var nodeGrant = Grant{Files: []string{"/proc", "/sys"}, Statfs: []string{"*"}}

func installNode(t testing.TB) string {
	return install(t, &built.node, "../../exporters/node", "hearth/node", "node.wasm")
}

func installWebhook(t testing.TB) string {
	return install(t, &built.hook, "../../plugins/notifiers/webhook", "hearth/webhook", "webhook.wasm")
}

func installAnomaly(t testing.TB) string {
	return install(t, &built.anomaly, "../../plugins/functions/anomaly", "hearth/anomaly", "anomaly.wasm")
}

func TestNodeExporterMeasuresThisHost(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Skip("there is no procfs here: ", err)
	}
	inBothForms(t, installNode(t), "../../exporters/node", "hearth/node", measuresThisHost)
}

func measuresThisHost(t *testing.T, w world, of func(Use) Use) {
	c := w.open(of(Use{Grant: nodeGrant}))
	for range 2 {
		body, _, err := c.Collect(t.Context(), "localhost")
		if err != nil {
			t.Fatal(err)
		}
		e, err := sdktest.ParseExposition(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Types) <= 100 {
			t.Errorf("only %d families", len(e.Types))
		}
		for _, series := range []string{`{__name__="node_load1"}`, `{__name__="node_memory_MemTotal_bytes"}`} {
			if _, ok := e.Series[series]; !ok {
				t.Errorf("no %s", series)
			}
		}
		for _, collector := range []string{"cpu", "meminfo", "filesystem", "netdev", "stat"} {
			if v := e.Series[`{__name__="node_scrape_collector_success", collector="`+collector+`"}`]; v != 1 {
				t.Errorf("the collector %s fails", collector)
			}
		}
	}
	if !strings.Contains(w.log.String(), "/etc/os-release") {
		t.Errorf("the log does not say what was not granted:\n%s", w.log)
	}
}

func TestWebhookDeliversOverTLS(t *testing.T) {
	inBothForms(t, installWebhook(t), "../../plugins/notifiers/webhook", "hearth/webhook", deliversOverTLS)
}

func deliversOverTLS(t *testing.T, w world, of func(Use) Use) {
	got := make(chan string, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Method + " " + r.URL.Path }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	ca := ""
	use := of(Use{
		Config: map[string]any{"url": srv.URL + "/hook"},
		Grant:  Grant{Net: []string{"127.0.0.1:*"}, Secrets: map[string]func() (string, error){"ca": func() (string, error) { return ca, nil }}},
	})
	ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	if err := w.open(use).Notify(t.Context(), told(sdktest.Payload(1))); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "POST /hook" {
		t.Errorf("got %s", s)
	}
	use.Grant.Secrets = nil
	err := w.open(use).Notify(t.Context(), told(sdktest.Payload(1)))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority nobody named: %v", err)
	}
}

func TestWebhookDelivers(t *testing.T) {
	inBothForms(t, installWebhook(t), "../../plugins/notifiers/webhook", "hearth/webhook", delivers)
}

func delivers(t *testing.T, w world, of func(Use) Use) {
	got := make(chan []byte, 10)
	answer := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- append([]byte(r.Header.Get("Authorization")+"\n"), b...)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(answer)
	}))
	t.Cleanup(srv.Close)
	address := strings.TrimPrefix(srv.URL, "http://")
	c := w.open(of(Use{
		Config: map[string]any{"url": srv.URL + "/hook"},
		Grant:  Grant{Net: []string{address}, Secrets: map[string]func() (string, error){"bearer": func() (string, error) { return "t0ken\n", nil }}},
	}))
	payload := sdktest.Payload(3)
	for range 2 {
		if err := c.Notify(t.Context(), told(payload)); err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(<-got), "\n")
		var a, b any
		if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal(payload, &b) != nil || len(body) < 100 || head != "Bearer t0ken" {
			t.Errorf("got %q, %s", head, body)
		}
	}
	answer = http.StatusServiceUnavailable
	err := c.Notify(t.Context(), told(payload))
	var call *CallError
	if !errors.As(err, &call) || !call.Retryable() || call.RetryAfter().Seconds() != 7 || !strings.Contains(call.Message, "503") {
		t.Errorf("the receiver has trouble: %v", err)
	}
	<-got

	if _, err = w.Open(t.Context(), of(Use{Config: map[string]any{"url": "gopher://x"}})); err == nil || !strings.Contains(err.Error(), "plugin hearth/webhook: configure: settings: url is not an absolute URL") {
		t.Errorf("bad settings: %v", err)
	}
	if of(Use{}).Runtime == manifest.RuntimeNative {
		return // nothing holds a program to its grant
	}
	ungranted := w.open(Use{ID: "hearth/webhook", Config: map[string]any{"url": srv.URL}, Grant: Grant{Net: []string{"example.org:80"}}})
	err = ungranted.Notify(t.Context(), told(payload))
	if !errors.As(err, &call) || call.Code != abi.CodeDenied || call.Retryable() || !strings.Contains(call.Message, `add "`+address+`" to net of the plugin's grant`) {
		t.Errorf("an address that is not granted: %v", err)
	}
	if n := len(got); n != 0 {
		t.Errorf("%d messages arrived that should not", n)
	}
}

func told(message []byte) *model.Notification { return &model.Notification{Message: message} }
