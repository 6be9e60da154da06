package tsdb

import (
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// Without a manifest nothing says that a part is dead: a copy that forgot the file must not lose everything.
func TestPartsOutliveTheirManifest(t *testing.T) {
	for name, lose := range map[string]func(*vfs.Mem) error{
		"it is gone":  func(m *vfs.Mem) error { return m.Remove("data/MANIFEST") },
		"it is empty": func(m *vfs.Mem) error { return m.Truncate("data/MANIFEST", 0) },
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
