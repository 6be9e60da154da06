package promql

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestWhatIsSelectedTakesMemory asks for many series, none of which has much of a result.
func TestWhatIsSelectedTakesMemory(t *testing.T) {
	db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), Sync: "off", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var batch []model.Series
	for i := range 2000 { // each by itself, as remote write has them
		s := model.Series{Labels: labels.FromStrings("__name__", "crowd", "i", fmt.Sprintf("%06d", i))}
		for k := range int64(40) {
			s.Samples = append(s.Samples, model.Sample{T: now.UnixMilli() - k*1000, V: 1})
		}
		slices.Reverse(s.Samples)
		batch = append(batch, s)
	}
	if err := db.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	many := "sum(crowd)"
	for i := range 10 {
		many += fmt.Sprintf(` + sum(crowd{i!="%d"})`, i)
	}
	for _, tt := range []struct {
		name, expr string
		memory     int64
		fits       bool
	}{
		{"one selection that fits", "sum(crowd)", 4 << 20, true},
		{"one that does not", "sum(crowd)", 1 << 20, false},
		{"many that fit one by one", many, 4 << 20, false},
		{"many that fit", many, 64 << 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := New(Options{MaxMemory: tt.memory})
			_, err := e.Instant(t.Context(), db, tt.expr, now, QueryOptions{})
			if fits := err == nil; fits != tt.fits || !fits && (!errors.Is(err, ErrNoMemory) || errors.Is(err, ErrStorage)) {
				t.Errorf("with %d bytes: %v", tt.memory, err)
			}
			if used, _ := e.ledger.now(); used != 0 {
				t.Errorf("%d bytes are held when all is over", used)
			}
		})
	}
}
