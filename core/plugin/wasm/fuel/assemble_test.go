package fuel

import (
	"context"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// assemble makes a module of sections, each a section's id, the number of its items and their bytes.
func assemble(sections ...[]byte) []byte {
	b := append([]byte{}, header...)
	for _, s := range sections {
		b = append(appendU32(append(b, s[0]), uint32(len(s)-1)), s[1:]...)
	}
	return b
}

// section makes one for assemble.
func section(id byte, items ...[]byte) []byte {
	b := appendU32([]byte{id}, uint32(len(items)))
	for _, item := range items {
		b = append(b, item...)
	}
	return b
}

// code makes a function body without locals.
func code(instructions ...byte) []byte { return codeWith([]byte{0}, instructions...) }

func codeWith(locals []byte, instructions ...byte) []byte {
	body := append(append([]byte{}, locals...), instructions...)
	body = append(body, opEnd)
	return append(appendU32(nil, uint32(len(body))), body...)
}

func export(name string, kind, index byte) []byte { return append(appendText(nil, name), kind, index) }

var (
	noneToNone = []byte{0x60, 0, 0}
	i32ToNone  = []byte{0x60, 1, typeI32, 0}
)

// one is a module whose function 0, exported as f, takes and returns nothing.
func one(instructions ...byte) []byte {
	return assemble(section(secType, noneToNone), section(secFunction, []byte{0}),
		section(secMemory, []byte{0, 1}), section(secExport, export("f", kindFunction, 0)), section(secCode, code(instructions...)))
}

// runtime is a wazero runtime with the meter.
type runtime struct {
	wazero.Runtime
	t *testing.T
}

func newRuntime(t *testing.T) runtime {
	t.Helper()
	ctx := context.Background()
	rt := runtime{wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2)), t}
	t.Cleanup(func() { rt.Close(ctx) })
	if err := Instantiate(ctx, rt); err != nil {
		t.Fatal(err)
	}
	return rt
}

// start instantiates a module after rewriting it.
func (rt runtime) start(module []byte, o Options) (api.Module, *Meter) {
	rt.t.Helper()
	rewritten, err := Rewrite(module, o)
	if err != nil {
		rt.t.Fatal(err)
	}
	m := &Meter{}
	m.Start(1 << 40)
	instance, err := rt.InstantiateWithConfig(With(context.Background(), m), rewritten, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		rt.t.Fatal(err)
	}
	if err := m.Attach(instance); err != nil {
		rt.t.Fatal(err)
	}
	return instance, m
}

// call calls f with fuel and time.
func call(t *testing.T, instance api.Module, m *Meter, limit uint64, d time.Duration, args ...uint64) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	m.Start(limit)
	_, err := instance.ExportedFunction("f").Call(With(ctx, m), args...)
	return err
}
