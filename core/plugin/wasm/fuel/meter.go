package fuel

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Why a call was stopped.
var (
	ErrExhausted = errors.New("used all its fuel")
	ErrTooDeep   = errors.New("calls itself without end") // or nearly: the stack is full
)

// Interval is how much fuel a guest gets at a time: what runs between two looks at the deadline. That takes some
// microseconds, a millisecond of code that is made to take long, and a tenth of a second if each of its loads misses the
// caches.
const Interval = 5_000

// Meter is the host's end of one instance: it counts what a call uses and stops it. Not safe for concurrent use, except
// for what its context does.
type Meter struct {
	counter api.MutableGlobal // nil while the instance is being made
	limit   uint64            // of the call
	used    uint64            // up to the last tick
	granted int64             // at the last tick
	stopped error
}

// Attach gives the meter its instance.
func (m *Meter) Attach(instance api.Module) error {
	g, ok := instance.ExportedGlobal(ExportName).(api.MutableGlobal)
	if !ok {
		return errors.New("the module has no meter: it was not rewritten")
	}
	m.counter = g
	return nil
}

// Start begins a call that may use so much fuel. Until Start a meter grants nothing.
func (m *Meter) Start(limit uint64) {
	m.limit, m.used, m.stopped = limit, 0, nil
	m.granted = 0
	if m.counter != nil {
		m.granted = int64(min(limit, Interval))
		m.counter.Set(api.EncodeI32(int32(m.granted)))
	}
}

// Used returns the fuel the call has used until now.
func (m *Meter) Used() uint64 {
	if m.counter == nil {
		return m.used
	}
	return m.used + uint64(max(0, m.granted-int64(api.DecodeI32(m.counter.Get()))))
}

// Stopped returns why the meter has ended the call: ErrExhausted, ErrTooDeep, the error of the call's context, or nil if it has not.
func (m *Meter) Stopped() error { return m.stopped }

// tick is called by the guest with what is left, a negative number, and returns what it may use next. It does not return
// if the call is over: the panic unwinds the guest, and wazero returns it from Call as an error.
func (m *Meter) tick(ctx context.Context, left int32) int32 {
	if left == tooDeep {
		m.stop(ErrTooDeep)
	}
	m.used += uint64(max(0, m.granted-int64(left)))
	m.granted = int64(left) // so that Used is right if this does not return
	if err := ctx.Err(); err != nil {
		m.stop(err)
	}
	if m.used >= m.limit {
		m.stop(ErrExhausted)
	}
	m.granted = int64(min(m.limit-m.used, Interval))
	return int32(m.granted)
}

func (m *Meter) stop(why error) {
	m.stopped = why
	panic(sys.NewExitError(sys.ExitCodeContextCanceled))
}

type meterKey struct{}

// With returns a context for instantiating and calling the instance that m measures.
func With(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// Instantiate gives the runtime the module that rewritten modules import.
func Instantiate(ctx context.Context, rt wazero.Runtime) error {
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := rt.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
			m, _ := ctx.Value(meterKey{}).(*Meter)
			if m == nil {
				panic("fuel: a metered instance was called without its meter")
			}
			stack[0] = api.EncodeI32(m.tick(ctx, api.DecodeI32(stack[0])))
		}), i32, i32).Export(ImportName).Instantiate(ctx)
	return err
}
