package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// clock is the time that a test says it is.
type clock struct{ t time.Time }

func (c *clock) now() time.Time       { return c.t }
func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func open(fs vfs.FS, most int, c *clock) *Store {
	return Open(Options{FS: fs, Dir: "data", Max: most, Keep: 30 * 24 * time.Hour, Clock: c.now})
}

// disk returns a disk with the data directory.
func disk(t *testing.T) *vfs.Mem {
	t.Helper()
	fs := vfs.NewMem()
	if err := errors.Join(fs.MkdirAll("data"), fs.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	return fs
}

func newClock() *clock { return &clock{time.UnixMilli(1_700_000_000_000)} }

func say(s *Store, said ...string) {
	var ms []storage.Metadata
	for _, one := range said {
		f := strings.Split(one+"|||", "|")
		ms = append(ms, storage.Metadata{Metric: f[0], Type: f[1], Help: f[2], Unit: f[3]})
	}
	s.AppendMetadata(ms)
}

func told(s *Store, metric string) []string {
	out := []string{}
	for _, m := range s.Metadata(metric) {
		out = append(out, strings.TrimRight(strings.Join([]string{m.Metric, m.Type, m.Help, m.Unit}, "|"), "|"))
	}
	return out
}

func expect(t *testing.T, s *Store, metric string, want ...string) {
	t.Helper()
	if got := told(s, metric); !reflect.DeepEqual(got, append([]string{}, want...)) {
		t.Errorf("of %q it is said %q, want %q", metric, got, want)
	}
}

func TestWhatIsSaidIsKept(t *testing.T) {
	c := newClock()
	s := open(vfs.NewMem(), 100, c)
	say(s, "b|counter|Requests.|requests", "a|gauge|Size.|bytes", "b|counter|Requests.|requests", "a|gauge|Other size.|bytes")
	expect(t, s, "", "a|gauge|Other size.|bytes", "a|gauge|Size.|bytes", "b|counter|Requests.|requests")
	expect(t, s, "b", "b|counter|Requests.|requests")
	expect(t, s, "c")

	c.pass(time.Minute)
	say(s, "a|gauge|Size.|bytes") // it comes first now
	expect(t, s, "a", "a|gauge|Size.|bytes", "a|gauge|Other size.|bytes")
	c.pass(stale - time.Second)
	s.tidy(c.now().UnixMilli())
	expect(t, s, "a", "a|gauge|Size.|bytes")
	expect(t, s, "b", "b|counter|Requests.|requests") // it is the only one
	c.pass(30 * 24 * time.Hour)
	s.tidy(c.now().UnixMilli())
	expect(t, s, "")
}

func TestTextsAreBounded(t *testing.T) {
	s := open(vfs.NewMem(), 100, newClock())
	say(s, strings.Repeat("n", maxName+1), "", "a\xff|gauge", "a|gauge|"+strings.Repeat("é", maxText), "b|gauge|x\xff\xffy", "c|gauge|"+strings.Repeat("\xff", maxText))
	expect(t, s, "", "a|gauge|"+strings.Repeat("é", maxText/2), "b|gauge|x\ufffdy", "c|gauge|\ufffd")
	say(s, "b|gauge|x\xff\xffy")
	if s.n != 3 {
		t.Errorf("%d statements; the same text is not known again", s.n)
	}
}

func TestAFullTable(t *testing.T) {
	c := newClock()
	s := open(vfs.NewMem(), 3, c)
	say(s, "a|gauge", "b|gauge", "c|gauge")
	c.pass(stale - time.Millisecond)
	say(s, "b|gauge", "new|gauge", "new2|gauge") // a and c were said less than an hour ago
	expect(t, s, "", "a|gauge", "b|gauge", "c|gauge")
	c.pass(time.Millisecond)
	say(s, "new|gauge", "new2|gauge", "new3|gauge")
	expect(t, s, "", "b|gauge", "new|gauge", "new2|gauge")

	c.pass(time.Second)
	say(s, "new2|gauge")
	s.Resize(1, 0)
	expect(t, s, "", "new2|gauge")
	s.Resize(0, 0)
	say(s, "b|gauge")
	expect(t, s, "")
}

func TestATableComesBack(t *testing.T) {
	for _, end := range []string{"stop", "kill", "power cut"} {
		t.Run(end, func(t *testing.T) {
			fs, c := disk(t), newClock()
			s := open(fs, 100, c)
			for i, kind := range types {
				say(s, fmt.Sprintf("m%d|%s|Help \"of\" it\n%d.|seconds", i, kind, i), "m0|unknown|another", "é|gauge")
			}
			c.pass(time.Minute)
			say(s, "m0|unknown|another")
			want := told(s, "")
			switch end {
			case "stop":
				s.Close()
			case "kill":
				s.save(c.now().UnixMilli(), false)
				fs = fs.Kill()
			case "power cut":
				s.save(c.now().UnixMilli(), false)
				fs = fs.Crash(func(string, int) int { return 0 })
			}
			again := open(fs, 100, c)
			expect(t, again, "", want...)
			if end == "stop" {
				again = open(fs, 1, c) // those that were said last stay
				expect(t, again, "", "m0|unknown|another")
			}
		})
	}
}

func TestTheFileIsWrittenWhenThereIsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		created := 0
		fs.Hook(func(op vfs.Op) error {
			if op.Kind == "create" {
				created++
			}
			return nil
		})
		s := Open(Options{FS: fs, Dir: "data", Max: 10})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		for _, step := range []struct {
			say  string
			wait time.Duration
			want int
		}{
			{"", time.Minute, 0},
			{"a|gauge", 11 * time.Second, 1},
			{"a|gauge", time.Minute, 1},
			{"b|gauge", 11 * time.Second, 2},
			{"b|gauge", stale/2 + time.Minute, 3}, // when it was said
		} {
			if step.say != "" {
				say(s, step.say)
			}
			time.Sleep(step.wait)
			synctest.Wait()
			if created != step.want {
				t.Errorf("after %q and %v the file was written %d times, want %d", step.say, step.wait, created, step.want)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWhateverTheDiskDoes fails each operation in turn, with a torn write and a power cut after it: what is read then is
// the table before or the one after.
func TestWhateverTheDiskDoes(t *testing.T) {
	broken := errors.New("broken")
	for at := 0; ; at++ {
		fs, c := disk(t), newClock()
		s := open(fs, 10, c)
		say(s, "a|gauge|Before.")
		s.Close()
		say(s, "b|counter|After.")
		n, failed := 0, ""
		fs.Hook(func(op vfs.Op) error {
			if n++; n-1 != at {
				return nil
			}
			failed = op.Kind
			if op.Kind == "write" {
				return &vfs.TornWrite{Keep: 7, Err: broken}
			}
			return broken
		})
		err := s.save(c.now().UnixMilli(), false)
		fs.Hook(nil)
		if failed == "" {
			if at < 5 {
				t.Fatalf("writing takes %d operations", at)
			}
			break
		}
		for name, after := range map[string]*vfs.Mem{"kill": fs.Kill(), "power cut": fs.Crash(func(_ string, unsynced int) int { return unsynced / 2 })} {
			got := told(open(after, 10, c), "")
			before, now := []string{"a|gauge|Before."}, []string{"a|gauge|Before.", "b|counter|After."}
			if !reflect.DeepEqual(got, before) && !reflect.DeepEqual(got, now) {
				t.Errorf("%s after %s failed: %q", name, failed, got)
			}
		}
		if err == nil && failed != "remove" {
			t.Errorf("%s failed, and nobody is told", failed)
		}
		s.save(c.now().UnixMilli(), false) // it is written as soon as it can be
		expect(t, open(fs.Crash(func(string, int) int { return 0 }), 10, c), "", "a|gauge|Before.", "b|counter|After.")
	}
}

func TestADamagedFileIsNamedAndCostsNoStart(t *testing.T) {
	c := newClock()
	good := encode([]statement{{storage.Metadata{Metric: "a", Type: "gauge", Help: "Help."}, 5}})
	damaged := map[string][]byte{"empty": {}, "of another version": append([]byte(magic+"\x02"), good[9:]...), "longer": append(good, 0)}
	for i := range good {
		flipped := append([]byte(nil), good...)
		flipped[i] ^= 1
		damaged[fmt.Sprintf("flipped at %d", i)] = flipped
		damaged[fmt.Sprintf("cut at %d", i)] = good[:i]
	}
	for name, b := range damaged {
		fs := disk(t)
		f, err := fs.Create("data/metadata")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		s := Open(Options{FS: fs, Dir: "data", Max: 10, Clock: c.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		expect(t, s, "")
		if !strings.Contains(log.String(), "file=data/metadata") {
			t.Errorf("%s: the log says %q", name, log.String())
		}
		if _, err := s.read(); name != "of another version" && name != "flipped at 8" && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		say(s, "b|gauge")
		s.Close()
		expect(t, open(fs, 10, c), "", "b|gauge")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode(nil))
	f.Add(encode([]statement{{storage.Metadata{Metric: "a", Type: "summary", Help: "Help.", Unit: "seconds"}, 1_700_000_000_000}, {storage.Metadata{Metric: "b", Type: "unknown"}, -1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, in := range [][]byte{b, seal(append([]byte(magic+"\x01"), b...))} { // as it is, and with a head and a checksum that are right
			all, err := decode(in)
			if err != nil {
				continue
			}
			again, err := decode(encode(all))
			if err != nil || !reflect.DeepEqual(all, again) {
				t.Fatalf("%+v became %+v, %v", all, again, err)
			}
		}
	})
}
