package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

func TestSecretNeverPrints(t *testing.T) {
	type holder struct {
		Open   Secret
		closed Secret
		ptr    *Secret
		m      map[string]Secret
	}
	s := NewSecret("s3cr3t")
	h := holder{s, s, &s, map[string]Secret{"a": s}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, s, &s, h)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "h", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "h", h)
	out.Write(log.Bytes())
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, toml.Marshal, yaml.Marshal} {
		b, err := marshal(struct{ S Secret }{s})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "secret") {
			t.Errorf("marshalled to %q", b)
		}
		out.Write(b)
	}
	if text := out.String(); strings.Contains(text, "s3cr3t") || strings.Contains(text, "733363723374") {
		t.Errorf("the secret shows: %s", text)
	}
	_ = h.closed
	_ = h.ptr
}

func TestSecretsFromEverywhere(t *testing.T) {
	t.Setenv("HEARTH_TEST_SECRET", "from env")
	dir := write(t, map[string]string{"pass": " from file\n", "config.toml": `
[[scrape_configs]]
job_name = "a"
plugin = "hearth/x"
grant.secrets = { plain = "p", env = "a ${HEARTH_TEST_SECRET} b", file = "file:pass", escaped = "$${X}", none = "file:absent" }
`})
	c := mustLoad(t, filepath.Join(dir, "config.toml"))
	secrets := c.ScrapeConfigs[0].Grant.Secrets
	for name, want := range map[string]string{"plain": "p", "env": "a from env b", "file": "from file", "escaped": "${X}"} {
		if got, err := secrets[name].Reveal(); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := secrets["none"].Reveal(); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "absent")) {
		t.Errorf("the error must name the file: %v", err)
	}
	if strings.Contains(c.String()+c.YAML(), "from env") {
		t.Error("the printed configuration shows a secret")
	}
	if got, err := (Secret{}).Reveal(); got != "" || err != nil || !(Secret{}).Empty() {
		t.Errorf("the zero secret is %q, %v", got, err)
	}
}
