package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

func newFS(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("w"); err != nil {
		t.Fatal(err)
	}
	if err := m.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	return m
}

func appendAll(t testing.TB, l *wal.Log, recs ...string) {
	t.Helper()
	for _, r := range recs {
		l.Room(len(r))
		pos, err := l.Append(7, []byte(r))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(pos); err != nil {
			t.Fatal(err)
		}
	}
}

type got struct {
	data string
	gap  bool
}

func replay(t testing.TB, fs vfs.FS, from uint64) ([]got, wal.Report) {
	t.Helper()
	var out []got
	last := wal.Pos(0)
	rep, err := wal.Replay(fs, "w", from, func(r wal.Record) error {
		if r.Type != 7 || r.Pos <= last {
			t.Errorf("record type %d at %d after %d", r.Type, r.Pos, last)
		}
		last = r.Pos
		out = append(out, got{string(r.Data), r.Gap})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, rep
}

func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("record %d %s", i, bytes.Repeat([]byte{'x'}, i%50)))
	}
	return out
}

func TestWhatWasCommittedIsReplayedInOrderAcrossSegments(t *testing.T) {
	fs := newFS(t)
	l := wal.Open(fs, "w", 1, wal.Options{SegmentSize: 1000})
	recs := numbered(200)
	appendAll(t, l, recs...)
	got, rep := replay(t, fs.Kill(), 0) // without Close
	if len(got) != len(recs) || rep.Torn != 0 || len(rep.Damage) != 0 || rep.Last < 5 {
		t.Fatalf("%d records, report %+v", len(got), rep)
	}
	for i, g := range got {
		if g.data != recs[i] || g.gap {
			t.Fatalf("record %d is %+v", i, g)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(7, nil); !errors.Is(err, wal.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if got, _ := replay(t, fs.Crash(nil), 0); len(got) != len(recs) {
		t.Errorf("a power cut after Close lost %d records", len(recs)-len(got))
	}
}

func TestEveryTearOfTheLastRecordIsCutOff(t *testing.T) {
	fs := newFS(t)
	l := wal.Open(fs, "w", 1, wal.Options{})
	var ends []int64 // of the file after each record
	for _, r := range []string{"one", "two", "three"} {
		appendAll(t, l, r)
		st, err := fs.Stat("w/00000001.wal")
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, st.Size())
	}
	for size := ends[2] - 1; size >= 0; size-- {
		c := fs.Kill()
		if err := c.Truncate("w/00000001.wal", size); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, end := range ends[:2] {
			if size >= end {
				want++
			}
		}
		got, rep := replay(t, c, 0)
		if len(got) != want || len(rep.Damage) != 0 {
			t.Fatalf("cut to %d bytes: %d records, want %d; %+v", size, len(got), want, rep)
		}
		if again, rep := replay(t, c, 0); len(again) != want || rep.Torn != 0 {
			t.Fatalf("cut to %d bytes: the second replay has %d records, tore %d", size, len(again), rep.Torn)
		}
	}
}

func TestAFlippedByteLosesOneRecordAndIsReported(t *testing.T) {
	fs := newFS(t)
	l := wal.Open(fs, "w", 1, wal.Options{SegmentSize: 400})
	recs := numbered(40)
	appendAll(t, l, recs...)
	segs, err := wal.Segments(fs, "w")
	if err != nil || len(segs) < 3 {
		t.Fatal(segs, err)
	}
	name := filepath.Join("w", wal.SegmentName(segs[1]))
	st, err := fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(0); at < st.Size(); at++ {
		c := fs.Kill()
		flip(t, c, name, at)
		got, rep := replay(t, c, 0)
		if len(rep.Damage) != 1 || !errors.Is(rep.Damage[0], wal.ErrCorrupt) {
			t.Fatalf("byte %d: report %+v", at, rep)
		}
		if at >= wal.SegmentHeader && len(got) != len(recs)-1 {
			t.Fatalf("byte %d: %d records of %d", at, len(got), len(recs))
		}
		gaps := 0
		for _, g := range got {
			if g.gap {
				gaps++
			}
		}
		if gaps != 1 {
			t.Fatalf("byte %d: %d gaps", at, gaps)
		}
	}
}

func flip(t testing.TB, fs vfs.FS, name string, at int64) {
	t.Helper()
	m, err := fs.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(m.Data())
	data[at] ^= 0x40
	f, err := fs.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentCommitsShareSyncsAndLoseNothing(t *testing.T) {
	fs := newFS(t)
	syncs := 0
	var mu sync.Mutex
	fs.Hook(func(op vfs.Op) error {
		if op.Kind == "sync" {
			mu.Lock()
			syncs++
			mu.Unlock()
		}
		return nil
	})
	l := wal.Open(fs, "w", 1, wal.Options{SyncAlways: true, SegmentSize: 10000})
	var wg sync.WaitGroup
	var writer sync.Mutex
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				writer.Lock()
				l.Room(10)
				pos, err := l.Append(7, []byte("0123456789"))
				writer.Unlock()
				if err == nil {
					err = l.Commit(pos)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if got, _ := replay(t, fs.Crash(nil), 0); len(got) != 800 {
		t.Errorf("%d records of 800 outlived the power cut", len(got))
	}
	t.Logf("%d syncs for 800 commits", syncs)
}

// A disk that fails at any operation: what Commit acknowledged is there after a power cut, and a failed log
// takes nothing until Reset.
func TestAFailingDiskLosesNothingAcknowledged(t *testing.T) {
	for at := range 60 {
		for _, tear := range []bool{false, true} {
			fs := newFS(t)
			n := 0
			fs.Hook(func(op vfs.Op) error {
				if n++; n != at+1 {
					return nil
				}
				if tear && op.Kind == "write" {
					return &vfs.TornWrite{Keep: op.Size / 2, Err: syscall.ENOSPC}
				}
				return syscall.ENOSPC
			})
			l := wal.Open(fs, "w", 1, wal.Options{SyncAlways: true, SegmentSize: 200})
			acked := 0
			for i := range 20 {
				l.Room(10)
				pos, err := l.Append(7, fmt.Appendf(nil, "%d", i))
				if err == nil {
					err = l.Commit(pos)
				}
				if err != nil {
					if !errors.Is(err, wal.ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
						t.Fatal(err)
					}
					break
				}
				acked++
			}
			got, rep := replay(t, fs.Crash(func(_ string, n int) int { return rand.IntN(n + 1) }), 0)
			if len(got) < acked || len(rep.Damage) != 0 {
				t.Fatalf("operation %d failed (tear %v): %d acknowledged, %d there, %+v", at, tear, acked, len(got), rep)
			}
			if acked == 20 {
				continue
			}
			if _, err := l.Append(7, nil); !errors.Is(err, wal.ErrFailed) {
				t.Fatalf("a failed log took a record: %v", err)
			}
			first := l.Reset()
			appendAll(t, l, "after")
			if got, _ := replay(t, fs.Crash(nil), first); len(got) != 1 || got[0].data != "after" {
				t.Fatalf("after Reset: %v", got)
			}
		}
	}
}

func TestAnotherVersionIsNotTakenForDamage(t *testing.T) {
	fs := newFS(t)
	l := wal.Open(fs, "w", 1, wal.Options{})
	appendAll(t, l, "one")
	m, err := fs.Map("w/00000001.wal")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(m.Data())
	data[4] = 1
	binary.LittleEndian.PutUint32(data[16:], crc32.Checksum(data[:16], crc32.MakeTable(crc32.Castagnoli)))
	f, err := fs.Create("w/00000001.wal")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Replay(fs, "w", 0, func(wal.Record) error { return nil }); err == nil || !strings.Contains(err.Error(), "has version 1, this hearth reads 3") {
		t.Errorf("replay says %v", err)
	}
}

// Records of many sizes in one write: those that compress, those that do not, and more than a batch holds.
func TestBatchesHoldAnyRecords(t *testing.T) {
	fs := newFS(t)
	l := wal.Open(fs, "w", 1, wal.Options{SegmentSize: 5 << 20})
	r := rand.New(rand.NewPCG(1, 2))
	var want [][]byte
	size := 0
	for size < 12<<20 {
		data := make([]byte, r.IntN(1<<r.IntN(20)))
		if r.IntN(2) == 0 {
			for i := range data {
				data[i] = byte(r.Uint32())
			}
		}
		l.Room(len(data))
		pos, err := l.Append(7, data)
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(5) == 0 {
			if err := l.Commit(pos); err != nil {
				t.Fatal(err)
			}
		}
		want, size = append(want, data), size+len(data)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, rep := replay(t, fs, 0)
	if len(got) != len(want) || len(rep.Damage) > 0 || rep.Bytes != int64(size) {
		t.Fatalf("%d records of %d, %+v", len(got), len(want), rep)
	}
	for i := range got {
		if got[i].data != string(want[i]) {
			t.Fatalf("record %d is another", i)
		}
	}
	st, err := fs.Stat("w/00000001.wal")
	if err != nil || st.Size() > 4<<20 {
		t.Errorf("the first segment has %d bytes, %v: half of 5 MiB are zeros", st.Size(), err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(wal.AppendRecord(wal.AppendRecord(nil, 3, 1, []byte("hello")), 3, 2, nil))
	f.Add([]byte("nothing of the kind"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wal.NewReader(bytes.NewReader(b), "x", 3, 0)
		for range len(b) + 2 {
			if _, _, err := r.Next(); err != nil && !errors.Is(err, wal.ErrCorrupt) {
				return
			}
		}
		t.Fatal("the reader does not end")
	})
}

func BenchmarkAppendCommit(b *testing.B) {
	l := wal.Open(vfs.OS{}, b.TempDir(), 1, wal.Options{})
	rec := make([]byte, 4096)
	b.SetBytes(4096)
	for b.Loop() {
		l.Room(len(rec))
		pos, err := l.Append(1, rec)
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Commit(pos); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
