// Command bad is a plugin that breaks the contract in ways that the SDK can't see.
package main

import (
	"context"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

func init() {
	sdk.RegisterExporter(exporter{})
	calls := 0.0
	sdk.RegisterFunction("bad_counts", func(_ context.Context, b *sdk.Batch) error {
		calls++
		for i := range b.Len() {
			b.Out(i)[0] = calls
		}
		return nil
	})
	sdk.RegisterFunction("bad_neighbours", func(_ context.Context, b *sdk.Batch) error {
		for i := range b.Len() {
			b.Out(i)[0] = float64(b.Len())
		}
		return nil
	})
}

func main() { sdk.Main() }

type exporter struct{}

// Configure takes anything.
func (exporter) Configure(context.Context, sdk.Config) error { return nil }

// Collect says nothing of what it measures.
func (exporter) Collect(_ context.Context, _ sdk.Target, w *metric.Writer) error {
	w.Gauge("bad_value", "").Sample(1)
	return nil
}
