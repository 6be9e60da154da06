// Package sdktest is the contract suite: what every plugin must do, whatever it measures or sends. A plugin's first
// test is
//
//	func TestContract(t *testing.T) {
//		sdktest.Suite{New: func() sdk.Plugin { return sdk.Plugin{Exporter: &exporter{}} }, Target: "localhost:1"}.Run(t)
//	}
//
// The suite runs the plugin in the test's process, through the same operations a host calls. With Start in place of New it
// runs one that is somewhere else, as a module in a sandbox, whatever language it was written in.
package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// patience is how long a call may go on after its deadline.
const patience = 2 * time.Second

// Suite says what to test and with which input.
type Suite struct {
	New         func() sdk.Plugin // returns a fresh, unconfigured plugin
	Start       func() Instance   // in place of New: returns a fresh, unconfigured instance of a plugin
	Manifest    string            // its manifest; default hearth-plugin.toml
	Settings    string            // a JSON object of settings with which it works
	BadSettings map[string]string // by a sentence that says why: settings it must refuse

	Target   string   // for exporters: an address that can be measured
	Volatile []string // for exporters: metrics whose series differ between two calls in a row

	Unreachable string // for notifiers: settings that lead to an address where nobody listens

	Arguments map[string][]abi.Arg // for functions, by name: arguments besides the data; default 1 for numbers, "" for texts
}

// Instance answers operations as sdk.Instance does, whose errors those of Call must hold (see sdk.AsError).
type Instance interface {
	Call(ctx context.Context, op string, in []byte) ([]byte, error)
}

// start returns a fresh, unconfigured instance.
func (s Suite) start() Instance {
	if s.Start != nil {
		return s.Start()
	}
	return sdk.NewInstance(s.New())
}

// Run runs all that fits the plugin's kinds.
func (s Suite) Run(t *testing.T) {
	if s.Manifest == "" {
		s.Manifest = manifest.FileName
	}
	t.Run("the manifest and the description agree", s.description)
	t.Run("bad settings are refused", s.badSettings)
	t.Run("what it does not do is unimplemented", s.unimplemented)
	for _, k := range s.manifest(t).Kinds {
		switch k {
		case manifest.KindExporter:
			t.Run(abi.OpCollect, s.exporter)
		case manifest.KindNotifier:
			t.Run(abi.OpNotify, s.notifier)
		case manifest.KindFunction:
			t.Run(abi.OpEval, s.functions)
		}
	}
}

func (s Suite) manifest(t *testing.T) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Load(s.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s Suite) description(t *testing.T) {
	m := s.manifest(t)
	out, err := s.start().Call(t.Context(), abi.OpDescribe, nil)
	if err != nil {
		t.Fatal(err)
	}
	var d abi.Description
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	slices.Sort(d.Kinds)
	slices.Sort(m.Kinds)
	if !slices.Equal(d.Kinds, m.Kinds) || !strings.HasPrefix(d.ABI, m.ABI+".") {
		t.Errorf("the plugin says abi %s and kinds %v, its manifest abi %s and kinds %v", d.ABI, d.Kinds, m.ABI, m.Kinds)
	}
}

func (s Suite) badSettings(t *testing.T) {
	bad := map[string]string{
		"a setting nobody knows": `{"no_such_setting_": 1}`,
		"no JSON":                `{`,
		"no object":              `[1, 2]`,
	}
	for why, settings := range s.BadSettings {
		bad[why] = settings
	}
	for why, settings := range bad {
		t.Run(why, func(t *testing.T) {
			_, err := s.start().Call(t.Context(), abi.OpConfigure, []byte(settings))
			var e *sdk.Error
			if !errors.As(err, &e) || e.Code != sdk.CodeInvalidRequest || e.Retryable {
				t.Errorf("%s: got %#v, want an error %s that is not retryable", settings, err, sdk.CodeInvalidRequest)
			}
		})
	}
}

func (s Suite) unimplemented(t *testing.T) {
	kinds := s.manifest(t).Kinds
	for op, kind := range map[string]string{abi.OpCollect: manifest.KindExporter, abi.OpNotify: manifest.KindNotifier, abi.OpEval: manifest.KindFunction, "no_such": ""} {
		if slices.Contains(kinds, kind) {
			continue
		}
		_, err := s.start().Call(t.Context(), op, []byte("{}"))
		if e := sdk.AsError(err); e == nil || e.Code != abi.CodeUnimplemented {
			t.Errorf("%s: got %v, want %s", op, err, abi.CodeUnimplemented)
		}
	}
}

// configured returns a fresh instance with settings.
func (s Suite) configured(t *testing.T, settings string) Instance {
	t.Helper()
	i := s.start()
	if _, err := i.Call(t.Context(), abi.OpConfigure, []byte(settings)); err != nil {
		t.Fatalf("configure: %v", err)
	}
	return i
}

// endsInTime calls with a deadline of 1 ms and with a context that has ended already.
func endsInTime(t *testing.T, call func(ctx context.Context) error) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err := call(ended)
	if d := time.Since(start); d > patience {
		t.Errorf("took %v after its deadline", d)
	}
	if e := sdk.AsError(err); e != nil && (e.Code != sdk.CodeTimeout || !e.Retryable) {
		t.Errorf("got %s %q (retryable %v), want success or a retryable %s", e.Code, e.Message, e.Retryable, sdk.CodeTimeout)
	}
}
