package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// numbered makes notifiers leave the number of their message, as "n+1" of n.
func numbered(state string) string { return state + "x" }

// given compares the states that notifiers were given, message by message.
func (w *world) given(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, m := range w.mails {
		got = append(got, fmt.Sprintf("%s %s %q", m.at, m.body.Alerts[0].Labels["alertname"], m.state))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("states\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestStatesOfGroups(t *testing.T) {
	t.Run("a notifier is given what it left for the group, and no other", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.keep = numbered
			w.fire("Disk instance=a")
			w.at(15 * time.Second)
			w.fire("CPU")
			w.at(30 * time.Second)
			w.fire("Disk instance=b")
			w.at(5 * time.Minute)
			w.sorted()
			w.given(`10s Disk ""`, `25s CPU ""`, `1m10s Disk "x"`)
		})
	})
	t.Run("an attempt that fails changes nothing", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.keep = numbered
			w.fire("Disk instance=a")
			w.at(15 * time.Second)
			w.answer = func(_ context.Context, _ string, attempt int) error {
				if attempt < 4 { // the second message, twice
					return errors.New("not now")
				}
				return nil
			}
			w.fire("Disk instance=b")
			w.at(5 * time.Minute)
			if n := len(w.mails); n != 2 || w.mails[1].state != "x" {
				t.Errorf("%d messages, %+v", n, w.mails)
			}
		})
	})
	for _, tt := range []struct {
		name string
		end  func(w *world)
	}{
		{"stop", func(w *world) { w.stop() }},
		{"kill -9", func(w *world) { w.kill() }},
		{"a power cut a second later", func(w *world) {
			w.at(15 * time.Second)
			disk := w.disk.Crash(nil)
			w.stop()
			w.disk = disk
		}},
	} {
		t.Run("it outlives a "+tt.name, func(t *testing.T) {
			in(t, base, func(t *testing.T, w *world) {
				w.keep = numbered
				w.fire("Disk instance=a")
				w.at(13 * time.Second)
				tt.end(w)
				w.start(base)
				w.at(30 * time.Second)
				w.resolve("Disk instance=a")
				w.at(5 * time.Minute)
				if n := len(w.mails); n != 2 || w.mails[1].state != "x" {
					t.Errorf("%d messages, the last with %q", n, w.mails[n-1].state)
				}
			})
		})
	}
	t.Run("it is forgotten when the group is", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) { // repeat_interval is an hour
			w.keep = numbered
			w.fire("Disk instance=a")
			w.at(15 * time.Second)
			w.resolve("Disk instance=a")
			w.at(3 * time.Hour)
			if n := len(w.manager.states.mu.byKey); n != 0 {
				t.Errorf("%d states are left", n)
			}
			w.fire("Disk instance=a")
			w.at(4 * time.Hour)
			if last := w.mails[len(w.mails)-1]; last.state != "" {
				t.Errorf("given %q", last.state)
			}
		})
	})
	t.Run("a notifier that leaves nothing writes nothing", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.fire("Disk instance=a")
			w.at(time.Hour)
			w.stop()
			if _, err := w.disk.Stat("data/alert/groups"); err == nil {
				t.Error("the file was created")
			}
		})
	})
	t.Run("what is no entry is an error", func(t *testing.T) {
		for text, want := range map[string]string{"\x03no!": "not JSON", "\x09no!": "does not end with an entry"} {
			if _, err := newStates(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v", err)
			}
		}
	})
	t.Run("a disk that refuses does not keep messages back", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.keep = numbered
			w.disk.Hook(func(vfs.Op) error { return errors.New("no space left on device") })
			w.fire("Disk instance=a")
			w.at(20 * time.Second)
			w.fire("Disk instance=b")
			w.at(5 * time.Minute)
			w.disk.Hook(nil)
			w.at(6 * time.Minute)
			w.kill()
			w.start(base)
			if got := w.manager.states.get(w.anyKey()); got != "xx" {
				t.Errorf("state %q", got)
			}
		})
	})
}

// anyKey is the key of the one state there is.
func (w *world) anyKey() stateKey {
	for key := range w.manager.states.mu.byKey {
		return key
	}
	return stateKey{}
}

func TestStatesHaveABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newStates(strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		var journal bytes.Buffer
		s.SetBroadcast(func(b []byte) { journal.Reset(); journal.Write(b) })
		key := stateKey{Receiver: "ops", Plugin: "p", Group: "g"}
		later := time.Now().Add(time.Hour)
		large := strings.Repeat("x", maxStates/4)
		for i := range 3 {
			if err := s.put(stateKey{Receiver: "ops", Index: i}, large, later); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.put(key, "small", later); err != nil {
			t.Fatal(err)
		}
		if err := s.put(key, large, later); err == nil || s.get(key) != "" {
			t.Errorf("error %v, state of %d bytes", err, len(s.get(key)))
		}
		again, err := newStates(&journal)
		if err != nil || len(again.mu.byKey) != 0 {
			t.Errorf("what did not fit is read again: %v", err)
		}
		if err := s.put(stateKey{Receiver: "ops", Index: 0}, "", later); err != nil {
			t.Fatal(err)
		}
		if err := s.put(key, large, later); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
}
