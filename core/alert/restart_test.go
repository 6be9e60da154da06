package alert

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *world) // of the first process
	}{
		{"stop", func(w *world) { w.stop() }},
		{"kill -9", func(w *world) { w.kill() }},
		{"a power cut a second later", func(w *world) {
			w.at(12 * time.Second)
			disk := w.disk.Crash(nil)
			w.stop()
			w.disk = disk
		}},
	} {
		t.Run("after a "+tt.name+" nothing is told twice within repeat_interval", func(t *testing.T) {
			in(t, base, func(t *testing.T, w *world) {
				w.fire("Disk instance=a", "Disk instance=b")
				w.at(10 * time.Second)
				w.got("10s ops firing[Disk/a Disk/b]")
				tt.end(w)

				w.start(base)
				w.at(20 * time.Second)
				w.fire("Disk instance=a") // the rules repeat them one by one
				w.at(21 * time.Second)
				w.fire("Disk instance=b")
				w.at(50 * time.Minute)
				w.got("10s ops firing[Disk/a Disk/b]")
				w.fire("Disk instance=a", "Disk instance=b")
				w.at(62 * time.Minute)
				w.got("10s ops firing[Disk/a Disk/b]", "1h0m30s ops firing[Disk/a Disk/b]")
			})
		})
	}

	t.Run("the end of an alert told before the restart is told after it", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk instance=a")
			w.at(10 * time.Second)
			w.kill()
			w.start(base)
			w.at(30 * time.Second)
			w.resolve("Disk instance=a")
			w.at(2 * time.Minute)
			w.got("10s ops firing[Disk/a]", "30s ops resolved[Disk/a]")
		})
	})

	t.Run("a power cut within the second costs one repetition, not more", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk")
			w.at(10*time.Second + 500*time.Millisecond)
			disk := w.disk.Crash(nil)
			w.stop()
			w.disk = disk
			w.start(base)
			w.fire("Disk")
			w.at(50 * time.Minute)
			w.got("10s ops firing[Disk]", "21s ops firing[Disk]")
		})
	})

	t.Run("a file that is damaged is set aside, and the rest serves", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk", "CPU")
			w.at(10 * time.Second)
			w.stop()
			damage(t, w.disk, "data/alert/nflog", 20)
			w.start(base)
			if n := w.logs.count("a file was damaged"); n != 1 {
				t.Errorf("damage was logged %d times", n)
			}
			if _, err := w.disk.Stat("data/alert/nflog.damaged"); err != nil {
				t.Error(err)
			}
			w.fire("Disk", "CPU")
			w.at(50 * time.Minute)
			if n := len(w.mails); n != 3 { // one of the two entries was hit
				t.Errorf("%d messages, want 3", n)
			}
		})
	})
}

// damage flips a bit of the file.
func damage(t *testing.T, disk *vfs.Mem, name string, at int64) {
	t.Helper()
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, st.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	data[at] ^= 1
	out, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(data); err != nil {
		t.Fatal(err)
	}
}

func TestDiskThatRefuses(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		full := errors.New("no space left on device")
		w.disk.Hook(func(op vfs.Op) error { return full })
		w.fire("Disk")
		w.at(15 * time.Second)
		w.got("10s ops firing[Disk]") // telling comes first
		if w.logs.count("no space left on device") == 0 {
			t.Error("nothing in the log")
		}
		w.disk.Hook(nil)
		w.at(time.Minute)
		w.kill()
		w.start(base)
		w.fire("Disk")
		w.at(50 * time.Minute)
		w.got("10s ops firing[Disk]") // the journal was mended meanwhile
	})
}

func TestNothingIsWrittenBeforeSomethingHappens(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.at(time.Hour)
		w.stop()
		if _, err := w.disk.Stat("data/alert"); err == nil {
			t.Error("the folder was created")
		}
	})
}

