package tsdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TSDB_TEST_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// child appends until it is killed, and prints the time of each row after it was acknowledged.
func child(dir string) {
	db, err := Open(Options{Dir: dir, Sync: "off", CheckpointBytes: 20000, SegmentSize: 8000})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() {
		for {
			if err := db.maintain(context.Background()); err != nil {
				fmt.Println("error", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	common := labels.FromStrings("job", "child")
	g, err := db.Group(common)
	if err != nil {
		os.Exit(1)
	}
	var slots []storage.Slot
	for i := range 20 {
		s, err := g.Slot(labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "job", "child"))
		if err != nil {
			os.Exit(1)
		}
		slots = append(slots, s)
	}
	vals := make([]float64, len(slots))
	start := int64(1_600_000_000_000)
	if newest := db.Stats().MaxTime; newest != math.MinInt64 {
		start = newest
	}
	for t := start + 15000; ; t += 15000 {
		for i := range vals {
			vals[i] = float64(t/15000*int64(i+1)) / 8
		}
		if err := g.Append(t, slots, vals); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(t)
	}
}

func TestAProcessThatIsKilledLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acked := map[int64]bool{}
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TSDB_TEST_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		n, killed := 0, false
		for sc.Scan() {
			var at int64
			if _, err := fmt.Sscan(sc.Text(), &at); err != nil {
				t.Fatalf("child says %q", sc.Text())
			}
			acked[at] = true
			// Its last life goes on until parts were cut, however slow the disk is: all but the newest are in the manifest.
			n++
			due := n >= 1500+round*317 && (round < 3 || n%100 == 0 && (partDirs(t, dir) >= 2 || n > 1_000_000))
			if due && !killed {
				killed = true
				if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		db, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got := all(t, db)
		for at := range acked {
			for i := range 20 {
				k := labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "job", "child").String()
				if v, ok := got[sampleID{k, at}]; !ok || v != float64(at/15000*int64(i+1))/8 {
					t.Fatalf("round %d: m%d at %d: %v %v", round, i, at, v, ok)
				}
			}
		}
		st := db.Stats()
		if round == 3 && st.Parts == 0 {
			t.Errorf("no part was cut: %+v", st)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rows of 20 acknowledged in four lives", len(acked))
}

// partDirs counts the parts that have their name, in the manifest or not yet.
func partDirs(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "parts", "????????"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func seriesN(i int) labels.Labels {
	return labels.FromStrings("__name__", fmt.Sprintf("m%d", i%7), "job", "x", "n", fmt.Sprint(i))
}

func one(ls labels.Labels, t int64, v float64) []model.Series {
	return []model.Series{{Labels: ls, Samples: []model.Sample{{T: t, V: v}}}}
}

func TestRefusalsNameTheirReason(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	now := int64(1_700_000_000_000)
	db, err := Open(Options{Dir: "data", FS: m, Retention: 24 * time.Hour, Clock: func() time.Time { return time.UnixMilli(now) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, ls := context.Background(), seriesN(1)
	for i := range int64(100) {
		if err := db.Append(ctx, one(ls, now-1_000_000+i*1000, float64(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		in   []model.Series
		want error
	}{
		{"another value at the same time", one(ls, now-1_000_000+99_000, 7), storage.ErrDuplicate},
		{"another value at a time that is sealed", one(ls, now-1_000_000+5_000, 7), storage.ErrDuplicate},
		{"the same value again is fine", one(ls, now-1_000_000+99_000, 99), nil},
		{"the same value again, sealed, is fine", one(ls, now-1_000_000+5_000, 5), nil},
		{"older than all that is open", one(ls, now-1_000_000+5_500, 7), storage.ErrOutOfOrder},
		{"older than the retention", one(ls, now-25*3600*1000-1_000_000, 7), storage.ErrTooOld},
		{"a year ahead", one(ls, now+365*24*3600*1000, 7), storage.ErrTooNew},
		{"a little older, within the open rows", one(ls, now-1_000_000+98_500, 7), nil},
		{"behind the others but new", one(seriesN(2), now-1_000_000+5_500, 7), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := db.Append(ctx, append(one(seriesN(3), now, 1), tt.in...))
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			var ae *storage.AppendError
			if tt.want != nil && (!errors.As(err, &ae) || ae.Rejected != 1 || ae.Stored != 1) {
				t.Errorf("got %+v", ae)
			}
		})
	}
	if err := db.Append(ctx, one(labels.EmptyLabels(), now, 1)); err == nil {
		t.Error("a series without labels was taken")
	}
	many := labels.NewBuilder(labels.FromStrings("__name__", "many"))
	for i := range 1024 {
		many.Set(fmt.Sprint("l", i), "v")
	}
	g, err := db.Group(labels.FromStrings("job", "x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ls := range []labels.Labels{many.Labels(), labels.FromStrings("__name__", "large", "l", strings.Repeat("v", 1<<20))} {
		err := db.Append(ctx, append(one(seriesN(4), now, 1), one(ls, now, 1)...))
		var ae *storage.AppendError
		if !errors.Is(err, storage.ErrLimit) || !errors.As(err, &ae) || ae.Stored != 1 || !strings.Contains(err.Error(), ls.Get("__name__")) || len(err.Error()) > 300 {
			t.Errorf("labels that are too many or too long: %v", err)
		}
		if _, err := g.Slot(ls); !errors.Is(err, storage.ErrLimit) {
			t.Errorf("a slot for such labels: %v", err)
		}
	}
}

func TestARowIsStoredAsAWholeOrNotAtAll(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g, err := db.Group(labels.FromStrings("job", "x"))
	if err != nil {
		t.Fatal(err)
	}
	var slots []storage.Slot
	for i := range 3 {
		s, err := g.Slot(seriesN(i))
		if err != nil {
			t.Fatal(err)
		}
		slots = append(slots, s)
	}
	if err := g.Append(1000, slots[:2], []float64{1, 2}); err != nil {
		t.Fatal(err)
	}
	before := all(t, db)
	if err := g.Append(1000, slots, []float64{1, 3, 4}); !errors.Is(err, storage.ErrDuplicate) {
		t.Fatalf("got %v", err)
	}
	if got := all(t, db); len(got) != len(before) {
		t.Fatalf("a refused row left %d samples", len(got)-len(before))
	}
	if err := g.Append(2000, []storage.Slot{slots[0], slots[0]}, []float64{1, 2}); err == nil {
		t.Error("a row that names a series twice was taken")
	}
	if err := g.Append(1000, []storage.Slot{slots[2], slots[1], slots[2]}, []float64{4, 2, 5}); err == nil || len(all(t, db)) != len(before) {
		t.Errorf("a row that is there and now names a series twice was taken: %v", err)
	}
	if err := g.Append(2000, []storage.Slot{99}, []float64{1}); err == nil {
		t.Error("a slot that was never given out was taken")
	}
	if err := g.Append(1000, slots, []float64{1, 2, 4}); err != nil {
		t.Errorf("the rest of a row: %v", err)
	}
	other, err := db.Group(labels.FromStrings("job", "y"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := other.Slot(seriesN(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Append(3000, []storage.Slot{s}, []float64{9}); err != nil {
		t.Fatal(err)
	}
	if got := all(t, db); got[sampleID{seriesN(0).String(), 3000}] != 9 || len(got) != 4 {
		t.Errorf("a series of another group: %v", got)
	}
}

func TestADirectoryIsUsedByOneDatabaseAtATime(t *testing.T) {
	dir := t.TempDir()
	reg := prometheus.NewRegistry()
	db, err := Open(Options{Dir: dir, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("a second Open: %v", err)
	}
	other := t.TempDir()
	if err := os.Mkdir(filepath.Join(other, "LOCK"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: other}); err == nil || strings.Contains(err.Error(), "process") || !strings.Contains(err.Error(), "LOCK") {
		t.Errorf("a lock that cannot be had, though nobody has it: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if _, err := db.Querier(0, 1); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a querier of a closed database: %v", err)
	}
	if err := db.Append(context.Background(), one(seriesN(1), 1, 1)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("an append to a closed database: %v", err)
	}
	if db, err = Open(Options{Dir: dir, Registerer: reg}); err != nil {
		t.Fatal(err)
	}
	if fams, err := reg.Gather(); err != nil || len(fams) < 10 {
		t.Errorf("%d families, %v", len(fams), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"sometimes", "-1s"} {
		if _, err := Open(Options{Dir: dir, Sync: s}); err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("sync = %q: %v", s, err)
		}
	}
}

// fill appends hours of rows and maintains in between.
func fill(t testing.TB, db *DB, series, hours int, start int64) {
	t.Helper()
	for m := range hours * 60 {
		var batch []model.Series
		for i := range series {
			batch = append(batch, one(seriesN(i), start+int64(m)*60_000, float64(m*i))...)
		}
		if err := db.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		if m%10 == 9 {
			if err := db.maintain(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRetentionDropsTheOldestParts(t *testing.T) {
	start := int64(1_600_000_000_000)
	for _, tt := range []struct {
		name string
		opts Options
	}{
		{"by time", Options{Retention: 6 * time.Hour}},
		{"by size", Options{RetentionBytes: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := vfs.NewMem()
			mustMkdir(t, m)
			o := tt.opts
			o.Dir, o.FS, o.CheckpointBytes = "data", m, 1<<20
			db, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, db, 5, 14, start)
			q, err := db.Querier(math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			cs, err := q.Select(context.Background(), math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			was := db.Stats().Parts
			if err := db.retain(); err != nil {
				t.Fatal(err)
			}
			if st := db.Stats(); st.Parts >= was || tt.opts.RetentionBytes > 0 && st.Parts != 0 {
				t.Errorf("%d parts before, %d after", was, st.Parts)
			}
			for _, c := range cs { // a querier that was open goes on reading
				for i := range c.Len() {
					if _, err := c.Values(i, 0, len(c.Times()), nil); err != nil {
						t.Error(err)
					}
				}
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			got := all(t, db)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			es, err := m.ReadDir("data/parts")
			if err != nil || len(es) != db.partsLive() {
				t.Errorf("%d directories, %d parts live, %v", len(es), db.partsLive(), err)
			}
			if db, err = Open(o); err != nil {
				t.Fatal(err)
			}
			if again := all(t, db); len(again) != len(got) {
				t.Errorf("%d samples, %d after a restart", len(got), len(again))
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (db *DB) partsLive() int { return len(db.parts.manifest.live) }

func TestADamagedPartIsSetAsideAndTheRestServes(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 5, 10, scenarioStart)
	want := all(t, db)
	var victim *part
	for _, p := range db.parts.list[1:] {
		victim = p
	}
	mint, maxt := victim.meta.MinTime, victim.meta.MaxTime
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	es, err := m.ReadDir(victim.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if err := m.Truncate(filepath.Join(victim.dir, e.Name()), 3); err != nil {
			t.Fatal(err)
		}
	}
	if db, err = testDB(t, m, "off"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := all(t, db)
	for id, v := range want {
		if g, ok := got[id]; (!ok || g != v) && (id.t < mint || id.t > maxt) {
			t.Fatalf("%v outside of the damaged part is gone", id)
		}
	}
	if len(got) == len(want) || len(got) == 0 {
		t.Errorf("%d samples of %d", len(got), len(want))
	}
	if _, err := m.Stat(victim.dir + ".damaged"); err != nil {
		t.Errorf("the damaged part is not set aside: %v", err)
	}
}

// Any byte of any file of the write side flipped, and any file cut at any length: the database opens and never shows a
// value that was not sent. With HEARTH_SOAK set it does all of that, else some.
func TestAFlippedByteNeverShowsAWrongValue(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	s := newScenario(t, db, true)
	s.run()
	disk := m.Kill()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, d := range []string{"data", "data/wal", "data/head"} {
		es, err := disk.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			if !e.IsDir() && e.Name() != "LOCK" {
				files = append(files, d+"/"+e.Name())
			}
		}
	}
	if len(files) < 4 {
		t.Fatalf("files: %v", files)
	}
	r := rand.New(rand.NewPCG(1, 1))
	type damage struct {
		name string
		at   int
		cut  bool
	}
	var todo []damage
	for _, name := range files {
		mp, err := disk.Map(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := range mp.Data() {
			todo = append(todo, damage{name, at, false}, damage{name, at, true})
		}
	}
	if os.Getenv("HEARTH_SOAK") == "" {
		r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
		todo = todo[:500]
	}
	for _, d := range todo {
		c, name, at := disk.Kill(), d.name, d.at
		mp, err := c.Map(name)
		if err != nil {
			t.Fatal(err)
		}
		data := slices.Clone(mp.Data())
		if d.cut {
			data = data[:at]
		} else {
			data[at] ^= 1 << r.IntN(8)
		}
		f, err := c.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		db, err := testDB(t, c, "off")
		if err != nil {
			t.Fatalf("%s, byte %d: %v", name, at, err)
		}
		got := all(t, db)
		for id, v := range got {
			if want, ok := s.sent[id]; !ok || want != v {
				t.Fatalf("%s, byte %d: %v = %v was never sent", name, at, id, v)
			}
			if s.gone[id] {
				t.Fatalf("%s, byte %d: %v = %v was deleted", name, at, id, v)
			}
		}
		if len(got) < len(s.acked)/4 || filepath.Base(name) == manifestName && len(got) < len(s.acked) {
			t.Errorf("%s, byte %d: only %d of %d samples are left", name, at, len(got), len(s.acked))
		}
		if err := db.Append(context.Background(), one(seriesN(9), scenarioStart+80*scenarioStep, 1)); err != nil {
			t.Fatalf("%s, byte %d: %v", name, at, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		sent := map[sampleID]float64{{seriesN(9).String(), scenarioStart + 80*scenarioStep}: 1}
		for id, v := range s.sent {
			sent[id] = v
		}
		verifyDir(t, fmt.Sprintf("%s, byte %d, a life later", name, at), c.Kill(), "data", promise{acked: got}, sent)
	}
}

func TestSeriesThatComeAndGoLeaveTheHead(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := Open(Options{Dir: "data", FS: m, Retention: 4 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g, err := db.Group(labels.FromStrings("job", "x"))
	if err != nil {
		t.Fatal(err)
	}
	start := int64(1_600_000_000_000)
	first, err := g.Slot(seriesN(1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for minute := range 24 * 60 {
		at := start + int64(minute)*60_000
		generation := minute / 30
		var batch []model.Series
		for i := range 20 {
			batch = append(batch, one(seriesN(generation*1000+i), at, float64(minute))...)
		}
		if err := db.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		s, err := g.Slot(labels.FromStrings("__name__", "scraped", "job", "x", "generation", fmt.Sprint(generation)))
		if err != nil {
			t.Fatal(err)
		}
		slots := []storage.Slot{s}
		if minute%500 == 0 { // a slot stays valid though its series left the head in between
			slots = append(slots, first)
		}
		if err := g.Append(at, slots, make([]float64, len(slots))); err != nil {
			t.Fatal(err)
		}
		if minute%5 == 0 {
			if err := db.maintain(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := db.retain(); err != nil {
				t.Fatal(err)
			}
		}
		highest = max(highest, db.Stats().Head.Series)
	}
	if highest > 300 {
		t.Errorf("the head had %d series at once; 21 live at any time, and it spans some 4 hours", highest)
	}
	old := within(t, db, start+23*3600_000, math.MaxInt64, labels.MustNewMatcher(labels.MatchEqual, "__name__", "scraped"))
	if len(old) != 60 {
		t.Errorf("%d samples of the last hour", len(old))
	}
}

// Appends, queries, cuts and restarts at the same time; meant for the race detector.
func TestQueriesRunWhileSamplesComeAndPartsAreCut(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(Options{Dir: dir, CheckpointBytes: 50_000, SegmentSize: 20_000, Sync: "10ms"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var background, senders sync.WaitGroup
	background.Add(1)
	go func() {
		defer background.Done()
		if err := db.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	start := int64(1_600_000_000_000)
	const rows = 400
	for s := range 3 {
		senders.Add(1)
		go func() {
			defer senders.Done()
			for r := range rows {
				var batch []model.Series
				for i := range 30 {
					batch = append(batch, one(seriesN(s*30+i), start+int64(r)*60_000, float64(r*i))...)
				}
				if err := db.Append(context.Background(), batch); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for range 2 {
		background.Add(1)
		go func() {
			defer background.Done()
			for ctx.Err() == nil {
				lo := start + rand.Int64N(rows)*60_000
				for id, v := range within(t, db, lo, lo+3600_000) {
					if v != float64(int64(v)) || id.t < lo {
						t.Errorf("%v = %v", id, v)
					}
				}
			}
		}()
	}
	senders.Wait()
	if err := db.maintain(ctx); err != nil {
		t.Error(err)
	}
	if got := all(t, db); len(got) != 3*30*rows {
		t.Errorf("%d samples of %d", len(got), 3*30*rows)
	}
	stop()
	background.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if got := all(t, db); len(got) != 3*30*rows {
		t.Errorf("%d samples of %d after a restart", len(got), 3*30*rows)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSamplesOutOfOrderAreTakenWithinTheWindow(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	o := Options{Dir: "data", FS: m, OutOfOrderWindow: 5 * time.Hour, CheckpointBytes: 4000, SegmentSize: 3000}
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	start, ctx := int64(1_600_000_000_000), context.Background()
	want := map[sampleID]float64{}
	r := rand.New(rand.NewPCG(5, 5))
	for m := range 600 {
		at := start + int64(m)*60_000
		for i := range 4 {
			for _, when := range []int64{at, at - r.Int64N(4*3600_000)} {
				id := sampleID{seriesN(i).String(), when}
				if _, ok := want[id]; ok {
					continue
				}
				if err := db.Append(ctx, one(seriesN(i), when, float64(m+i))); err != nil {
					t.Fatal(err)
				}
				want[id] = float64(m + i)
			}
		}
		if m%7 == 0 {
			if err := db.maintain(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if m%150 == 149 {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if db, err = Open(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	verifySame(t, all(t, db), want)
	if err := db.Append(ctx, one(seriesN(0), start+600*60_000-6*3600_000-1, 1)); !errors.Is(err, storage.ErrOutOfOrder) {
		t.Errorf("older than the window: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func verifySame(t *testing.T, got, want map[sampleID]float64) {
	t.Helper()
	for id, v := range want {
		if g, ok := got[id]; !ok || math.Float64bits(g) != math.Float64bits(v) {
			t.Fatalf("%v = %v is %v, %v; %d of %d samples", id, v, g, ok, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
}

func TestADamagedManifestKeepsThePartsThatCanBeRead(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 3, 9, scenarioStart)
	want := all(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Truncate("data/MANIFEST", 5); err != nil {
		t.Fatal(err)
	}
	if db, err = testDB(t, m, "off"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	verifySame(t, all(t, db), want)
	if _, err := m.Stat("data/MANIFEST.tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a temporary manifest stays")
	}
}

func TestUnionOfLists(t *testing.T) {
	for _, tt := range []struct {
		in   [][]string
		want []string
	}{
		{nil, nil},
		{[][]string{{"a", "b"}}, []string{"a", "b"}},
		{[][]string{nil, {"a"}, nil}, []string{"a"}},
		{[][]string{{"b", "d"}, {"a", "b", "c"}, {"d", "e"}}, []string{"a", "b", "c", "d", "e"}},
	} {
		if got := union(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("union of %q is %q, want %q", tt.in, got, tt.want)
		}
	}
}
