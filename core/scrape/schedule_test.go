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
	s := newSchedule(15*time.Second, uint64(4*time.Second+500*time.Microsecond))
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
