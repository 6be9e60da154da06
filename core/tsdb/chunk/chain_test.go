package chunk

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/storage"
)

func (c *codec) checkAbove(t *testing.T, vals, lower []float64) []byte {
	t.Helper()
	col := slices.Clip(c.enc.EncodeAbove([]byte("x"), vals, lower)[1:])
	if plain := c.enc.Encode(nil, vals); len(col) > len(plain) {
		t.Fatalf("chained takes %d bytes, alone %d", len(col), len(plain))
	}
	got := make([]float64, len(vals))
	if err := c.dec.DecodeAbove(got, lower, col); err != nil {
		t.Fatal(err)
	}
	for i, v := range vals {
		if math.Float64bits(v) != math.Float64bits(got[i]) {
			t.Fatalf("row %d: %#x became %#x", i, math.Float64bits(v), math.Float64bits(got[i]))
		}
	}
	checkTraits(t, vals, col)
	return col
}

// buckets makes the columns of a histogram: an observation falls into one of them and all above.
func buckets(r *rand.Rand, n, le int) [][]float64 {
	cols := make([][]float64, le)
	for i := range cols {
		cols[i] = make([]float64, n)
	}
	counts := make([]float64, le)
	for row := range n {
		for range int(poisson(r, 30)) {
			counts[min(int(r.ExpFloat64()*2), le-1)]++
		}
		sum := 0.0
		for i, c := range counts {
			sum += c
			cols[i][row] = sum
		}
	}
	return cols
}

func TestAHistogramShrinksAlongItsBuckets(t *testing.T) {
	var c codec
	r := rand.New(rand.NewPCG(1, 2))
	cols := buckets(r, 480, 12)
	alone, chain := 0, 0
	for i := range cols {
		plain := c.check(t, cols[i])
		alone += len(plain)
		if i == 0 {
			chain += len(plain)
			continue
		}
		col := c.checkAbove(t, cols[i], cols[i-1])
		chain += len(col)
		if st, err := Stats(col); err != nil || !st.Chained && len(col) < len(plain) {
			t.Fatalf("stats of a chained column: %+v, %v", st, err)
		}
		if err := c.dec.Decode(make([]float64, 480), col); (mode(col[0]&15) == modeChain) != errors.Is(err, ErrCorrupt) {
			t.Fatalf("a chained column without the one below: %v", err)
		}
	}
	t.Logf("%d bytes alone, %d in a chain", alone, chain)
	if chain*2 > alone {
		t.Errorf("%d bytes in a chain, %d alone: want half at most", chain, alone)
	}
}

func TestChainedColumnsKeepEveryBit(t *testing.T) {
	var c codec
	r := rand.New(rand.NewPCG(3, 4))
	for _, k := range kinds {
		for _, n := range []int{1, 2, 31, 32, 33, 200, MaxRows} {
			lower := k.make(r, n)
			vals := slices.Clone(lower)
			for i := range vals {
				if r.IntN(8) == 0 {
					vals[i]++
				}
			}
			c.checkAbove(t, vals, lower)
			if tail := n / 3; tail > 0 { // both series ended, one row apart
				for i := n - tail; i < n; i++ {
					vals[i], lower[i] = storage.Absent, storage.Absent
				}
				lower[n-tail] = 1
			}
			c.checkAbove(t, vals, lower)
			holes(r, vals)
			holes(r, lower)
			c.checkAbove(t, vals, lower)
		}
	}
}

func FuzzAbove(f *testing.F) {
	f.Add(byte(1), []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{1, 1, 1, 1, 1, 1, 1, 0})
	f.Add(byte(2), []byte("some bytes that are decimals"), []byte("some other bytes, as many or more"))
	f.Fuzz(func(t *testing.T, reading byte, a, b []byte) {
		vals, lower := readingOf(reading, a), readingOf(reading/5, b)
		if n := min(len(vals), len(lower)); n > 0 {
			new(codec).checkAbove(t, vals[:n], lower[:n])
		}
	})
}

func FuzzDecodeAbove(f *testing.F) {
	var c codec
	cols := buckets(rand.New(rand.NewPCG(5, 6)), 64, 4)
	for i := 1; i < len(cols); i++ {
		f.Add(c.enc.EncodeAbove(nil, cols[i], cols[i-1]))
	}
	f.Fuzz(func(t *testing.T, col []byte) {
		dst := make([]float64, len(cols[0]))
		if err := new(Decoder).DecodeAbove(dst, cols[0], slices.Clip(col)); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}
