package process

import (
	"testing"
	"time"
)

func TestDelaysGrowAndAreSpread(t *testing.T) {
	var b Backoff
	b.setDefaults()
	seen := map[time.Duration]bool{}
	for n, want := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 5: 8 * time.Second, 8: time.Minute, 40: time.Minute, 1 << 40: time.Minute} {
		for range 20 {
			d := b.delay(n)
			if d < want*3/4 || d > want*5/4 {
				t.Errorf("after %d failures %v, want about %v", n, d, want)
			}
			seen[d] = true
		}
	}
	if len(seen) < 60 {
		t.Errorf("%d different delays of 120", len(seen))
	}
}
