package compact

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// TestLongBlocksAreCopied merges days whose columns refer to each other, some of which are missing on some days: every
// sample comes back, and blocks end where they ended before.
func TestLongBlocksAreCopied(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	const perDay = 16
	days := []int{1600, 1400, 1600}
	fs := vfs.NewMem()
	want := map[string]map[int64]uint64{}
	var inputs []Input
	base, start := 0.0, int64(0)
	for day, rows := range days {
		tb := &table{common: labels.FromStrings("job", "x")}
		for i := range rows {
			tb.times = append(tb.times, start+int64(i)*60_000)
		}
		start += int64(rows) * 60_000
		var first []float64
		for range rows {
			base += float64(r.IntN(500))
			first = append(first, base)
		}
		for i := range perDay {
			if day == 1 && (i == 0 || i == 7) || day == 2 && i%5 == 3 { // others refer to the first
				continue
			}
			vals := slices.Clone(first)
			for k, v := range first {
				switch i % 6 {
				case 1:
					vals[k] = 1e9 - v
				case 2:
					vals[k] = v + float64(r.IntN(3))
				case 3:
					vals[k] = float64(i)
				case 4:
					vals[k] = float64(r.IntN(1000)) / 8
				case 5:
					if k%40 == 0 {
						vals[k] = storage.Absent
					}
				}
			}
			tb.series = append(tb.series, labels.FromStrings("__name__", fmt.Sprintf("m%02d", i), "job", "x"))
			tb.values = append(tb.values, vals)
		}
		for i, ls := range tb.series {
			if want[ls.String()] == nil {
				want[ls.String()] = map[int64]uint64{}
			}
			for k, v := range tb.values[i] {
				if !storage.IsAbsent(v) {
					want[ls.String()][tb.times[k]] = math.Float64bits(v)
				}
			}
		}
		w, err := block.NewWriter(fs, fmt.Sprint("/day", day), true)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add([]storage.Columns{tb}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		b, err := block.Open(fs, fmt.Sprint("/day", day))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		inputs = append(inputs, Input{Block: b})
	}
	meta, err := Merge(t.Context(), fs, "/days", inputs, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	b, err := block.Open(fs, "/days")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	samples := int64(0)
	for g := range b.Groups() {
		c, err := b.Group(g)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Len() {
			vals, err := c.Values(i, 0, len(c.Times()), nil)
			if err != nil {
				t.Fatal(err)
			}
			of := want[c.Labels(i).String()]
			for k, v := range vals {
				if storage.IsAbsent(v) {
					continue
				}
				samples++
				if bits, ok := of[c.Times()[k]]; !ok || bits != math.Float64bits(v) {
					t.Fatalf("%s at %d is %v", c.Labels(i), c.Times()[k], v)
				}
			}
		}
		if len(c.Times()) < 4600 {
			continue
		}
		runs, err := c.(storage.StatisticsColumns).Runs(0, 0, len(c.Times()), nil)
		if err != nil {
			t.Fatal(err)
		}
		var rows []int
		for _, run := range runs {
			rows = append(rows, run.Hi-run.Lo)
		}
		if !slices.Equal(rows, []int{1024, 576, 1024, 376, 1024, 576}) {
			t.Errorf("blocks of %v rows", rows)
		}
	}
	total := int64(0)
	for _, s := range want {
		total += int64(len(s))
	}
	if samples != total || meta.Samples != total {
		t.Errorf("%d samples are read, %d told, want %d", samples, meta.Samples, total)
	}
}
