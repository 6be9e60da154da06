package tsdb

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

func TestTheNextMergeIsPlanned(t *testing.T) {
	const h, mb = int64(3600_000), int64(1 << 20)
	p := func(number uint64, from, to, bytes int64) *part {
		return &part{number: number, bytes: bytes, meta: block.Meta{MinTime: from * h, MaxTime: to*h - 1}}
	}
	damaged := p(2, 2, 4, mb)
	damaged.damaged.Store(true)
	week := p(1, 0, 192, 900*mb)
	for _, tt := range []struct {
		name      string
		retention time.Duration
		end       int64 // hours
		parts     []*part
		want      string
	}{
		{"nothing", 0, 100, nil, "[]"},
		{"one part", 0, 100, []*part{p(1, 0, 2, mb)}, "[]"},
		{"a day is complete", 0, 24, []*part{p(1, 0, 2, mb), p(2, 2, 4, mb), p(3, 4, 6, mb), p(4, 22, 24, mb)}, "[1 2 3 4]"},
		{"it is not yet", 0, 22, []*part{p(1, 0, 2, mb), p(2, 2, 4, mb), p(3, 20, 22, mb)}, "[]"},
		{"with a gap in it", 0, 24, []*part{p(1, 0, 2, mb), p(4, 6, 8, mb)}, "[1 4]"},
		{"the oldest window comes first", 0, 48, []*part{p(5, 24, 26, mb), p(6, 26, 28, mb), p(1, 0, 2, mb), p(2, 2, 4, mb)}, "[1 2]"},
		{"two in one cut range come before all", 0, 48, []*part{p(1, 0, 2, mb), p(2, 2, 4, mb), p(7, 24, 26, mb), p(8, 24, 26, mb/2)}, "[7 8]"},
		{"days become eight days", 0, 192, []*part{p(5, 0, 24, mb), p(9, 48, 72, mb), p(13, 168, 192, mb)}, "[5 9 13]"},
		{"eight days stay", 0, 384, []*part{p(5, 0, 192, mb), p(9, 192, 384, mb)}, "[]"},
		{"neighbours of different windows stay apart", 0, 48, []*part{p(1, 22, 24, mb), p(2, 24, 26, mb)}, "[]"},
		{"a little late data is not worth writing a week again", 0, 200, []*part{week, p(50, 20, 22, mb)}, "[]"},
		{"much late data is", 0, 200, []*part{week, p(50, 20, 22, 150*mb)}, "[1 50]"},
		{"late parts merge among themselves meanwhile", 0, 200, []*part{week, p(50, 20, 22, mb), p(51, 20, 22, mb)}, "[50 51]"},
		{"a day is more than a tenth of the retention", 5 * 24 * time.Hour, 24, []*part{p(5, 0, 8, mb), p(9, 8, 16, mb)}, "[]"},
		{"late data of one range is merged whatever the retention", time.Hour, 4, []*part{p(1, 0, 2, mb), p(3, 0, 2, mb)}, "[1 3]"},
		{"a window with a damaged part is left alone", 0, 24, []*part{p(1, 0, 2, mb), damaged, p(3, 4, 6, mb)}, "[]"},
		{"times before 1970", 0, 0, []*part{p(1, -8, -6, mb), p(2, -2, 0, mb)}, "[1 2]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(numbers(planMerge(tt.parts, tt.end*h, tt.retention))); got != tt.want {
				t.Errorf("planned %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAMergeChangesNoAnswer(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 20, 30, scenarioStart)
	before, parts := all(t, db), db.Stats()
	q, err := db.Querier(0, 1<<60) // goes on reading the parts that are merged
	if err != nil {
		t.Fatal(err)
	}
	cs, err := q.Select(context.Background(), 0, 1<<60)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.retire(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := db.Stats()
	if after.Parts >= parts.Parts-5 || after.PartBytes >= parts.PartBytes {
		t.Errorf("%d parts of %d bytes became %d of %d", parts.Parts, parts.PartBytes, after.Parts, after.PartBytes)
	}
	verifySame(t, all(t, db), before)
	for _, c := range cs {
		for i := range c.Len() {
			if _, err := c.Values(i, 0, len(c.Times()), nil); err != nil {
				t.Error(err)
			}
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	es, err := m.ReadDir("data/parts")
	if err != nil || len(es) != after.Parts {
		t.Errorf("%d directories, %d parts live: %v", len(es), after.Parts, err)
	}
}

func TestADamagedPartIsNotMergedAndServesWhatCanBeRead(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 20, 30, scenarioStart)
	victim, before := db.parts.list[4], len(db.parts.list)
	mint, maxt := victim.meta.MinTime, victim.meta.MaxTime
	want := all(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(victim.dir, "data")
	mp, err := m.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	data := slices.Clone(mp.Data())
	data[10] ^= 4
	f, err := m.Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if db, err = testDB(t, m, "off"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.retire(context.Background()); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(db.parts.list, func(p *part) bool { return p.number == victim.number })
	if at < 0 || !db.parts.list[at].damaged.Load() {
		t.Fatal("the damaged part is gone, or not known as such")
	}
	if n := len(db.parts.list); n != before-2 { // the three of the first day
		t.Errorf("%d parts of %d: the others were not merged", n, before)
	}
	q, err := db.Querier(mint, maxt)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cs, err := q.Select(context.Background(), mint, maxt)
	for _, c := range cs {
		if err == nil {
			_, err = c.Values(0, 0, len(c.Times()), nil)
		}
	}
	if err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("a query of damaged bytes: %v", err)
	}
	got := within(t, db, maxt+1, 1<<60)
	for id, v := range within(t, db, 0, mint-1) {
		got[id] = v
	}
	for id := range want {
		if id.t >= mint && id.t <= maxt {
			delete(want, id)
		}
	}
	verifySame(t, got, want)
}

func TestAMergeGivesWayToWhoeverWaits(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(t, db, 20, 30, scenarioStart)
	before, want := numbers(db.parts.list), all(t, db)
	db.waiting.Add(1)
	if err := db.retire(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := numbers(db.parts.list); !slices.Equal(got, before) {
		t.Errorf("parts %v became %v", before, got)
	}
	if es, err := m.ReadDir("data/parts"); err != nil || len(es) != len(before) {
		t.Errorf("%d directories of %d parts: %v", len(es), len(before), err)
	}
	db.waiting.Add(-1)
	if err := db.retire(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(db.parts.list) >= len(before) {
		t.Errorf("%d parts: nothing was merged afterwards", len(db.parts.list))
	}
	verifySame(t, all(t, db), want)
}
