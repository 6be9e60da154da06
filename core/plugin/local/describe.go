package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/abi"
)

// DescribeModule asks a module what it is, with its settings, a JSON object, and without any rights. cache is the folder of
// compiled modules, or empty.
func DescribeModule(ctx context.Context, cache string, settings []byte) Describe {
	return func(code []byte) (d abi.Description, command bool, err error) {
		e := wasm.NewEngine(wasm.Options{Cache: cache})
		defer e.Close()
		source := wasm.Source{ID: "local/unknown", Code: code}
		m, err := e.Load(ctx, source)
		if err != nil {
			source.Command = true
			var second error
			if m, second = e.Load(ctx, source); second != nil {
				return d, false, err
			}
		}
		p := m.NewPool(wasm.Rights{}, settings, nil)
		out, err := p.Describe(ctx)
		p.Close()
		if err = errors.Join(err, m.Close()); err != nil {
			return d, source.Command, fmt.Errorf("describe: %w", err)
		}
		if err := json.Unmarshal(out, &d); err != nil {
			return d, source.Command, fmt.Errorf("its description is not JSON: %w", err)
		}
		return d, source.Command, nil
	}
}
