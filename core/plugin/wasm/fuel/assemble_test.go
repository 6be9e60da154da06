package fuel

import (
	"context"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/hearth-project/hearth/core/plugin/wasm/internal/asm"
)

var (
	noneToNone = asm.FuncType(nil, nil)
	i32ToNone  = asm.FuncType([]byte{asm.I32}, nil)
)

// one is a module whose function 0, exported as f, takes and returns nothing.
func one(instructions ...byte) []byte {
	return asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, []byte{0}),
		asm.Section(secMemory, []byte{0, 1}), asm.Section(secExport, asm.Export("f", kindFunction, 0)), asm.Section(secCode, asm.Code(instructions...)))
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
