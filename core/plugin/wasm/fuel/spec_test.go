package fuel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestSpecification runs the specification's test suite, which wazero's sources carry, twice side by side: with the
// modules as they are and rewritten. Results and traps must be the same.
func TestSpecification(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal/integration_test/spectest")
	base, err := os.ReadFile(filepath.Join(dir, "testdata/spectest.wasm"))
	if err != nil {
		t.Skip("wazero's sources come without the test suite here: ", err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "v2/testdata/*.json"))
	if len(files) < 100 {
		t.Fatalf("only %d files in %s", len(files), dir)
	}
	commands := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if testing.Short() && strings.HasPrefix(name, "simd_") {
			continue
		}
		t.Run(name, func(t *testing.T) { commands += runScript(t, file, base) })
	}
	if least := 50_000; !testing.Short() && commands < least {
		t.Errorf("%d commands, there are more than %d in the suite", commands, least)
	}
	t.Logf("%d files, %d commands", len(files), commands)
}

type script struct {
	Commands []struct {
		Type, Name, Filename, As string
		Line                     int
		ModuleType               string `json:"module_type"`
		Action                   struct {
			Type, Field, Module string
			Args                []struct {
				Type, LaneType string
				Value          any
			}
		}
	}
}

// runScript returns how many commands were carried out.
func runScript(t *testing.T, file string, base []byte) (done int) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	plain := newSide(t, base, func(b []byte) ([]byte, error) { return b, nil })
	metered := newSide(t, base, func(b []byte) ([]byte, error) { return Rewrite(b, Options{}) })
	for _, c := range s.Commands {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("line %d, %s: %s", c.Line, c.Type, fmt.Sprintf(format, args...))
		}
		if c.ModuleType == "text" { // it is about the text format, which the host does not read
			continue
		}
		done++
		if c.Filename != "" {
			module, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			p, m := plain.load(module, c.Name), metered.load(module, c.Name)
			if (p == nil) != (m == nil) {
				fail("%s: the original: %v; rewritten: %v", c.Filename, p, m)
			}
			continue
		}
		if c.Type == "register" {
			plain.register(c.Name, c.As)
			metered.register(c.Name, c.As)
			continue
		}
		var args []uint64
		for _, a := range c.Action.Args {
			args = append(args, words(t, a.Type, a.LaneType, a.Value)...)
		}
		pv, perr := plain.action(c.Action.Type, c.Action.Module, c.Action.Field, args)
		mv, merr := metered.action(c.Action.Type, c.Action.Module, c.Action.Field, args)
		if c.Type == "assert_exhaustion" { // stopped by us before wazero does
			if perr == nil || !errors.Is(metered.meter.Stopped(), ErrTooDeep) {
				fail("%s%v: the original: %v; rewritten: %v", c.Action.Field, args, perr, merr)
			}
			// An instance that was stopped is given up, as the host does: what its calls had taken of the stack is not paid back.
			plain.again()
			metered.again()
			continue
		}
		if why(perr) != why(merr) {
			fail("%s%v: the original: %v; rewritten: %v", c.Action.Field, args, perr, merr)
		} else if !slices.Equal(pv, mv) {
			fail("%s%v: the original: %v; rewritten: %v", c.Action.Field, args, pv, mv)
		}
	}
	return done
}

// side is one of the two runs.
type side struct {
	rt      wazero.Runtime
	rewrite func([]byte) ([]byte, error)
	ctx     context.Context
	meter   *Meter
	named   map[string]api.Module
	last    api.Module
	raw     map[api.Module][]byte
	t       *testing.T
}

func newSide(t *testing.T, base []byte, rewrite func([]byte) ([]byte, error)) *side {
	s := &side{rt: newRuntime(t), rewrite: rewrite, meter: &Meter{}, named: map[string]api.Module{}, raw: map[api.Module][]byte{}, t: t}
	s.meter.Start(1 << 60)
	s.ctx = With(context.Background(), s.meter)
	if _, err := s.rt.InstantiateWithConfig(s.ctx, base, wazero.NewModuleConfig()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *side) load(module []byte, name string) error {
	b, err := s.rewrite(module)
	if err != nil {
		return err
	}
	compiled, err := s.rt.CompileModule(s.ctx, b)
	if err != nil {
		return err
	}
	instance, err := s.rt.InstantiateModule(s.ctx, compiled, wazero.NewModuleConfig().WithName(name))
	if err != nil {
		return err
	}
	s.last, s.raw[instance] = instance, b
	if name != "" {
		s.named[name] = instance
	}
	return nil
}

// again replaces the last instance by a fresh one.
func (s *side) again() {
	instance, err := s.rt.InstantiateWithConfig(s.ctx, s.raw[s.last], wazero.NewModuleConfig().WithName(""))
	if err != nil {
		s.t.Fatal(err)
	}
	s.last, s.raw[instance] = instance, s.raw[s.last]
	s.meter.Start(1 << 60) // it was stopped
}

// register makes the module known to importers by another name. wazero has no such call: a second instance does.
func (s *side) register(name, as string) {
	instance := s.last
	if name != "" {
		instance = s.named[name]
	}
	again, err := s.rt.InstantiateWithConfig(s.ctx, s.raw[instance], wazero.NewModuleConfig().WithName(as))
	if err != nil {
		s.t.Fatal(err)
	}
	if name != "" {
		s.named[name] = again
	}
	if instance == s.last {
		s.last = again
	}
}

func (s *side) action(kind, module, field string, args []uint64) ([]uint64, error) {
	instance := s.last
	if module != "" {
		instance = s.named[module]
	}
	if instance == nil {
		return nil, errors.New("no such module")
	}
	if kind == "get" {
		return []uint64{instance.ExportedGlobal(field).Get()}, nil
	}
	f := instance.ExportedFunction(field)
	// Reference results are addresses; whether there is one is all that can be compared.
	res, err := f.Call(s.ctx, args...)
	for i, typ := range f.Definition().ResultTypes() {
		if err == nil && (typ == api.ValueTypeExternref || typ == 0x70) && len(res) == len(f.Definition().ResultTypes()) && res[i] != 0 {
			res[i] = 1
		}
	}
	return res, err
}

// why is the first line of an error: the rest is a stack trace with the indices of functions.
func why(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// words reads an argument as wazero takes it: a vector is two words.
func words(t *testing.T, typ, lane string, value any) []uint64 {
	parse := func(s string) uint64 {
		if s == "null" {
			return 0
		}
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = uint64(n)
		}
		return v
	}
	if typ != "v128" {
		v := parse(value.(string))
		if typ == "externref" && value != "null" {
			v++ // 0 would be null
		}
		return []uint64{v}
	}
	bits := map[string]uint{"i8": 8, "i16": 16, "i32": 32, "f32": 32, "i64": 64, "f64": 64}[lane]
	var out [2]uint64
	for i, v := range value.([]any) {
		at := uint(i) * bits
		out[at/64] |= (parse(v.(string)) & (1<<bits - 1)) << (at % 64)
	}
	return out[:]
}
