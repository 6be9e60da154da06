package chunk

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/storage"
)

// codec encodes and decodes with scratch that earlier columns have dirtied.
type codec struct {
	enc Encoder
	dec Decoder
}

// check fails the test unless vals come back bit for bit, from bytes that end where the column ends, and the
// header tells the truth, with the entropy stage and without. It returns the column without.
func (c *codec) check(t *testing.T, vals []float64) []byte {
	t.Helper()
	c.enc.Entropy = true
	c.checkOne(t, vals)
	c.enc.Entropy = false
	return c.checkOne(t, vals)
}

func (c *codec) checkOne(t *testing.T, vals []float64) []byte {
	t.Helper()
	prefix := []byte("before")
	col := c.enc.Encode(slices.Clone(prefix), vals)
	if string(col[:len(prefix)]) != string(prefix) {
		t.Fatalf("Encode changed what was in dst: %q", col[:len(prefix)])
	}
	col = slices.Clip(slices.Clone(col[len(prefix):]))
	if len(col) > MaxLen(len(vals)) {
		t.Fatalf("%d values took %d bytes, more than MaxLen %d", len(vals), len(col), MaxLen(len(vals)))
	}
	got := make([]float64, len(vals))
	for i := range got {
		got[i] = 42 // nothing may be left to chance
	}
	if err := c.dec.Decode(got, col); err != nil {
		t.Fatalf("decode of %d values in mode %d: %v", len(vals), col[0]&15, err)
	}
	for i, v := range vals {
		if math.Float64bits(v) != math.Float64bits(got[i]) {
			t.Fatalf("row %d of %d, mode %d: %#x became %#x", i, len(vals), col[0]&15,
				math.Float64bits(v), math.Float64bits(got[i]))
		}
	}
	checkTraits(t, vals, col)
	return col
}

func checkTraits(t *testing.T, vals []float64, col []byte) {
	t.Helper()
	want := Traits{Constant: true, Dense: true, Monotone: true}
	top := math.Inf(-1)
	for _, v := range vals {
		if math.Float64bits(v) != math.Float64bits(vals[0]) {
			want.Constant = false
		}
		if math.IsNaN(v) {
			want.Dense = false
			continue
		}
		if v < top {
			want.Monotone = false
		}
		top = v
	}
	got, err := Stats(col)
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	if want.Constant && math.Float64bits(got.Value) != math.Float64bits(vals[0]) {
		t.Fatalf("stats: a constant %v, want %v", got.Value, vals[0])
	}
	got.Value, got.Chained = 0, false
	if got != want {
		t.Fatalf("stats of a column in mode %d: %+v, want %+v", col[0]&15, got, want)
	}
}

var special = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, 0.25, 1e-9, 1e17, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64,
	1 << 53, 1<<53 - 1, -1 << 53, 1<<53 + 2, 123456.789, math.Pi, math.Inf(1), math.Inf(-1), math.NaN(),
	math.Float64frombits(0x7ff0000000000002), math.Float64frombits(0xfff8000000000123), storage.Absent,
}

func TestEveryShortColumnOfSpecialValuesComesBack(t *testing.T) {
	var c codec
	for _, a := range special {
		c.check(t, []float64{a})
		for _, b := range special {
			c.check(t, []float64{a, b})
			for _, d := range special {
				c.check(t, []float64{a, b, d})
				c.check(t, []float64{a, a, b, b, b, d, a})
			}
		}
	}
}

func TestEverySmallStepSequenceComesBack(t *testing.T) {
	var c codec
	vals := make([]float64, 8)
	for n := range 1 << (2 * len(vals)) { // every sequence of 8 steps out of 0, 1, 3, -2
		v := 100.0
		for i := range vals {
			v += []float64{0, 1, 3, -2}[n>>(2*i)&3]
			vals[i] = v
		}
		c.check(t, vals)
	}
}

