package host

import (
	"context"
	"errors"
	"math"
	"reflect"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// functions are the plugins whose functions the engine calls. What they are called and take stands in their manifests,
// so a plugin that can't be opened at the moment has its functions all the same: calls fail with the reason.
type functions struct {
	engine *promql.Engine
	known  func(id string) ([]manifest.Function, error)
	open   func(context.Context, config.PluginUse) (opened, error)

	uses    []*config.PluginUse   // in force
	has     [][]manifest.Function // of each of them; another version may have others
	clients []opened
}

// apply makes the functions of the plugins in uses callable, and no others. On an error nothing changes.
func (f *functions) apply(uses []*config.PluginUse) error {
	same := reflect.DeepEqual(uses, f.uses)
	has := make([][]manifest.Function, len(uses))
	for i, use := range uses {
		var err error
		if has[i], err = f.known(use.Plugin); err != nil && same {
			return nil // what there is goes on
		} else if err != nil {
			return err
		}
	}
	if same && reflect.DeepEqual(has, f.has) {
		return nil
	}
	var clients, fresh []opened
	if same { // another version of a plugin is in its client already
		clients = f.clients
	}
	abandon := func(err error) error { return errors.Join(err, closeAll(fresh)) }
	var all []callout.Function
	for i, use := range uses {
		if !same {
			client, err := f.open(context.Background(), *use)
			if err != nil {
				return abandon(err)
			}
			fresh = append(fresh, client)
			clients = fresh
		}
		for _, k := range has[i] {
			all = append(all, functionOf(clients[i], use.Plugin, k))
		}
	}
	if err := f.engine.SetFunctions(all); err != nil {
		return abandon(err)
	}
	var old []opened
	if !same {
		old = f.clients
	}
	f.uses, f.has, f.clients = uses, has, clients
	return closeAll(old)
}

// Close gives the plugins up.
func (f *functions) Close() error {
	err := closeAll(f.clients)
	f.clients = nil
	return err
}

func closeAll(clients []opened) error {
	var errs []error
	for _, c := range clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// functionOf makes a function of the engine of one of a plugin's.
func functionOf(client opened, id string, f manifest.Function) callout.Function {
	of := signature(id, f)
	of.Call = func(ctx context.Context, b *callout.Batch, out []float64) error {
		err := client.Eval(ctx, batchOf(f.Name, b), out)
		if ctx.Err() != nil {
			return ctx.Err() // of the query
		}
		var call *plugin.CallError
		if errors.As(err, &call) { // whose own deadline is not the query's
			return errors.New(call.Message)
		}
		replaceNaN(out, abi.MissingBits, storage.AbsentBits)
		return err
	}
	return of
}

// signature is what a query can be checked against; it can't be called.
func signature(id string, f manifest.Function) callout.Function {
	types := make([]parser.ValueType, len(f.Args))
	for i, a := range f.Args {
		types[i] = parser.ValueType(a)
	}
	return callout.Function{Name: f.Name, Owner: id, Args: types, Variadic: f.Variadic}
}

// batchOf is b in the plugin's form. It uses b's memory.
func batchOf(name string, b *callout.Batch) *abi.Batch {
	p := &abi.Batch{Function: name, Start: b.Start, Step: b.Step, Steps: b.Steps, Series: b.Series}
	for _, a := range b.Args {
		p.Args = append(p.Args, abi.Arg{Numbers: constant(a.Values), Text: a.Text})
	}
	if b.Samples == nil {
		replaceNaN(b.Values, storage.AbsentBits, abi.MissingBits)
		p.Values = b.Values
		return p
	}
	p.Range = b.Width
	p.Offsets = make([]uint32, 1, len(b.Samples)+1)
	for _, s := range b.Samples {
		p.Times = append(p.Times, s.T...)
		p.Samples = append(p.Samples, s.V...)
		p.Offsets = append(p.Offsets, uint32(len(p.Samples)))
	}
	return p
}

// constant returns one number where all are the same.
func constant(v []float64) []float64 {
	for _, x := range v {
		if math.Float64bits(x) != math.Float64bits(v[0]) {
			return v
		}
	}
	return v[:min(1, len(v))]
}

func replaceNaN(v []float64, from, to uint64) {
	for i, x := range v {
		if x != x && math.Float64bits(x) == from {
			v[i] = math.Float64frombits(to)
		}
	}
}
