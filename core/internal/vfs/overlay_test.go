package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"testing"
)

// Whatever is done to an overlay looks as if it were done to the files, and they stay as they were.
func TestAnOverlayLooksChangedAndChangesNothing(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		real, twin := NewMem(), NewMem()
		for _, m := range []*Mem{real, twin} {
			for _, d := range []string{"data/a", "data/b/c"} {
				if err := m.MkdirAll(d); err != nil {
					t.Fatal(err)
				}
			}
			for i, n := range []string{"data/x", "data/a/y", "data/b/c/z"} {
				put(t, m, n, false, fmt.Sprint("first ", i))
			}
		}
		before := dump(t, real, "data")
		o := NewOverlay(real, "data/")
		for step := range 60 {
			what, got, want := act(t, rnd, o, twin)
			if (got == nil) != (want == nil) {
				t.Fatalf("seed %d, step %d: %s: %v, on a disk %v", seed, step, what, got, want)
			}
			if a, b := dump(t, o, "data"), dump(t, twin, "data"); a != b {
				t.Fatalf("seed %d, step %d: after %s the overlay has\n%s\na disk\n%s", seed, step, what, a, b)
			}
		}
		if after := dump(t, real, "data"); after != before {
			t.Fatalf("seed %d: the files have become\n%s\nthey were\n%s", seed, after, before)
		}
	}
}

func act(t *testing.T, rnd *rand.Rand, a, b FS) (what string, errA, errB error) {
	names := []string{"data/x", "data/a", "data/a/y", "data/b", "data/b/c", "data/b/c/z", "data/n", "data/a/n", "data/b/m"}
	n, to := names[rnd.IntN(len(names))], names[rnd.IntN(len(names))]
	both := func(w string, f func(FS) error) (string, error, error) { return w, f(a), f(b) }
	switch rnd.IntN(8) {
	case 0:
		return both("create "+n, func(f FS) error { return write(f, n, false, n) })
	case 1:
		return both("append to "+n, func(f FS) error { return write(f, n, true, "more") })
	case 2:
		if s, err := b.Stat(n); err == nil && s.IsDir() {
			return "nothing", nil, nil
		}
		return both("remove "+n, func(f FS) error { return f.Remove(n) })
	case 3:
		return both("remove all of "+n, func(f FS) error { return f.RemoveAll(n) })
	case 4:
		if path.Dir(n) != path.Dir(to) || n == to {
			return "nothing", nil, nil
		}
		return both("rename "+n+" to "+to, func(f FS) error { return f.Rename(n, to) })
	case 5:
		return both("truncate "+n, func(f FS) error { return f.Truncate(n, 3) })
	case 6:
		return both("mkdir "+n, func(f FS) error { return f.MkdirAll(n) })
	default:
		if s, err := b.Stat(n); err != nil || s.IsDir() {
			return "nothing", nil, nil
		}
		return both("link "+n+" to "+to, func(f FS) error { return f.Link(n, to) })
	}
}

func write(f FS, name string, more bool, text string) error {
	open := f.Create
	if more {
		open = f.OpenAppend
	}
	w, err := open(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return errors.Join(err, w.Sync(), w.Close())
}

func put(t *testing.T, f FS, name string, more bool, text string) {
	t.Helper()
	if err := write(f, name, more, text); err != nil {
		t.Fatal(err)
	}
}

// dump returns all names and contents, read both ways.
func dump(t *testing.T, f FS, dir string) string {
	t.Helper()
	es, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, e := range es {
		n := path.Join(dir, e.Name())
		if e.IsDir() {
			out += n + "/\n" + dump(t, f, n)
			continue
		}
		r, err := f.Open(n)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		m, err := f.Map(n)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat(n)
		if err != nil || !bytes.Equal(m.Data(), b) || st.Size() != int64(len(b)) {
			t.Fatalf("%s: %q mapped, %q read, %d bytes, %v", n, m.Data(), b, st.Size(), err)
		}
		if err := errors.Join(r.Close(), m.Close()); err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%s %q\n", n, b)
	}
	return out
}

func TestAnOverlayHasNothingOutsideOfItsDirectory(t *testing.T) {
	m := NewMem()
	if err := m.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	put(t, m, "other", false, "x")
	o := NewOverlay(m, "data")
	for _, n := range []string{"other", "data/../other", "database", ".."} {
		if _, err := o.Open(n); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %s: %v, want that it does not exist", n, err)
		}
		if err := o.MkdirAll(n); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("mkdir %s: %v, want that it does not exist", n, err)
		}
	}
}
