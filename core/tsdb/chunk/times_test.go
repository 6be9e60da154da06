package chunk

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func checkTimes(t *testing.T, ts []int64) []byte {
	t.Helper()
	b := slices.Clip(EncodeTimes(nil, ts))
	got := make([]int64, len(ts))
	if err := DecodeTimes(got, b); err != nil {
		t.Fatalf("decode of %v: %v", ts, err)
	}
	if !slices.Equal(got, ts) {
		t.Fatalf("%v became %v", ts, got)
	}
	return b
}

const start = int64(1_790_000_000_123)

func scrapes(n int, jitter func() int64) []int64 {
	ts := make([]int64, n)
	for i := range ts {
		ts[i] = start + int64(i)*15000 + jitter()
	}
	return ts
}

func TestTimestampsTakeFewBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name string
		ts   []int64
		max  int // bytes
	}{
		{"one row", []int64{start}, 7},
		{"32 regular rows", scrapes(32, func() int64 { return 0 }), 10},
		{"1024 regular rows", scrapes(1024, func() int64 { return 0 }), 10},
		{"32 rows with a few ms of jitter", scrapes(32, func() int64 { return r.Int64N(4) }), 24},
		{"1024 rows with a few ms of jitter", scrapes(1024, func() int64 { return r.Int64N(4) }), 300},
		{"1024 regular rows with a gap", slices.Concat(scrapes(500, func() int64 { return 0 }),
			scrapes(1024, func() int64 { return 60_000 })[500:]), 50},
		{"seconds at random", func() []int64 {
			ts := make([]int64, 256)
			v := start / 1000 * 1000
			for i := range ts {
				v += 1000 * (1 + r.Int64N(8))
				ts[i] = v
			}
			return ts
		}(), 128},
		{"the ends of the range", []int64{math.MinInt64, 0, math.MaxInt64}, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if b := checkTimes(t, tt.ts); len(b) > tt.max {
				t.Errorf("%d bytes, want %d at most", len(b), tt.max)
			}
		})
	}
}

func TestTimestampsOfAllLengthsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= MaxRows; n += 1 + n/130*97 {
		for _, span := range []int64{1, 2, 20_000, 1 << 40, math.MaxInt64 / MaxRows} {
			ts := make([]int64, n)
			v := -span * int64(n) / 2
			for i := range ts {
				v += 1 + r.Int64N(span)
				ts[i] = v
			}
			checkTimes(t, ts)
		}
	}
}

func TestEdgesOfTheRangeComeBack(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 62, -1, 0, 1, 15000, 1 << 62, math.MaxInt64 - 1, math.MaxInt64}
	for set := 1; set < 1<<len(edges); set++ {
		var ts []int64
		for i, v := range edges {
			if set>>i&1 != 0 {
				ts = append(ts, v)
			}
		}
		checkTimes(t, ts)
	}
}

func TestTimestampsThatDoNotIncreaseAreRefused(t *testing.T) {
	for _, b := range [][]byte{
		{},
		{timesRegular},
		{timesRegular, 2, 0}, // step 0
		{timesRegular, 2, 1, 0},
		{byte(transformFOR), 2, 0, 0},
		{0x7f, 2, 1},
		{flagGCD | byte(transformDelta), 1, 2, 0, 0},
	} {
		if err := DecodeTimes(make([]int64, 3), slices.Clip(b)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: %v, want %v", b, err, ErrCorrupt)
		}
	}
	if err := DecodeTimes(nil, []byte{timesRegular, 2}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("no rows: %v, want %v", err, ErrCorrupt)
	}
}

func FuzzTimesRoundTrip(f *testing.F) {
	f.Add(start, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add(int64(math.MinInt64), []byte{255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, first int64, b []byte) {
		ts := []int64{first}
		for last := first; len(b) > 0 && len(ts) < MaxRows; {
			step := uint64(b[0]) + 1
			if b[0] == 255 && len(b) > 8 {
				step, b = binary.LittleEndian.Uint64(b[1:]), b[8:]
			}
			b = b[1:]
			if step == 0 || step > uint64(math.MaxInt64)-uint64(last) {
				break
			}
			last += int64(step)
			ts = append(ts, last)
		}
		checkTimes(t, ts)
	})
}

func FuzzDecodeTimes(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 40, 500} {
		f.Add(uint16(n), EncodeTimes(nil, scrapes(n, func() int64 { return 0 })))
		f.Add(uint16(n), EncodeTimes(nil, scrapes(n, func() int64 { return r.Int64N(100) })))
	}
	f.Fuzz(func(t *testing.T, rows uint16, b []byte) {
		dst := make([]int64, rows%(MaxRows+2))
		err := DecodeTimes(dst, slices.Clip(b))
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error of another kind: %v", err)
		}
		if err == nil && !strictlyIncreasing(dst) {
			t.Fatalf("accepted %v", dst)
		}
	})
}
