package tsdb

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

func TestCountingTakesAHundredthOfTheTime(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time { return now }
	times := 0
	count := func(limit int) storage.Cardinality {
		times++
		now = now.Add(40 * time.Millisecond)
		c := storage.Cardinality{Series: times}
		for i := range limit {
			c.SeriesByMetric = append(c.SeriesByMetric, storage.Count{Name: fmt.Sprint("m", i), N: 1})
		}
		return c
	}
	var c counted
	for i, step := range []struct {
		wait  time.Duration
		limit int
		want  int // how often it was counted
	}{
		{0, 3, 1},
		{3 * time.Second, 3, 1},
		{900 * time.Millisecond, 2, 1}, // there are enough
		{0, 4, 2},                      // there are not
		{4 * time.Second, 4, 3},
		{-time.Hour, 4, 4}, // the clock was set back
		{30 * time.Second, 4, 5},
	} {
		now = now.Add(step.wait)
		got := c.get(step.limit, clock, count)
		if got.Series != step.want || times != step.want || len(got.SeriesByMetric) != step.limit {
			t.Errorf("step %d: %+v, counted %d times, want %d", i, got, times, step.want)
		}
	}
}

func TestCardinalityIsThatOfTheHead(t *testing.T) {
	db, err := testDB(t, vfs.NewMem(), "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(t, db, 3, 20, scenarioStart)
	if got, want := db.Cardinality(2), db.head.Cardinality(2); !reflect.DeepEqual(got, want) || got.Series == 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
