package plugin

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Functions returns the functions that a plugin adds to PromQL, as the manifest of the version that runs has them, or else
// that of the one that is installed.
func (h *Host) Functions(id string) ([]manifest.Function, error) {
	m, err := h.running(id), error(nil)
	if m == nil {
		m, err = h.manifest(id)
	}
	if err == nil && len(m.Functions) == 0 {
		err = fmt.Errorf("it has no functions, it is a %s", strings.Join(m.Kinds, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", id, err)
	}
	return m.Functions, nil
}

// checkFunctions compares the functions of the manifest with those the module says it has.
func (v *version) checkFunctions(has []string) error {
	for _, f := range v.Functions {
		if !slices.Contains(has, f.Name) {
			return fmt.Errorf("its manifest has the function %s, the plugin has %s: build it again", f.Name, guest.Printable([]byte(cmp.Or(strings.Join(has, ", "), "none"))))
		}
	}
	return nil
}

// Eval computes a batch into out, which has a cell for each series and step of b. Cells without a value have the bits of
// abi.MissingBits. Errors are *CallError.
func (c *Client) Eval(ctx context.Context, b *abi.Batch, out []float64) error {
	answer, err := c.call(ctx, abi.OpEval, "", func(left time.Duration) ([]byte, error) {
		b.DeadlineMS = uint32(min(abi.DeadlineMS(left), math.MaxUint32))
		return b.Append(nil), nil
	})
	if err != nil {
		return err
	}
	if len(answer) != 8*len(out) {
		return &CallError{Plugin: c.id, Operation: abi.OpEval, Code: abi.CodeInternal, Message: fmt.Sprintf(
			"%s answered with %d bytes for %d series and %d steps, which are %d", b.Function, len(answer), b.Series, b.Steps, 8*len(out))}
	}
	copy(out, abi.Cells(answer))
	return nil
}
