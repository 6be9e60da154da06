package wasm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm/fuel"
	"github.com/hearth-project/hearth/core/plugin/wasm/rofs"
	"github.com/hearth-project/hearth/core/plugin/wasm/sock"
	"github.com/hearth-project/hearth/sdk/abi"
)

// instance is one guest: a memory and what belongs to it. It makes one call at a time.
type instance struct {
	pool    *Pool
	module  api.Module
	exports map[string]api.Function // those called more than once; each keeps its stack
	memory  *linear
	meter   fuel.Meter
	net     *sock.Net
	files   *rofs.FS
	log     *guestLog

	ctx      context.Context // of this call
	began    time.Time       // this call
	refused  []string        // rights that were missing in this call
	refusals uint64          // in this call
	fuel     uint64          // used in this call, but for what the meter still counts
	calls    int
	idle     time.Time // since when
}

// maxRefused bounds the rights that an error message names.
const maxRefused = 3

// refuse notes what the guest was not allowed to do, in words that may be the guest's.
func (i *instance) refuse(why string) {
	i.refusals++
	i.pool.refused.tell(i.remember(why))
}

// remember keeps a refusal for the message of the call's error, and returns it as it may be printed.
func (i *instance) remember(why string) string {
	why = guest.Printable([]byte(why))
	if len(i.refused) < maxRefused && !slices.Contains(i.refused, why) {
		i.refused = append(i.refused, why)
	}
	return why
}

// newInstance makes what a guest is surrounded with. The guest itself comes with start.
func (p *Pool) newInstance() (*instance, error) {
	m := p.module
	i := &instance{pool: p, log: newGuestLog(p.logger, p.lines)}
	i.net = sock.New(sock.Config{Resolver: m.e.o.Resolver, Refused: func(address string, why error) {
		i.refuse(fmt.Sprintf("connecting to %s: %v", address, why))
	}})
	i.files = rofs.New(rofs.Config{
		Paths: p.rights.Files, Secrets: p.rights.Secrets, Mounts: map[string]wsys.FS{"net": i.net.Tree()},
		Refused: func(path string, why rofs.Refusal) {
			if advice := p.rights.adviseFile(path, why); why == rofs.NotGranted && probed(path) {
				i.remember(advice)
			} else {
				i.refuse(advice)
			}
		},
		Over:    func() bool { return i.ctx.Err() != nil },
		Trouble: func(path string, err error) { p.logger.Error("a secret can't be read", "secret", path, "err", err) },
	})
	var err error
	i.memory, err = m.e.memory.memory(m.least, uint64(m.memory))
	return i, err
}

// begin starts a call: an operation for a target.
func (i *instance) begin(ctx context.Context, target string) {
	i.ctx, i.began = ctx, time.Now()
	i.refused, i.refusals, i.fuel = i.refused[:0], 0, 0
	i.log.begin()
	i.net.Begin(ctx, i.pool.rights.rules(target))
}

// context returns ctx with what the functions a guest imports need.
func (i *instance) context(ctx context.Context) context.Context {
	return fuel.With(context.WithValue(ctx, instanceKey{}, i), &i.meter)
}

// instantiate makes the guest, which may run its start function. config may be changed by more.
func (i *instance) instantiate(ctx context.Context, more func(wazero.ModuleConfig) wazero.ModuleConfig) error {
	m := i.pool.module
	config := moduleConfig().WithStdout(printed{i, &i.log.out}).WithStderr(printed{i, &i.log.err}).WithNanotime(i.net.Nanotime, sys.ClockResolution(1)).
		WithFSConfig(wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(i.files, "/")).
		// Go's collector works harder when memory gets scarce, instead of failing.
		WithEnv("GOMEMLIMIT", strconv.FormatInt(m.memory/4*3, 10))
	for name, value := range i.pool.rights.Env {
		config = config.WithEnv(name, value)
	}
	if more != nil {
		config = more(config)
	}
	i.meter.Start(m.e.o.Fuel)
	var err error
	i.module, err = m.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, i.memory), m.compiled, config)
	if err != nil {
		f := i.faultOf(ctx, "start", err)
		i.module = nil
		return f
	}
	i.exports = map[string]api.Function{}
	return i.meter.Attach(i.module)
}

// export returns a function of the guest's, or nil.
func (i *instance) export(name string) api.Function {
	f, ok := i.exports[name]
	if !ok {
		f = i.module.ExportedFunction(name)
		i.exports[name] = f
	}
	return f
}

