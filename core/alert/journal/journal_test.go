package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

const path = "data/alert/log"

func newDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := errors.Join(m.MkdirAll("data"), m.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t *testing.T, disk vfs.FS) (*Journal, []string, Damage) {
	t.Helper()
	j, entries, damage, err := Open(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		texts = append(texts, string(e))
	}
	return j, texts, damage
}

func add(t *testing.T, j *Journal, entries ...string) {
	t.Helper()
	for _, e := range entries {
		if err := j.Append([]byte(e)); err != nil {
			t.Fatal(err)
		}
	}
}

func want(t *testing.T, disk vfs.FS, entries ...string) {
	t.Helper()
	j, got, damage := open(t, disk)
	defer j.Close()
	if !slices.Equal(got, entries) || damage.Bytes != 0 {
		t.Errorf("on disk %q, %d bytes damaged; want %q", got, damage.Bytes, entries)
	}
}

func TestWhatSurvives(t *testing.T) {
	disk := newDisk(t)
	j, got, _ := open(t, disk)
	if got != nil {
		t.Errorf("a new one holds %q", got)
	}
	if _, err := disk.Stat("data/alert"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a folder before the first entry: %v", err)
	}
	add(t, j, "a", "")
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	add(t, j, "b")
	want(t, disk.Kill(), "a", "", "b")
	want(t, disk.Crash(nil), "a", "")
	for keep := range headSize + 1 { // of the bytes of the last record
		want(t, disk.Crash(func(string, int) int { return keep }), "a", "")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, disk.Crash(nil), "a", "", "b")
	if err := errors.Join(j.Close(), j.Sync()); err != nil {
		t.Error(err)
	}
	if err := j.Append([]byte("c")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("append after the end: %v", err)
	}
}

func TestAfterATornRecordEntriesGoOn(t *testing.T) {
	disk := newDisk(t)
	j, _, _ := open(t, disk)
	add(t, j, "a", "b")
	torn := disk.Kill()
	if err := torn.Truncate(path, j.Size()-1); err != nil {
		t.Fatal(err)
	}
	again, got, _ := open(t, torn)
	if !slices.Equal(got, []string{"a"}) {
		t.Errorf("read %q", got)
	}
	add(t, again, "c")
	want(t, torn, "a", "c")
}

func TestRewriteBesideAppend(t *testing.T) {
	disk := newDisk(t)
	j, _, _ := open(t, disk)
	add(t, j, "old", "older")
	err := j.Rewrite(func() ([][]byte, error) {
		add(t, j, "meanwhile")
		want(t, disk.Kill(), "old", "older", "meanwhile")
		return [][]byte{[]byte("state")}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, disk.Crash(nil), "state", "meanwhile")
	add(t, j, "after")
	want(t, disk.Kill(), "state", "meanwhile", "after")
}

func TestRewriteUnderLoadLosesNothing(t *testing.T) {
	disk := newDisk(t)
	j, _, _ := open(t, disk)
	var state struct { // a set that lives in memory
		sync.Mutex
		all []string
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 200 {
				e := fmt.Sprintf("%d/%d", w, i)
				state.Lock() // as the library does: it tells of a change with its lock held
				state.all = append(state.all, e)
				err := j.Append([]byte(e))
				state.Unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		err := j.Rewrite(func() ([][]byte, error) {
			state.Lock()
			defer state.Unlock()
			var list [][]byte
			for _, e := range state.all {
				list = append(list, []byte(e))
			}
			return list, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	_, got, _ := open(t, disk.Kill())
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != 800 {
		t.Errorf("%d entries, want 800", len(got))
	}
}

func TestEveryFailureOfTheDisk(t *testing.T) {
	full := errors.New("no space left on device")
	for fail := range 40 {
		disk := newDisk(t)
		ops := 0
		disk.Hook(func(op vfs.Op) error {
			ops++
			if ops == fail+1 {
				return &vfs.TornWrite{Keep: 3, Err: full}
			}
			return nil
		})
		j, _, _ := open(t, disk)
		var sure, maybe []string // on disk for certain; on disk, or overtaken by an error
		for _, e := range []string{"a", "b", "c"} {
			if err := j.Append([]byte(e)); err == nil {
				sure = append(sure, e)
			} else if !errors.Is(err, full) {
				t.Fatalf("op %d: %v", fail, err)
			}
			maybe = append(maybe, e)
			if e == "b" {
				state := slices.Clone(maybe)
				err := j.Rewrite(func() ([][]byte, error) { return [][]byte{[]byte(strings.Join(state, "+"))}, nil })
				if err == nil || j.Broken() == nil && rewritten(disk) {
					sure = []string{strings.Join(state, "+")}
				}
			}
		}
		_, got, damage := open(t, disk.Kill())
		if !slices.Equal(got, sure) || damage.Bytes != 0 {
			t.Errorf("op %d failed: on disk %q, %d damaged; want %q", fail, got, damage.Bytes, sure)
		}
		if ops <= fail {
			return // the failure came too late to matter: all were tried
		}
	}
	t.Error("40 operations were not enough")
}

// rewritten tells whether the file was replaced although Rewrite failed after that.
func rewritten(disk *vfs.Mem) bool {
	f, err := disk.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 100)
	n, _ := f.ReadAt(b, 0)
	return bytes.Contains(b[:n], []byte("+"))
}

func TestDamage(t *testing.T) {
	disk := newDisk(t)
	j, _, _ := open(t, disk)
	add(t, j, "first", "second", "third")
	size := int(j.Size())
	for at := range size {
		broken := disk.Kill()
		flip(t, broken, at)
		_, got, damage := open(t, broken)
		switch {
		case at < len(magic) && (len(got) != 0 || damage.Bytes != size):
			t.Errorf("byte %d of the beginning: read %q, damage %+v", at, got, damage)
		case at >= len(magic) && len(got) != 2:
			t.Errorf("byte %d: read %q, want two of three", at, got)
		case damage.Bytes == 0 && at < size-len("third"): // in the last entry it looks like a torn write
			t.Errorf("byte %d: read %q, and nothing was said", at, got)
		case damage.Bytes > 0 && damage.Kept != path+".damaged":
			t.Errorf("byte %d: damage %+v", at, damage)
		}
		want(t, broken, got...) // the second time there is nothing to complain of
	}
}

func flip(t *testing.T, disk *vfs.Mem, at int) {
	t.Helper()
	data, err := read(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	f, err := disk.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
}

func TestAnEntryHasALimit(t *testing.T) {
	j, _, _ := open(t, newDisk(t))
	if err := j.Append(make([]byte, maxEntry+1)); err == nil {
		t.Error("it was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(magic))
	f.Add(appendRecord(appendRecord([]byte(magic), []byte("a")), []byte("bc")))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, good, lost := parse(data)
		if good > len(data) || lost > len(data) || good < 0 {
			t.Fatalf("good %d, lost %d of %d", good, lost, len(data))
		}
		again := []byte(magic)
		for _, e := range entries {
			again = appendRecord(again, e)
		}
		twice, _, lost := parse(again)
		if lost != 0 || !reflect.DeepEqual(twice, entries) {
			t.Fatalf("%q became %q", entries, twice)
		}
	})
}
