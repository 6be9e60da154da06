package promql

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLargestQueryGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(100, 20)
		var told error
		large := l.open(false, func(err error) { told = err })
		small := l.open(false, func(error) { t.Error("the small one is stopped") })
		large.Take(t.Context(), 60, 60)
		small.Take(t.Context(), 10, 1000)
		time.AfterFunc(time.Second, large.close) // it takes its time to end
		began := time.Now()
		got, err := small.Take(t.Context(), 20, 1000)
		if got != 20 || err != nil || time.Since(began) != time.Second {
			t.Errorf("%d bytes, %v after %s", got, err, time.Since(began))
		}
		if !errors.Is(told, ErrNoMemory) || !strings.Contains(told.Error(), "100 bytes ([query] max_memory), 20 bytes of it for rules, and 10 bytes more") {
			t.Errorf("the large one is told %v", told)
		}
		if small.holds() != 30 || l.mu.used != 30 {
			t.Errorf("%d of %d are held", small.holds(), l.mu.used)
		}
	})
}

func TestTheOneThatAsksMayBeTheLargest(t *testing.T) {
	l := newLedger(100, 20)
	other, asks := l.open(false, func(error) { t.Error("another is stopped") }), l.open(false, nil)
	other.Take(t.Context(), 40, 40)
	if got, err := asks.Take(t.Context(), 41, 41); got != 0 || !errors.Is(err, ErrNoMemory) {
		t.Errorf("%d, %v", got, err)
	}
}

func TestTheLimitMayShrink(t *testing.T) {
	l := newLedger(100, 20)
	var told error
	large, small := l.open(false, func(err error) { told = err }), l.open(false, func(error) { t.Error("the small one is stopped") })
	rule := l.open(true, func(error) { t.Error("the rule is stopped") })
	large.Take(t.Context(), 40, 40)
	small.Take(t.Context(), 10, 10)
	rule.Take(t.Context(), 20, 20)
	if used := l.set(70); used != 70 || told != nil {
		t.Errorf("%d are held, and one is told %v", used, told)
	}
	for range 3 {
		if used := l.set(50); used != 70 || !errors.Is(told, ErrNoMemory) || !strings.Contains(told.Error(), "50 bytes ([query] max_memory, of which [limits] memory leaves no more)") {
			t.Errorf("%d are held, and the largest is told %v", used, told)
		}
	}
	large.close()
	if used := l.set(50); used != 30 || l.mu.reserve != 10 {
		t.Errorf("%d are held, %d are for rules", used, l.mu.reserve)
	}
	if l.set(100); l.mu.reserve != 20 {
		t.Errorf("%d are for rules again", l.mu.reserve)
	}
}

func TestRulesHaveTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(100, 20)
		stopped := false
		query := l.open(false, func(error) { stopped = true })
		rule := l.open(true, func(error) { t.Error("the rule is stopped") })
		if got, _ := query.Take(t.Context(), 80, 100); got != 80 {
			t.Errorf("%d bytes of a wish for all", got)
		}
		if got, err := rule.Take(t.Context(), 20, 20); got != 20 || err != nil || stopped {
			t.Errorf("%d, %v, others stopped: %v", got, err, stopped)
		}
		time.AfterFunc(time.Second, query.close)
		if got, err := rule.Take(t.Context(), 30, 30); got != 30 || err != nil || !stopped {
			t.Errorf("beyond its share: %d, %v, others stopped: %v", got, err, stopped)
		}
		if _, err := rule.Take(t.Context(), 51, 51); !errors.Is(err, ErrNoMemory) {
			t.Errorf("nobody is left to stop: %v", err)
		}
	})
}

func TestWhoWaitsForMemoryCanBeCanceled(t *testing.T) {
	l := newLedger(100, 20)
	large, small := l.open(false, func(error) {}), l.open(false, nil)
	large.Take(t.Context(), 80, 80)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := small.Take(ctx, 10, 10); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
