package compact

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// A series of two parts is complete if, and only if, it has a sample in each row of both; a part with rows between
// those of another one leaves it unknown.
func TestASeriesIsCompleteIfItHasEveryRow(t *testing.T) {
	fs := vfs.NewMem()
	open := func(dir string, first int64, gap int) []storage.Columns {
		tb := &table{common: labels.FromStrings("job", "x")}
		for i := range 30 {
			tb.times = append(tb.times, first+int64(i)*10)
		}
		for i := range 3 {
			v := make([]float64, len(tb.times))
			for r := range v {
				v[r] = float64(r * i)
			}
			if i == gap {
				v[11] = storage.Absent
			}
			tb.series = append(tb.series, labels.FromStrings("__name__", fmt.Sprint("m", i), "job", "x"))
			tb.values = append(tb.values, v)
		}
		if _, err := block.Write(fs, dir, math.MinInt64, math.MaxInt64, []storage.Columns{known{tb}}); err != nil {
			t.Fatal(err)
		}
		b, err := block.Open(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		c, err := b.Group(0)
		if err != nil {
			t.Fatal(err)
		}
		return []storage.Columns{c}
	}
	for _, tt := range []struct {
		name        string
		second      int64
		gaps        [2]int
		want        [3]bool
		rowsOfWhole int
	}{
		{"no gap", 1000, [2]int{-1, -1}, [3]bool{true, true, true}, 60},
		{"gaps in either part", 1000, [2]int{0, 2}, [3]bool{false, true, false}, 60},
		{"parts that overlap", 5, [2]int{-1, -1}, [3]bool{}, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := MergeColumns(open("/a/"+tt.name, 0, tt.gaps[0]), open("/b/"+tt.name, tt.second, tt.gaps[1]))
			if len(cs) != 1 || cs[0].Len() != 3 || len(cs[0].Times()) != tt.rowsOfWhole {
				t.Fatalf("%d selections", len(cs))
			}
			for i, want := range tt.want {
				if got := cs[0].(interface{ Complete(i int) bool }).Complete(i); got != want {
					t.Errorf("series %d: complete is %v", i, got)
				}
			}
		})
	}
}
