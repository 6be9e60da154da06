package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// TestRandomOperationsAgreeWithAMap appends by rows and by series, in order and out of it, and cuts, merges,
// checkpoints, queries, restarts and crashes at random, under options that change what happens when and must
// not change the answers.
func TestRandomOperationsAgreeWithAMap(t *testing.T) {
	for i, o := range []Options{
		{Sync: "off"},
		{Sync: "always", CheckpointBytes: 2000, SegmentSize: 1500},
		{Sync: "200ms", CheckpointBytes: 20_000, SegmentSize: 4000, OutOfOrderWindow: 3 * time.Hour},
		{Sync: "off", CheckpointBytes: 5000, SegmentSize: 100_000, OutOfOrderWindow: 30 * time.Hour},
		{Sync: "off", CheckpointBytes: 8000, Retention: 100 * time.Hour, OutOfOrderWindow: 10 * time.Minute},
	} {
		seeds := uint64(6)
		switch {
		case os.Getenv("HEARTH_SOAK") != "":
			seeds = 400
		case testing.Short():
			seeds = 2
		}
		for seed := range seeds {
			t.Run(fmt.Sprintf("options %d, seed %d", i, seed), func(t *testing.T) {
				o.Dir, o.Clock = "data", func() time.Time { return time.UnixMilli(1 << 42) }
				m := &modelRun{t: t, r: rand.New(rand.NewPCG(seed, uint64(i))), o: o, fs: vfs.NewMem(),
					want: map[sampleID]float64{}, labels: map[string]labels.Labels{}, now: scenarioStart}
				mustMkdir(t, m.fs)
				m.open()
				for range 500 {
					m.step()
				}
				m.compare("at the end")
				m.restart(true)
				m.compare("after a restart")
				if err := m.db.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

type modelRun struct {
	t      *testing.T
	r      *rand.Rand
	o      Options
	fs     *vfs.Mem
	db     *DB
	want   map[sampleID]float64
	labels map[string]labels.Labels
	now    int64
	group  storage.Group
	slots  []storage.Slot
	churn  int
	gone   []deletion
	snaps  int
}

// deletion is what a test has had deleted.
type deletion struct {
	ms         []*labels.Matcher
	mint, maxt int64
}

// hides tells whether a late sample may be taken for one that was deleted.
func (m *modelRun) hides(ls labels.Labels, at int64) bool {
	return slices.ContainsFunc(m.gone, func(d deletion) bool {
		return at >= d.mint && at <= d.maxt && compact.Matches(ls, d.ms)
	})
}

// delete deletes some samples of some series.
func (m *modelRun) delete() {
	d := deletion{ms: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "batch")}}
	switch m.r.IntN(4) {
	case 0:
		d.ms = []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", fmt.Sprintf("row1?%d", m.r.IntN(3)))}
	case 1:
		d.ms = append(d.ms, labels.MustNewMatcher(labels.MatchRegexp, "n", fmt.Sprintf(".*%d", m.r.IntN(10))))
	case 2:
		d.ms = append(d.ms, labels.MustNewMatcher(labels.MatchEqual, "n", fmt.Sprint(m.churn/3*10+m.r.IntN(20))))
	}
	d.mint = scenarioStart + m.r.Int64N(m.now-scenarioStart+1)
	d.maxt = d.mint + m.r.Int64N(5*3600_000)
	if m.r.IntN(4) == 0 {
		d.mint, d.maxt = math.MinInt64, math.MaxInt64
	}
	if err := m.db.Delete(context.Background(), d.mint, d.maxt, d.ms...); err != nil {
		m.t.Fatal(err)
	}
	d.maxt = min(d.maxt, m.now)
	m.gone = append(m.gone, d)
	for id := range m.want {
		if id.t >= d.mint && id.t <= d.maxt && compact.Matches(m.labels[id.series], d.ms) {
			delete(m.want, id)
		}
	}
	m.compare("after a deletion")
}

// snapshot opens a snapshot of what is there, and goes on with it now and then.
func (m *modelRun) snapshot() {
	m.snaps++
	dir := fmt.Sprint("snap", m.snaps)
	if err := m.db.Snapshot(context.Background(), dir); err != nil {
		m.t.Fatal(err)
	}
	if m.r.IntN(2) == 0 {
		if err := m.db.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.o.Dir = dir
		m.open()
		m.compare("after moving to a snapshot")
		return
	}
	o := m.o
	o.Dir, o.FS = dir, m.fs
	db, err := Open(o)
	if err != nil {
		m.t.Fatal(err)
	}
	verifySame(m.t, all(m.t, db), m.want)
	if err := db.Close(); err != nil {
		m.t.Fatal(err)
	}
}

// remember notes the labels of a series by their text.
func (m *modelRun) remember(ls labels.Labels) string {
	k := ls.String()
	m.labels[k] = ls
	return k
}

func (m *modelRun) rowSeries(i int) labels.Labels {
	return labels.FromStrings("__name__", fmt.Sprint("row", i), "instance", "a", "job", "rows")
}

func (m *modelRun) open() {
	m.o.FS = m.fs
	db, err := Open(m.o)
	if err != nil {
		m.t.Fatal(err)
	}
	m.db, m.slots = db, nil
	if m.group, err = db.Group(labels.FromStrings("instance", "a", "job", "rows")); err != nil {
		m.t.Fatal(err)
	}
	for i := range 12 {
		s, err := m.group.Slot(m.rowSeries(i))
		if err != nil {
			m.t.Fatal(err)
		}
		m.slots = append(m.slots, s)
	}
}

// restart closes the database or has it killed, and opens it again on what is on the disk.
func (m *modelRun) restart(clean bool) {
	if !clean {
		disk := m.fs.Kill()
		m.db.Close() // what it writes now is not on that disk
		m.fs = disk
	} else {
		if err := m.db.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.fs = m.fs.Kill()
	}
	m.open()
}

func (m *modelRun) step() {
	ctx := context.Background()
	switch n := m.r.IntN(100); {
	case n < 35:
		m.row()
	case n < 70:
		m.batch()
	case n < 72:
		m.now += m.r.Int64N(5 * 3600_000) // nothing comes for a while
	case n < 75:
		m.churn++
	case n < 83:
		if err := m.db.maintain(ctx); err != nil {
			m.t.Fatal(err)
		}
	case n < 86:
		before := len(m.db.parts.list)
		if err := m.db.retire(ctx); err != nil {
			m.t.Fatal(err)
		}
		if len(m.db.parts.list) < before {
			m.compare("after a merge")
		}
	case n < 88:
		m.delete()
	case n < 89:
		if err := m.db.CleanTombstones(ctx); err != nil {
			m.t.Fatal(err)
		}
		m.compare("after the tombstones are cleaned")
	case n < 90:
		m.snapshot()
	case n < 92:
		m.restart(m.r.IntN(2) == 0)
	default:
		lo := scenarioStart + m.r.Int64N(m.now-scenarioStart+1)
		hi := lo + m.r.Int64N(6*3600_000)
		ms := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "job", "rows")}
		if m.r.IntN(2) == 0 {
			ms = []*labels.Matcher{labels.MustNewMatcher(labels.MatchNotRegexp, "n", ".*[13579]"), labels.MustNewMatcher(labels.MatchNotEqual, "job", "rows")}
		}
		got, want := within(m.t, m.db, lo, hi, ms...), map[sampleID]float64{}
		for id, v := range m.want {
			rows := id.series[len(id.series)-len(`job="rows"}`):] == `job="rows"}`
			odd := false
			for d := 1; d < 10; d += 2 {
				odd = odd || len(id.series) > 3 && id.series[len(id.series)-3:] == fmt.Sprintf(`%d"}`, d)
			}
			if id.t >= lo && id.t <= hi && rows == (len(ms) == 1) && (rows || !odd) {
				want[id] = v
			}
		}
		verifySame(m.t, got, want)
	}
}

func (m *modelRun) compare(what string) {
	m.t.Helper()
	got := all(m.t, m.db)
	for id, v := range m.want {
		if g, ok := got[id]; !ok || math.Float64bits(g) != math.Float64bits(v) {
			m.t.Fatalf("%s: %v = %v is %v, %v", what, id, v, g, ok)
		}
	}
	if len(got) != len(m.want) {
		m.t.Fatalf("%s: %d samples, want %d", what, len(got), len(m.want))
	}
}

func (m *modelRun) row() {
	m.now += 1 + m.r.Int64N(120_000)
	at := m.now
	if m.r.IntN(12) == 0 {
		at -= m.r.Int64N(4 * 3600_000)
	}
	var slots []storage.Slot
	var vals []float64
	var ids []sampleID
	for i, s := range m.slots {
		if i == 11 && m.r.IntN(20) > 0 || m.r.IntN(15) == 0 { // one that is rare, gaps in the others
			continue
		}
		if at < m.now && m.hides(m.rowSeries(i), at) {
			continue
		}
		slots, vals = append(slots, s), append(vals, float64(m.r.IntN(5000))/10)
		ids = append(ids, sampleID{m.remember(m.rowSeries(i)), at})
	}
	err := m.group.Append(at, slots, vals)
	if m.refused(err, at) {
		return
	}
	for i, id := range ids {
		m.want[id] = vals[i]
	}
}

// refused tells whether an append was refused for a reason that it can have.
func (m *modelRun) refused(err error, at int64) bool {
	switch {
	case err == nil:
		return false
	case at == m.now: // newer than everything
		m.t.Fatalf("a sample in order at %d was refused: %v", at, err)
	case errors.Is(err, storage.ErrOutOfOrder), errors.Is(err, storage.ErrDuplicate), errors.Is(err, storage.ErrTooOld):
		return true
	default:
		m.t.Fatal(err)
	}
	return true
}

func (m *modelRun) batch() {
	m.now += 1 + m.r.Int64N(60_000)
	for range 1 + m.r.IntN(8) {
		at := m.now
		if m.r.IntN(6) == 0 {
			at -= m.r.Int64N(6 * 3600_000)
		}
		ls := labels.FromStrings("__name__", "m", "job", "batch", "n", fmt.Sprint(m.churn/3*10+m.r.IntN(20)))
		if m.r.IntN(4) == 0 {
			m.histogram(at)
			continue
		}
		if m.r.IntN(15) == 0 {
			ls = m.rowSeries(m.r.IntN(12)) // the series of a scrape, from somebody else
		}
		if at < m.now && m.hides(ls, at) {
			continue
		}
		m.remember(ls)
		v := float64(m.r.IntN(1e6))
		if was, ok := m.want[sampleID{ls.String(), at}]; ok {
			v = was // another value is refused or wins, by where the first one is now
		}
		err := m.db.Append(context.Background(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: at, V: v}}}})
		if !m.refused(err, at) {
			m.want[sampleID{ls.String(), at}] = v
		}
	}
}