func TestReload(t *testing.T) {
	const pager = `
[[route.routes]]
matchers = ["severity=page"]
receiver = "pager"
[[receivers]]
name = "pager"
notifiers = [{ plugin = "hearth/inbox", config = { to = "pager" } }]
`
	t.Run("groups and what was told remain", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk instance=a")
			w.at(20 * time.Second)
			w.apply(base + pager)
			w.at(5 * time.Minute)
			w.got("10s ops firing[Disk/a]")
			w.resolve("Disk instance=a")
			w.at(10 * time.Minute)
			w.got("10s ops firing[Disk/a]", "5m20s ops resolved[Disk/a]")
		})
	})
	t.Run("a new route takes alerts that are there", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk severity=page")
			w.at(20 * time.Second)
			w.apply(base + pager)
			w.at(40 * time.Second)
			w.got("10s ops firing[Disk]", "20s pager firing[Disk]")
		})
	})
	t.Run("notifiers that did not change stay open", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.apply(base + pager)
			w.apply(strings.Replace(base, `to = "ops"`, `to = "dev"`, 1) + pager)
			w.apply(strings.Replace(base, `to = "ops"`, `to = "dev"`, 1))
			w.stop()
			want := "open ops|open pager|open dev|close ops|close pager|close dev"
			if got := strings.Join(w.opens, "|"); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	})
	t.Run("a configuration that fails leaves the old one", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			bad := strings.ReplaceAll(pager, `to = "pager"`, `to = "nowhere"`)
			err := w.manager.ApplyConfig(parse(t, strings.Replace(base, `to = "ops"`, `to = "dev"`, 1)+bad))
			const want = `receiver "pager", notifiers[0], plugin hearth/inbox: no such address`
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			if got := strings.Join(w.opens, "|"); got != "open ops|open dev|close dev" {
				t.Error(got)
			}
			w.fire("Disk")
			w.at(20 * time.Second)
			w.got("10s ops firing[Disk]")
		})
	})
	t.Run("a message in flight is waited for and not sent again", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.answer = func(ctx context.Context, _ string, _ int) error {
				select {
				case <-time.After(5 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			w.fire("Disk")
			w.at(12 * time.Second)
			w.apply(base + pager)
			if d := time.Since(w.began); d != 15*time.Second {
				t.Errorf("applied after %s", d)
			}
			w.at(40 * time.Second)
			w.got("15s ops firing[Disk]")
			if w.calls["ops"] != 1 {
				t.Errorf("%d attempts", w.calls["ops"])
			}
		})
	})
	t.Run("a message that hangs is cut off, not waited for without end", func(t *testing.T) {
		in(t, strings.Replace(base, `config = {`, `timeout = "10m", config = {`, 1), func(t *testing.T, w *world) {
			w.answer = func(ctx context.Context, _ string, _ int) error { <-ctx.Done(); return ctx.Err() }
			w.fire("Disk")
			w.at(12 * time.Second)
			w.stop()
			if d := time.Since(w.began); d != 27*time.Second {
				t.Errorf("stopped after %s", d)
			}
		})
	})
	t.Run("without a route alerts are kept, and it is said once", func(t *testing.T) {
		const none = `[global]`
		in(t, none, func(t *testing.T, w *world) {
			w.apply(none)
			w.fire("Disk")
			w.at(time.Minute)
			if n := w.logs.count("there is no [route]"); n != 1 {
				t.Errorf("said %d times", n)
			}
			list, err := w.manager.Alerts(t.Context())
			if err != nil || len(list) != 1 || list[0].Receivers != nil {
				t.Errorf("alerts %+v, %v", list, err)
			}
			w.apply(base)
			w.at(2 * time.Minute)
			w.got("1m0s ops firing[Disk]")
		})
	})
}

func TestLifecycle(t *testing.T) {
	t.Run("one that was not run can be closed, twice", func(t *testing.T) {
		w := &world{t: t, calls: map[string]int{}}
		m, err := New(Options{Dir: "d", FS: vfs.NewMem(), Notifiers: w.open, Logger: discard})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.ApplyConfig(parse(t, base)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Join(w.opens, "|"); got != "open ops|close ops" {
			t.Error(got)
		}
		if m.Run(t.Context()) == nil || m.ApplyConfig(parse(t, base)) == nil || m.Put(t.Context(), nil) == nil {
			t.Error("it can be used after its end")
		}
	})
	t.Run("alerts put before it runs are told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, began: time.Now(), calls: map[string]int{}}
			m, err := New(Options{Dir: "d", FS: vfs.NewMem(), Notifiers: w.open, Logger: discard})
			if err != nil {
				t.Fatal(err)
			}
			w.manager = m
			w.apply(base)
			w.fire("Disk")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
			w.got("10s ops firing[Disk]")
		})
	})
}
