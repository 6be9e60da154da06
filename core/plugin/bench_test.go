package plugin

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// BenchmarkCall is a call that does nothing: what the host adds to every scrape.
func BenchmarkCall(b *testing.B) {
	inBothForms(b, installGuest(b), "./testdata/guest", "test/guest", func(b *testing.B, w world, of func(Use) Use) {
		c := w.open(of(Use{}))
		for b.Loop() {
			if _, _, err := c.Collect(b.Context(), "nothing"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCollectNode is a scrape of this host by the node exporter.
func BenchmarkCollectNode(b *testing.B) {
	inBothForms(b, installNode(b), "../../exporters/node", "hearth/node", func(b *testing.B, w world, of func(Use) Use) {
		c := w.open(of(Use{Grant: nodeGrant}))
		var size int
		for b.Loop() {
			body, _, err := c.Collect(b.Context(), "")
			if err != nil {
				b.Fatal(err)
			}
			size = len(body)
		}
		b.ReportMetric(float64(size), "answer-bytes")
	})
}

// BenchmarkStart is a call that has to make its instance first.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b, installGuest(b))
	c := w.open(Use{})
	for b.Loop() {
		_, _, err := c.Collect(b.Context(), "exit")
		if err == nil {
			b.Fatal("it did not exit")
		}
	}
}

// BenchmarkOpen is what a start of the server costs for a plugin whose compiled form is kept, and without.
func BenchmarkOpen(b *testing.B) {
	dir := installNode(b)
	for name, cache := range map[string]string{"kept": filepath.Join(built.dir, "cache"), "anew": ""} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, dir, func(o *Options) { o.Cache = cache })
			open := func() {
				if err := w.open(Use{ID: "hearth/node", Grant: nodeGrant}).Close(); err != nil {
					b.Fatal(err)
				}
			}
			if cache != "" {
				open() // so that it is kept
			}
			before := processorTime(b, 0)
			for b.Loop() {
				open()
			}
			b.ReportMetric((processorTime(b, 0)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkOpenProgram is what a start of the server costs for a plugin that is a program, and its stop.
func BenchmarkOpenProgram(b *testing.B) {
	w := newWorld(b, withProgram(b, installNode(b), "../../exporters/node", "hearth/node"))
	for b.Loop() {
		if err := w.open(Use{ID: "hearth/node", Runtime: "native", Trust: "native", Grant: nodeGrant}).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFunction is a z-score over windows of 20 samples of 1000 series at 241 steps.
func BenchmarkFunction(b *testing.B) {
	inBothForms(b, installAnomaly(b), "../../plugins/functions/anomaly", "hearth/anomaly", benchmarkFunction)
}

func benchmarkFunction(b *testing.B, w world, of func(Use) Use) {
	c := w.open(of(Use{}))
	batch := &abi.Batch{Function: "anomaly_zscore", Start: 1_700_000_000_000, Step: 15_000, Steps: 241, Series: 1000, Range: 300_000, Offsets: []uint32{0}}
	for range batch.Series {
		for k := range int64(260) {
			batch.Times = append(batch.Times, batch.Start-batch.Range+(k+1)*15_000)
			batch.Samples = append(batch.Samples, rand.NormFloat64())
		}
		batch.Offsets = append(batch.Offsets, uint32(len(batch.Times)))
	}
	out := make([]float64, batch.Series*batch.Steps)
	for b.Loop() {
		if err := c.Eval(b.Context(), batch, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(out)), "ns/cell")
}

// BenchmarkStartOfThirty is what a start of the server costs for thirty plugins, each with a module of its own that is kept
// compiled: of the size of exporters/node, and that of a plugin without a language's runtime.
func BenchmarkStartOfThirty(b *testing.B) {
	node := filepath.Join(installNode(b), "hearth", "node")
	for name, source := range map[string]string{"node": node, "tiny": filepath.Join(installTiny(b), "test", "tiny")} {
		b.Run(name, func(b *testing.B) {
			plugins := b.TempDir()
			var uses []Use
			for i := range 30 {
				u := Use{ID: fmt.Sprintf("test/plugin%d", i)}
				dir := filepath.Join(plugins, filepath.FromSlash(u.ID))
				if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
					b.Fatal(err)
				}
				rename(b, dir, u.ID)
				uses = append(uses, u)
			}
			cache := filepath.Join(b.TempDir(), "cache")
			start := func(b *testing.B) {
				w := newWorld(b, plugins, func(o *Options) { o.Cache = cache })
				release := w.Warm(b.Context(), uses)
				for _, u := range uses {
					w.open(u)
				}
				release()
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			start(b) // compiles them
			before := processorTime(b, 0)
			for b.Loop() {
				start(b)
			}
			b.ReportMetric((processorTime(b, 0)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// rename gives the plugin in a folder another id, and its module other bytes.
func rename(b *testing.B, dir, id string) {
	b.Helper()
	m, err := manifest.Load(dir)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, manifest.FileName)
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte(fmt.Sprintf("id = %q", m.ID)), []byte(fmt.Sprintf("id = %q", id)), 1), 0o644); err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, m.Artifacts[0].File), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append([]byte{0, byte(len(id) + 1), byte(len(id))}, id...)); err != nil { // a custom section
		b.Fatal(err)
	}
	if err := manifest.Seal(dir); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCallTiny is a call of a guest that does next to nothing: the host's own part of a call.
func BenchmarkCallTiny(b *testing.B) {
	w := newWorld(b, installTiny(b))
	c := w.open(Use{ID: "test/tiny"})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as a scrape has one
	defer cancel()
	for b.Loop() {
		if _, _, err := c.Collect(ctx, "somewhere:80"); err != nil {
			b.Fatal(err)
		}
	}
}
