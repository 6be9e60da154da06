package e2e

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/plugins/notifiers/email/postfix"
)

const emailConfig = `
rule_files = ["rules.yml"]
[global]
evaluation_interval = "1s"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "1s"
group_interval = "2s"
[[receivers]]
name = "ops"
[[receivers.notifiers]]
plugin = "hearth/email"
config = { to = "ops@example.test", from = "hearth@example.test", smarthost = "%[1]s", auth_username = "ann@example.test", threading = { enabled = true } }
grant = { net = ["%[1]s"], secrets = { auth_password = "file:%[2]s", ca = "file:%[3]s" } }
`

const emailRule = `
groups:
- name: disk
  rules:
  - alert: DiskFull
    expr: vector(%d) > 0
    labels: {severity: page, instance: 'db:9100'}
    annotations: {summary: 'less than 5 %% left on <db> & „żółw”'}
`

// TestAnAlertArrivesAsAMail has an alert fire and end, with the server killed between, and reads the mails that a real
// Postfix was given. Debian's Alertmanager mails the same alert to somebody else: the mails must say the same.
func TestAnAlertArrivesAsAMail(t *testing.T) {
	s := postfix.Start(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"password": postfix.Password, "ca": s.CA} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := prepare(t, filepath.Join(t.TempDir(), "data"), fmt.Sprintf(emailConfig, s.Submission, filepath.Join(dir, "password"), filepath.Join(dir, "ca")))
	rule := func(value int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(h.config), "rules.yml"), fmt.Appendf(nil, emailRule, value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rule(1)
	h.again(t)
	first := s.Wait(t, "ops", 1)[0]
	eventually(t, 20*time.Second, "a note that it was told", func() error {
		if st, err := os.Stat(filepath.Join(h.data, "alert", "nflog")); err != nil || st.Size() == 0 {
			return errNothing
		}
		return nil
	})
	h.kill()
	h.again(t)
	eventually(t, 20*time.Second, "the alert after the restart", func() error {
		res, err := h.api.Alerts(t.Context())
		if err == nil && len(res.Alerts) == 0 {
			err = errNothing
		}
		return err
	})
	rule(-1)
	if code, body := h.post(t, "/-/reload"); code != http.StatusOK {
		t.Fatalf("reload: %d %s", code, body)
	}
	mails := s.Wait(t, "ops", 2)
	second := mails[1]
	if len(mails) != 2 {
		t.Errorf("%d mails", len(mails))
	}
	for i, m := range mails {
		want := []string{"[FIRING:1] DiskFull (db:9100 page)", "[RESOLVED] DiskFull (db:9100 page)"}[i]
		if got := m.Header.Get("Subject"); got != want {
			t.Errorf("subject %s, want %s", got, want)
		}
		if got := m.Header.Get("To"); got != "ops@example.test" || m.Header.Get("From") != "hearth@example.test" {
			t.Errorf("headers %v", m.Header)
		}
	}
	if got := second.Header.Get("In-Reply-To"); got != first.Header.Get("Message-ID") {
		t.Errorf("the end of the alert answers to %s, the mail before was %s: the state did not outlive the kill", got, first.Header.Get("Message-ID"))
	}
	fired := visible(t, first)
	for _, want := range []string{"1 alert for alertname=DiskFull", "View in hearth", "[1] Firing", "instance = db:9100", "summary = less than 5 % left on <db> & „żółw”", "Sent by hearth"} {
		if !strings.Contains(fired, want) {
			t.Errorf("the mail does not say %q:\n%s", want, fired)
		}
	}
	theirs := alertmanagersMail(t, s)
	if got := theirs.Header.Get("Subject"); got != first.Header.Get("Subject") {
		t.Errorf("subject %s, Alertmanager's is %s", first.Header.Get("Subject"), got)
	}
	if got := strings.ReplaceAll(visible(t, theirs), "Alertmanager", "hearth"); got != fired {
		t.Errorf("the mail says\n%s\nAlertmanager's says\n%s", fired, got)
	}
}

// visible returns what of a mail's HTML is seen, without the spaces between.
func visible(t *testing.T, m *mail.Message) string {
	t.Helper()
	_, p, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	part, err := multipart.NewReader(m.Body, p["boundary"]).NextRawPart()
	if err != nil || part.Header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Fatalf("part %v, %v", part, err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "<body")
	body = regexp.MustCompile(`<[^>]*>`).ReplaceAllString("<body"+body, " ")
	return strings.Join(strings.Fields(html.UnescapeString(body)), " ")
}

// alertmanagersMail is what Debian's Alertmanager mails of the alert.
func alertmanagersMail(t *testing.T, s *postfix.Server) *mail.Message {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Fatalf("%v (run `make deps` first)", err)
	}
	dir, listen := t.TempDir(), freeAddr(t)
	config := fmt.Sprintf(`
route: {receiver: dev, group_by: [alertname], group_wait: 1s}
receivers:
- name: dev
  email_configs: [{to: dev@example.test, from: am@example.test, smarthost: '%s', require_tls: false}]
`, s.Plain)
	if err := os.WriteFile(filepath.Join(dir, "am.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, program, "--config.file="+filepath.Join(dir, "am.yml"), "--storage.path="+dir, "--web.listen-address="+listen, "--cluster.listen-address=")
	alert, err := json.Marshal([]map[string]any{{
		"labels":      map[string]string{"alertname": "DiskFull", "severity": "page", "instance": "db:9100"},
		"annotations": map[string]string{"summary": "less than 5 % left on <db> & „żółw”"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "Alertmanager", func() error {
		res, err := http.Post("http://"+listen+"/api/v2/alerts", "application/json", strings.NewReader(string(alert)))
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", res.Status)
		}
		return nil
	})
	return s.Wait(t, "dev", 1)[0]
}
