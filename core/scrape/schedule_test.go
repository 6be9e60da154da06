package scrape

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestScrapesKeepToTheirTimesAndAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		var addresses []string
		for i := range 200 {
			a := fmt.Sprintf("h%d:1", i)
			addresses = append(addresses, a)
			h.answer(a, func(context.Context) (string, error) {
				time.Sleep(time.Duration(i) * 60 * time.Millisecond) // up to 12 s
				return "a 1\n", nil
			})
		}
		h.set("j", addresses...)
		start := time.Now()
		time.Sleep(time.Hour)
		var perSecond [15]int
		for _, a := range addresses {
			times := h.store.times(seriesOf("up", "j", a))
			if n := len(times); n < 239 || n > 240 {
				t.Fatalf("%s was scraped %d times in an hour", a, n)
			}
			if first := time.UnixMilli(times[0]).Sub(start); first > 15*time.Second {
				t.Errorf("%s was scraped after %s first", a, first)
			}
			for i := 1; i < len(times); i++ {
				if d := times[i] - times[i-1]; d != 15000 {
					t.Fatalf("%s was scraped %d ms after the last time", a, d)
				}
			}
			perSecond[times[0]/1000%15]++
		}
		if most, least := slices.Max(perSecond[:]), slices.Min(perSecond[:]); most > 30 || least < 3 {
			t.Errorf("targets by the second: %v", perSecond)
		}
	})
}

func TestATargetThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		h.answer("hang:1", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		h.set("j", "good:1", "hang:1")
		time.Sleep(10 * time.Minute)
		for address, up := range map[string]string{"good:1": "1", "hang:1": "0"} {
			times := h.store.times(seriesOf("up", "j", address))
			if n := len(times); n < 39 || n > 40 {
				t.Errorf("%s was scraped %d times", address, n)
			}
			for i := 1; i < len(times); i++ {
				if d := times[i] - times[i-1]; d != 15000 {
					t.Errorf("%s: %d ms between scrapes", address, d)
				}
			}
			if _, v := h.last(seriesOf("up", "j", address)); v != up {
				t.Errorf("up of %s is %s", address, v)
			}
		}
		for _, s := range h.manager.Active() {
			if s.Labels.Get("instance") == "hang:1" && !strings.Contains(s.LastError, "scrape_timeout of 14s") {
				t.Errorf("the hanging target says %q", s.LastError)
			}
		}
	})
}

func TestSchedule(t *testing.T) {
	const seed = 500_000
	s := newSchedule(15*time.Second, uint64(4*time.Second+300*time.Microsecond)^seed, seed, steppingBy(time.Millisecond))
	at := func(ms float64) time.Time { return time.Unix(1_700_000_100, int64(ms*1e6)) }
	for _, tt := range []struct{ now, next float64 }{
		{0, 4000.5}, {4000, 4000.5}, {4000.5, 19000.5}, {4001, 19000.5}, {18999, 19000.5},
	} {
		if got := s.next(at(tt.now)); !got.Equal(at(tt.next)) {
			t.Errorf("after %v ms comes %v, want %v ms", tt.now, got, tt.next)
		}
	}
	if got := s.next(time.Unix(-3, 0)); got.Sub(time.Unix(-11, 0)) != 15*time.Second+500*time.Microsecond {
		t.Errorf("before 1970: %v", got)
	}
	for _, tt := range []struct{ due, now, want float64 }{
		{4000.5, 4000.5, 4000.5}, {4000.5, 4002, 4000.5}, {4000.5, 4003, 4003}, {4000.5, 4000, 4000.5}, {4000.5, 3900, 3900},
	} {
		if got := s.stamp(at(tt.due), at(tt.now)); !got.Equal(at(tt.want)) {
			t.Errorf("due %v, begun %v: %v, want %v", tt.due, tt.now, got, tt.want)
		}
	}
}

func steppingBy(step time.Duration) *pace {
	p := &pace{}
	p.at.Store(int32(slices.Index(steps[:], step)))
	return p
}

func TestPace(t *testing.T) {
	p := &pace{}
	for _, tt := range []struct {
		name string
		rate float64 // scrapes a second
		want time.Duration
	}{
		{"nothing to do", 0, 250 * time.Millisecond},
		{"a few targets keep the longest step", 128, 250 * time.Millisecond},
		{"more take a shorter one", 200, 125 * time.Millisecond},
		{"a step is kept while the longer one would hold too many", 100, 125 * time.Millisecond},
		{"and is longer again when it would not", 80, 250 * time.Millisecond},
		{"many targets scrape each millisecond", 100_000, time.Millisecond},
		{"all targets are gone", 0, 250 * time.Millisecond},
	} {
		if p.adapt(tt.rate); p.step() != tt.want {
			t.Errorf("%s: a step of %v at %v scrapes a second, want %v", tt.name, p.step(), tt.rate, tt.want)
		}
	}
}

func TestScrapesBeginTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		defer h.stop()
		h.apply(t, pluginJob("j", nil))
		begun := map[int64]int{} // scrapes by time
		beginOf := func(n int) int {
			var addresses []string
			for i := range n {
				a := fmt.Sprintf("h%d:1", i)
				addresses = append(addresses, a)
				h.answer(a, func(context.Context) (string, error) {
					h.mu.Lock()
					defer h.mu.Unlock()
					begun[time.Now().UnixNano()]++
					return "a 1\n", nil
				})
			}
			h.set("j", addresses...)
			time.Sleep(15*time.Second - time.Nanosecond)
			h.mu.Lock()
			clear(begun)
			h.mu.Unlock()
			time.Sleep(15 * time.Second)
			h.mu.Lock()
			defer h.mu.Unlock()
			scrapes := 0
			for _, n := range begun {
				scrapes += n
			}
			if scrapes != n {
				t.Errorf("%d targets were scraped %d times in one interval", n, scrapes)
			}
			return len(begun)
		}
		if times := beginOf(600); times < 50 || times > 60 {
			t.Errorf("600 targets are scraped at %d times of an interval, want nearly all of the 60", times)
		}
		if times := beginOf(2500); times < 110 || times > 120 {
			t.Errorf("2500 targets are scraped at %d times of an interval, want nearly all of the 120", times)
		}
		if times := beginOf(600); times < 50 || times > 60 {
			t.Errorf("600 targets again are scraped at %d times of an interval, want nearly all of the 60", times)
		}
	})
}

func TestAnotherPaceMakesNoScrapeTwice(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 15 * time.Second} {
		p := &pace{}
		for hash := range uint64(200) {
			s := newSchedule(interval, hash*0x9e3779b97f4a7c15, hash<<40, p)
			due := s.next(time.Unix(1_700_000_000, 0))
			for i := range 2 * len(steps) {
				p.at.Store(int32(i * 5 % len(steps)))
				next := s.after(due, due.Add(-time.Millisecond))
				if d := next.Sub(due); d < interval/2 || d > interval/2+interval {
					t.Fatalf("every %v: %v after the last scrape comes the next", interval, d)
				}
				if again := s.after(next, next); again.Sub(next) != interval {
					t.Fatalf("every %v: %v between scrapes of one pace", interval, again.Sub(next))
				}
				due = next
			}
		}
	}
}
