package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
)

func TestTemplatesOfNotifiersAreFilledIn(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.templates = []model.Template{
			{Name: "subject", Text: `{{ template "email.default.subject" . }}`},
			{Name: "html", Text: `<b>{{ (index .Alerts 0).Annotations.summary }}</b>`, HTML: true},
			{Name: "headers.X", Text: "<{{ .Status }}>"},
		}
		w.fire(`Disk instance=<a>&b`)
		w.at(time.Minute)
		want := map[string]string{"subject": "[FIRING:1] Disk (<a>&b)", "html": "<b>about Disk instance=&lt;a&gt;&amp;b</b>", "headers.X": "<firing>"}
		for name, text := range want {
			if got := w.mails[0].texts[name]; got != text {
				t.Errorf("%s is %q, want %q", name, got, text)
			}
		}
	})
}

func TestATemplateThatCannotBeParsedIsRefused(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.templates = []model.Template{{Name: "headers.X", Text: "{{ .Status"}}
		err := w.manager.ApplyConfig(parse(t, strings.Replace(base, `to = "ops"`, `to = "dev"`, 1)))
		if err == nil || !strings.Contains(err.Error(), `receiver "ops", notifiers[0], plugin hearth/inbox: config.headers.X: template: `) {
			t.Errorf("error %v", err)
		}
		if got := strings.Join(w.opens, "|"); got != "open ops|open dev|close dev" {
			t.Errorf("notifiers: %s", got)
		}
	})
}

func TestATemplateThatFailsIsNotTriedAgain(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.templates = []model.Template{{Name: "text", Text: `{{ template "nowhere" . }}`}}
		w.fire("Disk")
		w.at(65 * time.Second)
		w.got()
		if w.calls["ops"] != 0 || w.logs.count("template of setting text") != 1 {
			t.Errorf("%d calls, the log has it %d times", w.calls["ops"], w.logs.count("template of setting text"))
		}
	})
}

func TestTextsForTryingOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ours.tmpl")
	if err := os.WriteFile(file, []byte(`{{ define "team" }}{{ .CommonLabels.team | toUpper }}{{ end }}`), 0o600); err != nil {
		t.Fatal(err)
	}
	message := `{"status": "firing", "receiver": "ops", "commonLabels": {"team": "db"}, "alerts": [{"status": "firing"}], "externalURL": "http://h"}`
	texts, err := Texts([]string{file}, []model.Template{{Name: "a", Text: `{{ template "team" . }} {{ .Alerts.Firing | len }} {{ template "__alertmanager" . }} {{ .ExternalURL }}`}}, []byte(message))
	if err != nil || texts["a"] != "DB 1 hearth http://h" {
		t.Errorf("%q, %v", texts, err)
	}
	if _, err := Texts(nil, nil, []byte("{")); err == nil {
		t.Error("no JSON was taken")
	}
}
