package plugin

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestTemplatesOfSettings(t *testing.T) {
	for _, tt := range []struct {
		name     string
		of       []manifest.Template
		settings map[string]any
		want     []model.Template
	}{
		{"a setting that is written counts", []manifest.Template{{Setting: "html", Default: "email.default.html", HTML: true}}, map[string]any{"html": "<b>{{ .Status }}</b>"},
			[]model.Template{{Name: "html", Text: "<b>{{ .Status }}</b>", HTML: true}}},
		{"else the default, by name", []manifest.Template{{Setting: "html", Default: "email.default.html", HTML: true}}, nil,
			[]model.Template{{Name: "html", Text: `{{ template "email.default.html" . }}`, HTML: true}}},
		{"empty is written, too", []manifest.Template{{Setting: "html", Default: "x"}}, map[string]any{"html": ""}, []model.Template{{Name: "html"}}},
		{"each of a table, and a default beside", []manifest.Template{{Setting: "headers.*"}, {Setting: "headers.Subject", Default: "s"}}, map[string]any{"headers": map[string]any{"X": "x", "Y": "y"}},
			[]model.Template{{Name: "headers.Subject", Text: `{{ template "s" . }}`}, {Name: "headers.X", Text: "x"}, {Name: "headers.Y", Text: "y"}}},
		{"a default gives way to what * has found", []manifest.Template{{Setting: "headers.*"}, {Setting: "headers.Subject", Default: "s"}}, map[string]any{"headers": map[string]any{"Subject": "mine"}},
			[]model.Template{{Name: "headers.Subject", Text: "mine"}}},
		{"of lists each member", []manifest.Template{{Setting: "fields.*.title"}}, map[string]any{"fields": []any{map[string]any{"title": "a", "short": true}, map[string]any{"title": "b"}}},
			[]model.Template{{Name: "fields.0.title", Text: "a"}, {Name: "fields.1.title", Text: "b"}}},
		{"what is no text is passed over", []manifest.Template{{Setting: "to"}, {Setting: "a.b"}}, map[string]any{"to": int64(7), "a": "x"}, []model.Template{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := templates(tt.of, tt.settings); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestANotifierKeepsStateInBothForms(t *testing.T) {
	inBothForms(t, installGuest(t), "./testdata/guest", "test/guest", func(t *testing.T, w world, of func(Use) Use) {
		c := w.open(of(Use{}))
		n := &model.Notification{Texts: map[string]string{"title": "Zażółć"}}
		for _, tt := range []struct{ receiver, state, error string }{
			{"keep", "<Zażółć>", ""},
			{"keep", "<Zażółć><Zażółć>", ""},
			{"look", "<Zażółć><Zażółć>", `state "<Zażółć><Zażółć>", texts map[title:Zażółć]`},
			{"keep and fail", "<Zażółć><Zażółć>", "no"},
			{"keep too much", "<Zażółć><Zażółć>", "at most 65536 can be kept"},
			{"drop", "", ""},
			{"look", "", `state "", texts`},
		} {
			n.Message = []byte(`{"version": "4", "alerts": [], "receiver": "` + tt.receiver + `"}`)
			err := c.Notify(t.Context(), n)
			if (err != nil) != (tt.error != "") || err != nil && !strings.Contains(err.Error(), tt.error) || n.State != tt.state {
				t.Errorf("%s: state %q, error %v; want %q, %s", tt.receiver, n.State, err, tt.state, tt.error)
			}
		}
	})
}

// answerer is a form that gives one answer.
type answerer string

func (a answerer) Call(context.Context, guest.Request) ([]byte, guest.Usage, error) {
	return []byte(a), guest.Usage{}, nil
}
func (answerer) Close() error { return nil }

func TestWhatIsNoNotifyResultIsSuccess(t *testing.T) {
	w := newWorld(t, t.TempDir())
	for answer, want := range map[string]string{
		"": "old", "{}": "old", "sent\n": "old", `{"state": 7}`: "old", `["state"]`: "old", `{"state": "new", "more": 1}`: "new", `{"state": null}`: "old", `{"state": ""}`: "",
		`{"state": "` + strings.Repeat("x", abi.MaxState+1) + `"}`: "old",
	} {
		c := &Client{host: w.Host, id: "test/answers"}
		c.now.Store(&version{form: answerer(answer), Manifest: &manifest.Manifest{}})
		n := &model.Notification{Message: []byte("{}"), State: "old"}
		if err := c.Notify(t.Context(), n); err != nil || n.State != want {
			t.Errorf("%.40s: state %.40q, %v", answer, n.State, err)
		}
	}
	if !strings.Contains(w.log.String(), "too large") {
		t.Error("nothing is said of the one that is too large")
	}
}
