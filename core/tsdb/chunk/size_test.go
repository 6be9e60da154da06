package chunk

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/storage"
)

// What the encoder makes of typical columns: the mode, and bytes that a change of the encoder must not exceed.
func TestColumnsTakeFewBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	stale := math.Float64frombits(0x7ff0000000000002)
	ramp := func(n int, step float64) []float64 { return walk(n, 1e6, func() float64 { return step }) }
	series := func(name string, n int) []float64 {
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
		return kinds[i].make(r, n)
	}
	ending := func(vals []float64, at int) []float64 {
		vals[at] = stale
		for i := at + 1; i < len(vals); i++ {
			vals[i] = storage.Absent
		}
		return vals
	}
	for _, tt := range []struct {
		name string
		vals []float64
		mode mode
		max  int // bytes
	}{
		{"32 rows of 1", repeat(1, 32), modeConstInt, 2},
		{"1024 rows of 1", repeat(1, MaxRows), modeConstInt, 2},
		{"32 rows of 0.25", repeat(0.25, 32), modeConstDec, 3},
		{"32 rows of a start time", repeat(1_790_000_000.12, 32), modeConstDec, 8},
		{"32 rows of pi", repeat(math.Pi, 32), modeConstBits, 9},
		{"32 rows of the staleness marker", repeat(stale, 32), modeConstBits, 9},
		{"a constant whose series ends", ending(repeat(1, 32), 20), modeConstInt, 7},
		{"a constant with a gap", slices.Concat(repeat(1, 9), repeat(storage.Absent, 8), repeat(1, 15)), modeConstInt, 6},
		{"one change in 32 rows", slices.Concat(repeat(0, 19), repeat(1, 13)), modeSparse, 6},
		{"one change in 1024 rows", slices.Concat(repeat(0, 190), repeat(1, 834)), modeSparse, 7},
		{"an even climb, 32 rows", ramp(32, 15), modePacked, 8},
		{"an even climb, 1024 rows", ramp(MaxRows, 15), modePacked, 22},
		{"climbs of 4096 times 0 to 7", walk(128, 0, func() float64 { return 4096 * float64(r.IntN(8)) }), modePacked, 57},
		{"a decimal among integers", slices.Concat(ramp(30, 3), []float64{0.1234567890123}, ramp(33, 3)), modePacked, 30},
		{"a float sum of tenths, 32 rows", walk(32, 0.05, func() float64 { return 0.1 }), modeUlp, 32},
		{"tenths, and a hundredth now and then", generate(64, func() float64 {
			return float64(10*r.IntN(20)+r.IntN(30)/29) / 100
		}), modePacked, 66},
		{"a climb of odd numbers beyond 2^52", walk(64, 1<<52+1, func() float64 { return 2 }), modePacked, 13},
		{"a climb with a reset", slices.Concat(ramp(60, 3), ramp(68, 3)), modePacked, 14},
		{"0 and 1 at random, 32 rows", generate(32, func() float64 { return float64(r.IntN(2)) }), modePacked, 9},
		{"on and off, 1024 rows", series("on and off", MaxRows), modePacked, 147},
		{"changes in one row of three", walk(MaxRows, 0, func() float64 { return float64(r.IntN(3) / 2 * r.IntN(999)) }), modeBitmap, 580},
		{"rare counter, 480 rows", series("rare counter", 480), modeSparse, 42},
		{"counter, 32 rows", series("counter", 32), modePacked, 42},
		{"counter, 480 rows", series("counter", 480), modePacked, 520},
		{"cpu seconds, 480 rows", series("cpu seconds", 480), modePacked, 570},
		{"load average, 480 rows", series("load average", 480), modePacked, 420},
		{"temperature, 480 rows", series("temperature", 480), modePacked, 280},
		{"sum of durations, 480 rows", series("sum of durations", 480), modeUlp, 1960},
		{"durations added one by one, 480 rows", walk(480, 0.1, func() float64 { return float64(r.IntN(1<<20)) / 1e9 }), modeSums, 1250},
		{"a sum that rests most of the time", walk(480, 0.1, func() float64 { return float64(r.IntN(5)/4*r.IntN(1<<20)) / 1e9 }), modeSums, 400},
		{"milliseconds times 0.001", func() []float64 {
			n := 300_000.0
			return generate(480, func() float64 { n += float64(r.IntN(16)); return n * 0.001 })
		}(), modePacked, 260},
		{"microseconds divided twice", func() []float64 {
			n := 300_000.0
			return generate(480, func() float64 { n += float64(r.IntN(4096)); return n / 1000 / 1000 })
		}(), modePacked, 750},
		{"ratio, 480 rows", series("ratio", 480), modePacked, 3130},
		{"noise, 480 rows", series("noise", 480), modeRaw, MaxLen(480)},
		{"noise, 1 row", series("noise", 1), modeConstBits, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c codec
			col := c.check(t, tt.vals)
			if m := mode(col[0] & 15); m != tt.mode || len(col) > tt.max {
				t.Errorf("%d bytes in mode %d, want %d at most in mode %d", len(col), m, tt.max, tt.mode)
			}
		})
	}
}

func TestTheEntropyStagePaysOnLongColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	vals := counter(2)(r, MaxRows)
	plain := (&Encoder{}).Encode(nil, vals)
	coded := (&Encoder{Entropy: true}).Encode(nil, vals)
	if mode(coded[0]&15) != modeEntropy || len(coded)*10 > len(plain)*9 {
		t.Errorf("%d bytes in mode %d, %d without: want nine tenths at most", len(coded), coded[0]&15, len(plain))
	}
}