// start makes a reactor ready for its first collect, notify or eval.
func (i *instance) start(ctx context.Context, settings []byte) error {
	gctx := i.context(ctx)
	if err := i.instantiate(gctx, nil); err != nil {
		return err
	}
	i.meter.Start(i.pool.module.e.o.Fuel)
	if f := i.module.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(gctx); err != nil {
			return i.faultOf(ctx, "start", err)
		}
	}
	res, err := i.module.ExportedFunction(abi.ExportVersion).Call(gctx)
	if err != nil {
		return i.faultOf(ctx, "start", err)
	}
	if minor := api.DecodeI32(res[0]); minor < 0 {
		return &Fault{Operation: "start", Kind: Malformed, Message: fmt.Sprintf("%s says %d", abi.ExportVersion, minor)}
	}
	i.fuel += i.meter.Used()
	if i.pool.module.exports[abi.ExportConfigure] == nil {
		if len(settings) > len("{}") {
			return &GuestError{Operation: abi.OpConfigure, Failure: abi.Failure{Code: abi.CodeInvalidRequest, Message: "settings: this plugin takes none"}}
		}
		return nil
	}
	_, err = i.invoke(ctx, abi.OpConfigure, settings)
	return err
}

// exportOf names the export of each operation.
var exportOf = map[string]string{
	abi.OpDescribe: abi.ExportDescribe, abi.OpConfigure: abi.ExportConfigure, abi.OpCollect: abi.ExportCollect, abi.OpNotify: abi.ExportNotify,
	abi.OpEval: abi.ExportEval,
}

// invoke calls the guest for one operation and returns a copy of its answer. The error is a *GuestError, after which the
// instance is as good as before unless its code is panic, or a *Fault.
func (i *instance) invoke(ctx context.Context, op string, in []byte) ([]byte, error) {
	malformed := func(format string, args ...any) error {
		return &Fault{Operation: op, Kind: Malformed, Message: fmt.Sprintf(format, args...)}
	}
	if len(in) > abi.MaxRequest {
		return nil, &GuestError{Operation: op, Failure: abi.Failure{Code: abi.CodeInvalidRequest,
			Message: fmt.Sprintf("the request has %d bytes, at most %d are allowed", len(in), abi.MaxRequest)}}
	}
	f := i.export(exportOf[op])
	if f == nil {
		return nil, &GuestError{Operation: op, Failure: abi.Failure{Code: abi.CodeUnimplemented, Message: "this plugin has no such operation"}}
	}
	i.meter.Start(i.pool.module.e.o.Fuel)
	defer func() { i.fuel += i.meter.Used() }()
	gctx := i.context(ctx)
	memory := i.module.ExportedMemory("memory")
	var stack [2]uint64
	if len(in) > 0 {
		stack[0] = api.EncodeU32(uint32(len(in)))
		if err := i.export(abi.ExportAlloc).CallWithStack(gctx, stack[:1]); err != nil {
			return nil, i.faultOf(ctx, op, err)
		}
		at := api.DecodeU32(stack[0])
		if at == 0 {
			return nil, malformed("it has no memory for a request of %d bytes", len(in))
		}
		if !memory.Write(at, in) {
			return nil, malformed("%s returned a buffer outside of its memory", abi.ExportAlloc)
		}
		stack[0], stack[1] = uint64(at), uint64(len(in))
	}
	if err := f.CallWithStack(gctx, stack[:]); err != nil {
		return nil, i.faultOf(ctx, op, err)
	}
	at, n, failed, err := abi.Unpack(stack[0], uint64(memory.Size()))
	switch {
	case err != nil:
		return nil, malformed("its answer of %d bytes does not lie in its memory", n)
	case n > abi.MaxResult:
		return nil, malformed("its answer has %d bytes, at most %d are allowed", n, abi.MaxResult)
	}
	view, _ := memory.Read(at, n)
	if !failed {
		return slices.Clone(view), nil
	}
	return nil, i.failure(op, view)
}

// failure makes an error of an error body.
func (i *instance) failure(op string, body []byte) error {
	e := guest.Failed(op, body)
	if e.Code == abi.CodeDenied || e.Code == abi.CodeUnavailable {
		e.Refused = slices.Clone(i.refused)
	}
	return e
}

// close releases everything. The guest must not run.
func (i *instance) close() {
	if i.module != nil {
		_ = i.module.Close(context.Background()) // closes the guest's descriptors, of which nothing is written
	}
	i.net.Close()
	_ = i.files.Close()
	if i.memory != nil {
		i.memory.Free()
	}
}

// worn tells whether an instance is better replaced although nothing is wrong with it: guests leak.
func (i *instance) worn() bool {
	return i.calls >= maxCalls || i.memory.size > uint64(i.pool.module.memory)/5*4
}

const maxCalls = 10_000
