package exec

import (
	"context"
	"errors"
	"testing"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

func TestWideWindowsStopBetweenBatches(t *testing.T) {
	const rows = 4000 // at each of as many steps: four batches
	grid := plan.NewGrid(0, rows-1, 1)
	m := &matrix{series: make([]series, 1), cols: []column{{v: make([]float64, rows)}}}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	op := &windowScan{
		rows: opened{subquerySource(m, grid)}, ref: plan.Times{Base: rows, N: rows}, eval: grid, width: 2 * rows,
		f: func(w *fn.Window, _ fn.Series, _ [][]float64, out []float64) {
			if calls++; calls == 2 {
				cancel()
			}
			if w.Samples > batchSamples || len(out) != len(w.Lo) {
				t.Errorf("%d samples at %d steps of %d", w.Samples, len(out), len(w.Lo))
			}
		},
	}
	q := newQuery(ctx, Options{MaxSamples: 1e6, Pool: &Pool{}})
	err := op.run(q, func(int, column) error { return nil })
	if !errors.Is(err, context.Canceled) || calls != 2 {
		t.Errorf("error %v after %d batches", err, calls)
	}
	if used := q.used.Load(); used != 0 {
		t.Errorf("%d cells are not given back", used)
	}
}
