package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file system of its own for the data directory, and a file that fills it.
type smallDisk struct {
	dir    string
	filler string
}

// mountDisk mounts a tmpfs, or skips the test where that is not allowed.
func mountDisk(t *testing.T, mib int) *smallDisk {
	t.Helper()
	d := &smallDisk{dir: t.TempDir()}
	d.filler = filepath.Join(d.dir, "filler")
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("a small disk for the test cannot be mounted (it needs root and CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Errorf("unmount %s: %v", d.dir, err)
		}
	})
	return d
}

// fill takes all space but leave bytes.
func (d *smallDisk) fill(leave int64) error {
	f, err := os.OpenFile(d.filler, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for len(b) > 0 {
		if _, err := f.Write(b); errors.Is(err, syscall.ENOSPC) {
			b = b[:len(b)/2]
		} else if err != nil {
			return err
		}
	}
	st, err := f.Stat()
	if err != nil || leave == 0 {
		return err
	}
	return f.Truncate(max(0, st.Size()-leave))
}

func (d *smallDisk) free() error { return os.Remove(d.filler) }

// TestSoakFullDisk fills the disk of the data directory at random moments. The server stays up, answers queries,
// refuses samples with the reason, comes up when it is started on the full disk, and goes on by itself when there
// is space again. The bounded form takes about 20 s.
func TestSoakFullDisk(t *testing.T) {
	limit, rounds := 20*time.Second, 8
	if soaking() {
		limit, rounds = 0, 200
	}
	rnd := seeded(t)
	disk := mountDisk(t, 24+rnd.IntN(40))
	target := newCounting(t)
	h := &hearth{}
	began := time.Now()
	var ws []*writer
	for round := range rounds {
		if limit > 0 && time.Since(began) > limit {
			t.Logf("%d rounds in %v", round, limit)
			break
		}
		if round%5 == 0 {
			if round > 0 {
				h.kill()
				h.hushed = true
				if err := os.RemoveAll(h.data); err != nil {
					t.Fatal(err)
				}
			}
			h = serveSoak(t, filepath.Join(disk.dir, fmt.Sprint("data", round)), target.config(200))
			ws = newWriters(h, fmt.Sprint("r", round), rnd)
		}
		if err := fullDisk(t, h, disk, ws, rnd); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := target.verify(h); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if round%20 == 19 {
			t.Logf("%d rounds after %v", round+1, time.Since(began).Round(time.Second))
		}
	}
}

// fullDisk is one round.
func fullDisk(t *testing.T, h *hearth, disk *smallDisk, ws []*writer, rnd *rand.Rand) error {
	stop := time.Now().Add(time.Duration(rnd.IntN(400)) * time.Millisecond)
	full, refused := false, map[*writer]bool{}
	leave := []int64{0, 0, rnd.Int64N(64 << 10), rnd.Int64N(2 << 20)}[rnd.IntN(4)]
	for deadline := time.Now().Add(20 * time.Second); len(refused) < len(ws); {
		if time.Now().After(deadline) {
			return fmt.Errorf("the disk is full for 20 s and only %d of %d writers are refused", len(refused), len(ws))
		}
		if !full && time.Now().After(stop) {
			full = true
			if err := disk.fill(leave); err != nil {
				return err
			}
		}
		if full && leave > 0 && time.Until(deadline) < 15*time.Second { // a checkpoint may have made room meanwhile
			leave = 0
			if err := disk.fill(0); err != nil {
				return err
			}
		}
		for _, w := range ws {
			code, body := w.send()
			switch {
			case code == 0:
				return fmt.Errorf("no answer: %s", body)
			case code/100 == 2:
			case !full:
				return fmt.Errorf("remote write of %s with space left: %d %s", w.name, code, body)
			case code != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full"):
				return fmt.Errorf("remote write of %s on a full disk: %d %q, want 503 and that the disk is full", w.name, code, body)
			default:
				refused[w] = true
			}
		}
	}
	check := func(when string) error {
		if err := h.verified(); err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
		if code, body := h.get(t, "/-/healthy"); code != http.StatusOK {
			return fmt.Errorf("%s: healthy: %d %s", when, code, body)
		}
		for _, w := range ws {
			if err := w.verify(); err != nil {
				return fmt.Errorf("%s: writer %s: %w", when, w.name, err)
			}
		}
		return nil
	}
	if err := check("on the full disk"); err != nil {
		return err
	}
	if rnd.IntN(2) == 0 {
		if err := disk.fill(0); err != nil {
			return err
		}
		if rnd.IntN(2) == 0 {
			h.kill()
		} else {
			_ = h.stop(t) // what it could not write at its end is an error of its own
		}
		h.hushed = true
		h.again(t)
		if err := check("started on the full disk"); err != nil {
			return err
		}
		if code, body := ws[0].send(); code/100 != 2 && (code != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full")) {
			return fmt.Errorf("remote write after a start on a full disk: %d %q", code, body)
		}
	}
	if err := disk.free(); err != nil {
		return err
	}
	eventually(t, 20*time.Second, "samples to be taken again", func() error {
		for _, w := range ws {
			if code, body := w.send(); code/100 != 2 {
				return fmt.Errorf("writer %s: %d %s", w.name, code, body)
			}
		}
		return nil
	})
	return check("with space again")
}