func TestColumnsOfAllLengthsComeBack(t *testing.T) {
	var c codec
	r := rand.New(rand.NewPCG(1, 2))
	lengths := []int{255, 256, 480, 511, 512, MaxRows - 1, MaxRows}
	for n := 1; n <= 130; n++ {
		lengths = append(lengths, n)
	}
	for _, k := range kinds {
		for _, n := range lengths {
			vals := k.make(r, n)
			c.check(t, vals)
			holes(r, vals)
			c.check(t, vals)
		}
	}
}

// TestPatchworkComesBack joins pieces of several kinds, scaled and repeated, in one column.
func TestPatchworkComesBack(t *testing.T) {
	var c codec
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		var vals []float64
		for n := 1 + r.IntN(1+r.IntN(MaxRows)); len(vals) < n; {
			piece := kinds[r.IntN(len(kinds))].make(r, 1+r.IntN(n-len(vals)))
			scale := [...]float64{1, 1, -1, 0.1, 1e-3, 1e-6, 1e9, 1 << 40}[r.IntN(8)]
			for i := range piece {
				piece[i] *= scale
			}
			if vals = append(vals, piece...); r.IntN(3) == 0 {
				vals = append(vals, vals[:min(len(vals), n-len(vals))]...)
			}
		}
		if r.IntN(2) == 0 {
			holes(r, vals)
		}
		c.check(t, vals)
	}
}

// holes makes some rows exceptions: a run at an end, single rows, odd values.
func holes(r *rand.Rand, vals []float64) {
	for i := range r.IntN(len(vals) + 1) {
		if r.IntN(2) == 0 {
			vals[i] = storage.Absent
		} else {
			vals[len(vals)-1-i] = storage.Absent
		}
	}
	for range len(vals) / 20 {
		vals[r.IntN(len(vals))] = special[r.IntN(len(special))]
	}
}

func TestFieldsOfEveryWidthComeBack(t *testing.T) {
	var c codec
	r := rand.New(rand.NewPCG(3, 4))
	for w := range 65 {
		for _, n := range []int{1, 31, 32, 33, 64, 100, 128} {
			x := make([]int64, n)
			for i := range x {
				x[i] = int64(r.Uint64() >> 1 >> (63 - min(w, 63)))
				if w == 64 {
					x[i] = int64(r.Uint64())
				}
			}
			b := appendPacked(nil, x, 0, w)
			got := make([]int64, n)
			unpackAll(w, slices.Clip(b), got)
			if w > 0 && !slices.Equal(got, x) {
				t.Fatalf("%d fields of %d bits: %v became %v", n, w, x, got)
			}
			br := bitReader{b: slices.Clip(b)}
			for i := range x {
				if got := br.next(w); w > 0 && int64(got) != x[i] {
					t.Fatalf("field %d of %d bits: %d became %d", i, w, x[i], got)
				}
			}
			vals := make([]float64, n)
			v := 0.0
			for i := range vals {
				v += float64(x[i] & (1<<44 - 1))
				vals[i] = v
			}
			c.check(t, vals)
		}
	}
}

func TestTwoProductsEqualTheDivision(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for e := 1; e < len(narrow); e++ {
		lim := int64(1) << narrow[e].bits
		d, err := newDomain(byte(e) | flagNarrow)
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(300_000) {
			n := r.Int64N(lim) >> r.IntN(narrow[e].bits)
			switch i & 3 {
			case 0:
				n = i
			case 1:
				n = lim - 1 - i
			}
			for _, n := range []int64{n, -n} {
				if got, want := d.value(n), float64(n)/pow10[e]; math.Float64bits(got) != math.Float64bits(want) {
					t.Fatalf("%d/10^%d: %v, want %v", n, e, got, want)
				}
			}
		}
	}
}

func TestReciprocalsAreCutRight(t *testing.T) {
	for e := 1; e < len(narrow); e++ {
		n := narrow[e]
		if tail := math.Float64bits(n.hi) & (1<<n.bits - 1); tail != 0 {
			t.Errorf("e=%d: hi has more than %d bits", e, 53-n.bits)
		}
		if want := int(math.Floor(50 - math.Log2(pow10[e]))); n.bits != want {
			t.Errorf("e=%d: bits %d, want %d", e, n.bits, want)
		}
	}
}