// histogram appends a histogram, or now and then a number to a series that has histograms.
func (m *modelRun) histogram(at int64) {
	ls := labels.FromStrings("__name__", "hist", "job", "batch", "n", fmt.Sprint(m.churn/3*10+m.r.IntN(5)))
	if at < m.now && m.hides(ls, at) {
		return
	}
	id := sampleID{m.remember(ls), at}
	h := someHistogram(m.r.IntN(40))
	s, v := model.Series{Labels: ls, Histograms: []model.Histogram{{T: at, H: h}}}, fingerprint(h.ToFloat(nil))
	switch m.r.IntN(12) {
	case 0:
		v = float64(m.r.IntN(1e6))
		s = model.Series{Labels: ls, Samples: []model.Sample{{T: at, V: v}}}
	case 1:
		fh := h.ToFloat(nil)
		fh.ZeroCount += 0.1
		s.Histograms[0], v = model.Histogram{T: at, FH: fh}, fingerprint(fh)
	}
	was, there := m.want[id]
	switch err := m.db.Append(context.Background(), []model.Series{s}); {
	case there && was != v && !errors.Is(err, storage.ErrDuplicate) && !errors.Is(err, storage.ErrTooOld):
		m.t.Fatalf("%s at %d took another sample than it has: %v", ls, at, err)
	case !there && !m.refused(err, at):
		m.want[id] = v
	}
}
