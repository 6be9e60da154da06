package tsdb

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// BenchmarkWriteAmplification scrapes a target every 15 s for 17 days of its time, with all that goes on in the
// background, and tells how many bytes of a sample go to the disk for which purpose, and how many of them stay.
func BenchmarkWriteAmplification(b *testing.B) {
	const series, rows, step = 40, 17 * 5760, 15_000
	for b.Loop() {
		written := map[string]int64{}
		m := vfs.NewMem()
		if err := m.MkdirAll("data"); err != nil {
			b.Fatal(err)
		}
		m.Hook(func(op vfs.Op) error {
			if op.Kind == "write" {
				written[strings.Split(strings.TrimPrefix(op.Name, "data/"), "/")[0]] += int64(op.Size)
			}
			return nil
		})
		db, err := Open(Options{Dir: "data", FS: m, Sync: "off"})
		if err != nil {
			b.Fatal(err)
		}
		common := labels.FromStrings("instance", "a", "job", "node")
		g, err := db.Group(common)
		if err != nil {
			b.Fatal(err)
		}
		slots, vals := make([]storage.Slot, series), make([]float64, series)
		for i := range slots {
			if slots[i], err = g.Slot(labels.NewBuilder(common).Set("__name__", fmt.Sprint("m", i)).Labels()); err != nil {
				b.Fatal(err)
			}
		}
		r := rand.New(rand.NewPCG(1, 1))
		start := scenarioStart
		for row := range rows {
			for i := range vals { // two thirds do not change, as in a fleet
				switch i % 6 {
				case 0:
					vals[i] += float64(r.IntN(500))
				case 1:
					vals[i] = math.Round(100*r.NormFloat64()) / 100
				}
			}
			if err := g.Append(start+int64(row)*step, slots, vals); err != nil {
				b.Fatal(err)
			}
			if row%120 == 119 {
				if err := db.maintain(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			if row%480 == 479 {
				if err := db.retire(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		}
		stay := db.Stats()
		const samples = float64(series * rows)
		total := int64(0)
		for _, n := range written {
			total += n
		}
		b.ReportMetric(float64(written["wal"])/samples, "log-B/sample")
		b.ReportMetric(float64(written["head"])/samples, "checkpoint-B/sample")
		b.ReportMetric(float64(written["parts"])/samples, "part-B/sample")
		b.ReportMetric(float64(stay.PartBytes)/samples, "stay-B/sample")
		b.ReportMetric(float64(written["parts"])/float64(stay.PartBytes), "part-amplification")
		b.ReportMetric(float64(total)/float64(stay.PartBytes), "amplification")
		b.ReportMetric(float64(stay.Parts), "parts")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
