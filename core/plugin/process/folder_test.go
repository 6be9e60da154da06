package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFoldersOfServersThatWereKilledAreRemoved(t *testing.T) {
	w := newWorld(t)
	left := filepath.Join(w.o.Dir, dirPrefix+"1")
	making := filepath.Join(w.o.Dir, dirPrefix+"2")
	for _, dir := range []string{left, making} {
		if err := os.MkdirAll(filepath.Join(dir, "1"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(left, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := NewEngine(Options{Dir: w.o.Dir})
	inUse, err := other.runtimeDir()
	if err != nil {
		t.Fatal(err)
	}
	w.pool(Plugin{})
	for dir, want := range map[string]bool{left: false, making: true, inUse: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if err := errors.Join(other.Close(), os.RemoveAll(making)); err != nil {
		t.Error(err)
	}
}

func TestAFolderWithALongNameIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 60))
	e := NewEngine(Options{Dir: dir})
	defer e.Close()
	file := guestProgram(t)
	if _, err := e.Open(Plugin{File: file, SHA256: digest(t, file)}); err == nil || !strings.Contains(err.Error(), "too long for sockets") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 || len(e.mu.programs) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
