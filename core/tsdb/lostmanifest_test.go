package tsdb

import (
	"maps"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// Without a manifest nothing says that a part is dead: a copy that forgot the file must not lose everything.
func TestPartsOutliveTheirManifest(t *testing.T) {
	for name, lose := range map[string]func(*vfs.Mem) error{
		"it is gone":  func(m *vfs.Mem) error { return m.Remove("data/MANIFEST") },
		"it is empty": func(m *vfs.Mem) error { return m.Truncate("data/MANIFEST", 0) },
		"it has lost its end": func(m *vfs.Mem) error { // where a record ends: the first names no part
			return m.Truncate("data/MANIFEST", recordHead+3)
		},
	} {
		t.Run(name, func(t *testing.T) { outlive(t, lose) })
	}
}

func outlive(t *testing.T, lose func(*vfs.Mem) error) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	db, err := testDB(t, disk, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 3, 8, 1_600_000_000_000)
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, parts := all(t, db), db.partsLive()
	if parts == 0 {
		t.Fatal("there are no parts")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lose(disk); err != nil {
		t.Fatal(err)
	}
	if db, err = testDB(t, disk, "off"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.partsLive() != parts {
		t.Errorf("%d parts live, want %d", db.partsLive(), parts)
	}
	verifySame(t, all(t, db), want)
}

const recordHead = 4 + 4 + 1 + 2 // bytes of a record before its data

// Edits of any bytes: refused, or what encodes to an edit that means the same.
func FuzzManifest(f *testing.F) {
	m := manifest{live: map[uint64]bool{}, next: 9}
	f.Add(m.encode([]uint64{3, 300}, []uint64{1})[recordHead:])
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		one := manifest{live: map[uint64]bool{}, next: 1}
		if !one.apply(b) {
			return
		}
		again := manifest{live: map[uint64]bool{}, next: 1}
		if !again.apply(one.encode(slices.Collect(maps.Keys(one.live)), nil)[recordHead:]) || !maps.Equal(one.live, again.live) || one.next != again.next {
			t.Fatalf("%v, next %d became %v, next %d", one.live, one.next, again.live, again.next)
		}
	})
}
