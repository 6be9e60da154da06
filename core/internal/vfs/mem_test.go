package vfs_test

import (
	"errors"
	"io"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

func write(t *testing.T, f vfs.File, s string) {
	t.Helper()
	if _, err := f.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, fs vfs.FS, name string) string {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		return "!"
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAPowerCutForgetsWhatWasNotSynced(t *testing.T) {
	m := vfs.NewMem()
	if err := m.MkdirAll("d/e"); err != nil {
		t.Fatal(err)
	}
	f, err := m.Create("d/e/a")
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, "one")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, m.Crash(nil), "d/e/a"); got != "!" {
		t.Errorf("a file whose directory was never synced is there: %q", got)
	}
	for _, d := range []string{"/", "d", "d/e"} {
		if err := m.SyncDir(d); err != nil {
			t.Fatal(err)
		}
	}
	write(t, f, "two")
	if got := read(t, m.Crash(nil), "d/e/a"); got != "one" {
		t.Errorf("after a power cut: %q", got)
	}
	if got := read(t, m.Crash(func(string, int) int { return 2 }), "d/e/a"); got != "onetw" {
		t.Errorf("after a power cut that tears: %q", got)
	}
	if got := read(t, m.Kill(), "d/e/a"); got != "onetwo" {
		t.Errorf("after a kill: %q", got)
	}
	if err := m.Rename("d/e", "d/x"); err != nil {
		t.Fatal(err)
	}
	if c := m.Crash(nil); read(t, c, "d/e/a") != "one" || read(t, c, "d/x/a") != "!" {
		t.Error("a rename without SyncDir outlived the power cut")
	}
	if err := m.SyncDir("d"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, m.Crash(nil), "d/x/a"); got != "one" {
		t.Errorf("after rename and SyncDir: %q", got)
	}
}

func TestAHookTearsAWrite(t *testing.T) {
	m, boom := vfs.NewMem(), errors.New("boom")
	f, err := m.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	m.Hook(func(op vfs.Op) error {
		if op.Kind == "write" {
			return &vfs.TornWrite{Keep: 2, Err: boom}
		}
		return nil
	})
	if n, err := f.Write([]byte("hello")); n != 2 || !errors.Is(err, boom) {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if got := read(t, m, "a"); got != "he" {
		t.Fatalf("contents %q", got)
	}
}