// FuzzRoundTrip takes the bytes as values in one of several readings, so that arbitrary bits and plausible series
// are both reached.
func FuzzRoundTrip(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for reading := range byte(7) {
		for _, n := range []int{1, 33, 200} {
			b := make([]byte, 8*n)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			f.Add(reading, b)
		}
	}
	f.Fuzz(func(t *testing.T, reading byte, b []byte) {
		if vals := readingOf(reading, b); len(vals) > 0 {
			var c codec
			c.check(t, vals)
			c.check(t, vals)
		}
	})
}

func readingOf(reading byte, b []byte) []float64 {
	var vals []float64
	v := 0.0
	switch reading % 7 {
	case 0: // bits
		for ; len(b) >= 8; b = b[8:] {
			vals = append(vals, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case 1: // small steps
		for _, c := range b {
			v += float64(int8(c))
			vals = append(vals, v)
		}
	case 2: // decimals and special values
		for _, c := range b {
			v += float64(c&63) / 100
			if c > 250 {
				v = 0
			}
			vals = append(vals, v)
			if c&0xc0 == 0xc0 {
				vals[len(vals)-1] = special[int(c&63)%len(special)]
			}
		}
	case 3: // rare changes
		for _, c := range b {
			if c > 200 {
				v = float64(c) * 1e6
			}
			vals = append(vals, v)
		}
	case 4: // sums of decimals, and jumps
		for _, c := range b {
			v += float64(c) / 1000 * 0.1
			if c == 0 {
				v *= 1e9
			}
			vals = append(vals, v)
		}
	case 5: // durations added up, with gaps
		for _, c := range b {
			for range c & 3 {
				v += float64(c) * 12345 / 1e9
			}
			if vals = append(vals, v); c > 250 {
				vals[len(vals)-1] = special[int(c&63)%len(special)]
			}
		}
	case 6: // integers made seconds in several ways
		for _, c := range b {
			if v += float64(c); b[0]&1 == 0 {
				vals = append(vals, v*1e-3)
			} else {
				vals = append(vals, v/1000/1000)
			}
		}
	}
	return vals[:min(len(vals), MaxRows)]
}

// FuzzDecode feeds arbitrary bytes: an error that wraps ErrCorrupt or some values, never a panic. The column has
// no capacity beyond its length, so that a read behind it panics.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 10))
	var c codec
	for _, k := range kinds {
		for _, n := range []int{1, 32, 33, 480} {
			vals := k.make(r, n)
			f.Add(uint16(n), c.enc.Encode(nil, vals))
			holes(r, vals)
			f.Add(uint16(n), c.enc.Encode(nil, vals))
		}
	}
	f.Fuzz(func(t *testing.T, rows uint16, col []byte) {
		dst := make([]float64, rows%(MaxRows+2))
		var d Decoder
		if err := d.Decode(dst, slices.Clip(col)); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error of another kind: %v", err)
		}
		if _, err := Stats(slices.Clip(col)); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error of another kind: %v", err)
		}
	})
}

// TestDamageIsNeverAPanic cuts, lengthens and changes valid columns. Cut and lengthened ones are always refused.
func TestDamageIsNeverAPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var c codec
	for _, k := range kinds {
		for _, n := range []int{2, 32, 47, 300} {
			vals := k.make(r, n)
			if n == 47 {
				holes(r, vals)
			}
			col := c.check(t, vals)
			dst := make([]float64, n)
			for cut := range col {
				if err := c.dec.Decode(dst, slices.Clip(col[:cut])); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s cut to %d of %d bytes: %v", k.name, cut, len(col), err)
				}
			}
			if err := c.dec.Decode(dst, append(slices.Clip(col), 0)); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s with a byte more: %v", k.name, err)
			}
			for range 300 {
				bad := slices.Clip(slices.Clone(col))
				for range 1 + r.IntN(3) {
					bad[r.IntN(len(bad))] = byte(r.Uint32())
				}
				if err := c.dec.Decode(dst, bad); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s damaged: error of another kind: %v", k.name, err)
				}
			}
		}
	}
}
