package alert

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

func silent(w *world, d time.Duration, ms ...*labels.Matcher) string {
	w.t.Helper()
	id, err := w.manager.SetSilence(w.t.Context(), Silence{Matchers: ms, EndsAt: time.Now().Add(d), CreatedBy: "ann", Comment: "new disk"})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func matcher(t labels.MatchType, name, value string) *labels.Matcher {
	return labels.MustNewMatcher(t, name, value)
}

func TestSilences(t *testing.T) {
	t.Run("a silence keeps its alerts from being told, and ends by itself", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			id := silent(w, 10*time.Minute, matcher(labels.MatchRegexp, "instance", "a|c"))
			w.fire("Disk instance=a", "Disk instance=b")
			w.at(5 * time.Minute)
			w.got("10s ops firing[Disk/b]")
			list, err := w.manager.Alerts(t.Context())
			if err != nil || len(list) != 2 || list[0].SilencedBy[0] != id || !list[0].Suppressed() || list[1].Suppressed() {
				t.Errorf("alerts %+v, %v", list, err)
			}
			w.at(12 * time.Minute)
			w.got("10s ops firing[Disk/b]", "10m10s ops firing[Disk/a Disk/b]")
		})
	})
	t.Run("the first word after the end is not later than group_interval", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			id := silent(w, time.Hour, matcher(labels.MatchEqual, "alertname", "Disk"))
			w.fire("Disk")
			w.at(90 * time.Second)
			if err := w.manager.ExpireSilence(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			w.at(3 * time.Minute)
			w.got("2m10s ops firing[Disk]")
			s, err := w.manager.Silence(t.Context(), id)
			if err != nil || s.State != SilenceExpired {
				t.Errorf("silence %+v, %v", s, err)
			}
		})
	})
	t.Run("a power cut right after it was set does not lose it", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			id := silent(w, time.Hour, matcher(labels.MatchEqual, "alertname", "Disk"))
			disk := w.disk.Crash(nil)
			w.stop()
			w.disk = disk
			w.start(base)
			w.fire("Disk")
			w.at(5 * time.Minute)
			w.got()
			list, err := w.manager.Silences(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("silences %+v, %v", list, err)
			}
			if s := list[0]; s.ID != id || s.State != SilenceActive || s.CreatedBy != "ann" || s.Comment != "new disk" ||
				len(s.Matchers) != 1 || s.Matchers[0].String() != `alertname="Disk"` || s.EndsAt.Sub(w.began) != time.Hour {
				t.Errorf("silence %+v", s)
			}
		})
	})
	t.Run("a change of the end keeps the id, of the matchers makes a new silence", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			id := silent(w, time.Hour, matcher(labels.MatchEqual, "alertname", "Disk"))
			s, err := w.manager.Silence(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			w.at(time.Second)
			s.EndsAt = s.EndsAt.Add(time.Hour)
			if got, err := w.manager.SetSilence(t.Context(), s); err != nil || got != id {
				t.Errorf("%s, %v; want %s", got, err, id)
			}
			w.at(2 * time.Second)
			s.Matchers = []*labels.Matcher{matcher(labels.MatchNotEqual, "alertname", "Disk")}
			got, err := w.manager.SetSilence(t.Context(), s)
			if err != nil || got == id {
				t.Errorf("%s, %v", got, err)
			}
			list, err := w.manager.Silences(t.Context())
			if err != nil || len(list) != 2 || list[0].ID != got || list[0].State != SilenceActive || list[1].State != SilenceExpired {
				t.Errorf("silences %+v, %v", list, err)
			}
		})
	})
	t.Run("active ones come first, then what is to come, then what has ended", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			m := matcher(labels.MatchEqual, "alertname", "Disk")
			silent(w, time.Minute, m)
			long := silent(w, 3*time.Hour, m)
			short := silent(w, 2*time.Hour, m)
			later, err := w.manager.SetSilence(t.Context(), Silence{Matchers: []*labels.Matcher{m}, StartsAt: time.Now().Add(time.Hour), EndsAt: time.Now().Add(2 * time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			w.at(2 * time.Minute)
			list, err := w.manager.Silences(t.Context())
			if err != nil || len(list) != 4 || list[0].ID != short || list[1].ID != long || list[2].ID != later || list[2].State != SilencePending || list[3].State != SilenceExpired {
				t.Errorf("silences %+v, %v", list, err)
			}
			w.at(7 * 24 * time.Hour)
			if list, err := w.manager.Silences(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("after a week: %+v, %v", list, err)
			}
		})
	})
	t.Run("what makes no sense is refused with its reason", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			hour := time.Now().Add(time.Hour)
			any := matcher(labels.MatchRegexp, "alertname", ".*")
			disk := matcher(labels.MatchEqual, "größe", "x")
			for _, tt := range []struct {
				silence Silence
				kind    error
				reason  string
			}{
				{Silence{EndsAt: hour}, ErrBadSilence, "matcher set 0 is empty"},
				{Silence{EndsAt: hour, Matchers: []*labels.Matcher{any}}, ErrBadSilence, "must not match the empty string"},
				{Silence{EndsAt: w.began, Matchers: []*labels.Matcher{disk}}, ErrBadSilence, "it ends in the past"},
				{Silence{EndsAt: hour, StartsAt: hour.Add(1), Matchers: []*labels.Matcher{disk}}, ErrBadSilence, "before start time"},
				{Silence{EndsAt: hour, Matchers: []*labels.Matcher{disk}, Comment: strings.Repeat("x", 2<<20)}, ErrBadSilence, "maximum size"},
				{Silence{ID: "17", EndsAt: hour, Matchers: []*labels.Matcher{disk}}, ErrNoSilence, `silence "17"`},
			} {
				_, err := w.manager.SetSilence(t.Context(), tt.silence)
				if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("error %v, want %v: %s", err, tt.kind, tt.reason)
				}
			}
			if _, err := w.manager.Silence(t.Context(), "17"); !errors.Is(err, ErrNoSilence) {
				t.Error(err)
			}
			if err := w.manager.ExpireSilence(t.Context(), "17"); !errors.Is(err, ErrNoSilence) {
				t.Error(err)
			}
			silent(w, time.Hour, disk) // UTF-8 is fine
		})
	})
	t.Run("one that cannot be written is in force, and the error says so", func(t *testing.T) {
		in(t, base, func(t *testing.T, w *world) {
			w.disk.Hook(func(vfs.Op) error { return errors.New("disk on fire") })
			id, err := w.manager.SetSilence(t.Context(), Silence{EndsAt: time.Now().Add(time.Hour), Matchers: []*labels.Matcher{matcher(labels.MatchEqual, "alertname", "Disk")}})
			if id == "" || err == nil || !strings.Contains(err.Error(), "disk on fire") {
				t.Errorf("%q, %v", id, err)
			}
			w.disk.Hook(nil)
			w.fire("Disk")
			w.at(time.Minute)
			w.got()
		})
	})
}
