package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/process"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// secrets is the folder of the granted secrets. The plugin learns it when it starts, so this program starts itself once
// more with one.
var secrets = os.Getenv(process.SecretsEnv)

func TestMain(m *testing.M) {
	if secrets == "" {
		dir, err := os.MkdirTemp("", "secrets")
		if err == nil {
			err = syscall.Exec(os.Args[0], os.Args, append(os.Environ(), process.SecretsEnv+"="+dir))
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(secrets)
	os.Exit(code)
}

// grant gives the secrets of list, and no others, until the test ends.
func grant(t *testing.T, list map[string]string) {
	t.Helper()
	for name, text := range list {
		path := filepath.Join(secrets, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(path) })
	}
}

type object map[string]any

// with returns settings that are changed.
func with(settings, changes object) object {
	all := object{}
	for _, o := range []object{settings, changes} {
		for name, v := range o {
			all[name] = v
		}
	}
	return all
}

func newPlugin() sdk.Plugin { return sdk.Plugin{Notifier: newNotifier()} }

func configured(t *testing.T, settings object) *sdk.Instance {
	t.Helper()
	i := sdk.NewInstance(newPlugin())
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Call(t.Context(), abi.OpConfigure, text); err != nil {
		t.Fatal(err)
	}
	return i
}

// notify delivers a message and returns the state that the plugin leaves, or its error.
func notify(t *testing.T, i *sdk.Instance, r abi.NotifyRequest) (state string, e *sdk.Error) {
	t.Helper()
	if r.Payload == nil {
		r.Payload = sdktest.Payload(1)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := i.Call(context.WithoutCancel(t.Context()), abi.OpNotify, text)
	if err != nil {
		return "", sdk.AsError(err)
	}
	var result abi.NotifyResult
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	if result.State != nil {
		state = *result.State
	}
	return state, nil
}

func TestContract(t *testing.T) {
	const good = `"to": "a@b.c", "from": "d@e.f", "smarthost": "127.0.0.1:1"`
	s := sdktest.Suite{
		New:         newPlugin,
		Settings:    `{` + good + `}`,
		Unreachable: `{` + good + `}`,
		BadSettings: map[string]string{
			"no recipient":                      `{"from": "d@e.f", "smarthost": "h:25"}`,
			"no sender":                         `{"to": "a@b.c", "smarthost": "h:25"}`,
			"no server":                         `{"to": "a@b.c", "from": "d@e.f"}`,
			"a server without a port":           `{"to": "a@b.c", "from": "d@e.f", "smarthost": "h"}`,
			"a server with a line end":          `{"to": "a@b.c", "from": "d@e.f", "smarthost": "h\r\n:25"}`,
			"a number for a recipient":          `{` + good + `, "to": 7}`,
			"a line end in our name":            `{` + good + `, "hello": "a\r\nMAIL"}`,
			"mails without content":             `{` + good + `, "html": ""}`,
			"a name that no header has":         `{` + good + `, "headers": {"X Y": "z"}}`,
			"a line end in a header's name":     `{` + good + `, "headers": {"X\r\nBcc": "z"}}`,
			"a header without a name":           `{` + good + `, "headers": {"": "z"}}`,
			"a header twice":                    `{` + good + `, "headers": {"X-Team": "a", "x-team": "b"}}`,
			"a header that the plugin makes":    `{` + good + `, "headers": {"content-type": "text/plain"}}`,
			"a Bcc, which all would see":        `{` + good + `, "headers": {"BCC": "boss@b.c"}}`,
			"references beside threading":       `{` + good + `, "headers": {"References": "<a@b>"}, "threading": {"enabled": true}}`,
			"threads by the week":               `{` + good + `, "threading": {"enabled": true, "thread_by_date": "weekly"}}`,
			"authorities twice":                 `{` + good + `, "tls_config": {"ca": "x", "ca_file": "/y"}}`,
			"authorities that are not PEM":      `{` + good + `, "tls_config": {"ca": "x"}}`,
			"a file with authorities not there": `{` + good + `, "tls_config": {"ca_file": "/no/such/file"}}`,
		},
	}
	s.Run(t)
}

func TestACertificateNeedsItsKey(t *testing.T) {
	const settings = `{"to": "a@b.c", "from": "d@e.f", "smarthost": "h:25", "tls_config": {"cert": "x"}}`
	_, err := sdk.NewInstance(newPlugin()).Call(t.Context(), abi.OpConfigure, []byte(settings))
	if err == nil || !strings.Contains(err.Error(), `secret "key" is not granted`) {
		t.Errorf("error %v", err)
	}
	grant(t, map[string]string{"key": "y"})
	_, err = sdk.NewInstance(newPlugin()).Call(t.Context(), abi.OpConfigure, []byte(settings))
	if err == nil || !strings.Contains(err.Error(), "settings: tls_config: certificate: ") || strings.Contains(err.Error(), "y\"") {
		t.Errorf("error %v", err)
	}
}

func TestVersionIsTheManifests(t *testing.T) {
	m, err := manifest.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != version {
		t.Errorf("the code says %s, the manifest %s", version, m.Version)
	}
}
