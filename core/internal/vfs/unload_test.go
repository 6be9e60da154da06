package vfs

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestAMappingThatWasUnloadedIsReadable(t *testing.T) {
	mem := NewMem()
	if err := mem.MkdirAll("dir"); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]struct {
		fs  FS
		dir string
	}{"a disk": {OS{}, t.TempDir()}, "memory": {mem, "dir"}} {
		t.Run(name, func(t *testing.T) {
			for _, want := range [][]byte{nil, bytes.Repeat([]byte("tile"), 5000)} {
				file := filepath.Join(at.dir, "f")
				f, err := at.fs.Create(file)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(want); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				m, err := at.fs.Map(file)
				if err != nil {
					t.Fatal(err)
				}
				Unload(m)
				if !bytes.Equal(m.Data(), want) {
					t.Errorf("%d bytes differ", len(want))
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
