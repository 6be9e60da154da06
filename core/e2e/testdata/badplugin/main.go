// Command badplugin is an exporter and a function that misbehave, the exporter in the way its target's address names; the tests run it to see
// that only its own target or query suffers.
package main

import (
	"context"
	"os"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

func init() {
	sdk.RegisterExporter(exporter{})
	sdk.RegisterFunction("bad_loop", func(context.Context, *sdk.Batch) error {
		for n := 0; ; n++ {
			if n < 0 {
				n = 0
			}
		}
	})
}

func main() { sdk.Main() }

type exporter struct{}

var kept [][]byte

func (exporter) Collect(_ context.Context, t sdk.Target, w *metric.Writer) error {
	switch t.Address {
	case "loop":
		for n := 0; ; n++ {
			if n < 0 {
				n = 0
			}
		}
	case "trap":
		var nothing *int
		go func() { *nothing = 1 }() // in a goroutine nobody can recover it
		select {}
	case "memory":
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			kept = append(kept, b)
		}
	case "exit":
		os.Exit(3)
	case "file":
		_, err := os.ReadFile("/etc/passwd") // asked for in the manifest, granted by nobody
		return err
	}
	w.Counter("fine_total", "Goes well.").Sample(1)
	return nil
}
