package floattext

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// want is the text of v as upstream makes it.
func want(dst []byte, v float64) []byte {
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, 64)
}

// check compares v, and -v, with strconv.
func check(t *testing.T, v float64) {
	t.Helper()
	var ours, theirs [2 * Max]byte
	for _, v := range [2]float64{v, -v} {
		got, want := Append(ours[:0], v), want(theirs[:0], v)
		if string(got) != string(want) {
			t.Fatalf("%x (%b) is printed as %s, want %s", math.Float64bits(v), v, got, want)
		}
	}
}

func TestNumbersAreWrittenAsStrconvWritesThem(t *testing.T) {
	for _, v := range []float64{
		0, 1, 9, 10, 99, 100, 12345678, 99999999, 1e8, 1e15 - 1, 1e15, 1e15 + 1, 1e16, 123456789012345678, 1e20, 1e21, 1e22, 1e23,
		0.1, 0.5, 0.001, 0.125, 0.0625, 1.005, 12.34, 999999999999.999, 1e-5, 1e-6, 9.99e-7, 1e-7, 1.0 / 3, 2.0 / 3 * 1e15,
		math.Pi, math.E * 1e-6, math.MaxFloat64, math.SmallestNonzeroFloat64, 0x1p-1022, 0x1p-1022 - 0x1p-1074,
		math.Inf(1), math.NaN(), math.Float64frombits(0x7ff0000000000002), 9007199254740993, 5e-324, 9.5367431640625e-7,
		4.35, 0.3, 2.2250738585072011e-308, 1.7976931348623157e308, 9.007199254740993e15, 2.98023223876953125e-8, 1e-300, 3e17,
	} {
		check(t, v)
	}
}

func TestNumbersNearCornersAreRight(t *testing.T) {
	corners := []float64{1 << 53, 1e15, 1e16, 1e17, 1e21, 1e-6, 1, 0.001, 1e12, 1e8}
	for e := -1074; e < 1024; e++ {
		corners = append(corners, math.Ldexp(1, e)) // there the neighbour below is closer
	}
	for e := -323; e <= 308; e++ {
		v, err := strconv.ParseFloat(fmt.Sprint("1e", e), 64)
		if err != nil {
			t.Fatal(err)
		}
		for d := range 9 {
			corners = append(corners, v*float64(d+1))
		}
	}
	for _, c := range corners {
		raw := math.Float64bits(c)
		for d := -min(40, int64(raw)); d < 40; d++ {
			check(t, math.Float64frombits(raw+uint64(d)))
		}
	}
}

func TestSmallNumbersAndDecimalsAreRight(t *testing.T) {
	for n := range 100_000 {
		for _, unit := range []float64{1, 10, 100, 1000, 1e4, 1e6, 1e9, 3, 7, 60} {
			check(t, float64(n)/unit)
		}
		check(t, math.Float64frombits(uint64(n))) // the subnormal numbers from the smallest on
	}
}

// TestRandomNumbersAreRight compares as many numbers of each kind as FLOATTEXT_SOAK says; a few without it.
func TestRandomNumbersAreRight(t *testing.T) {
	n, seed := 100_000, rand.Uint64()
	if v := os.Getenv("FLOATTEXT_SOAK"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatalf("FLOATTEXT_SOAK: %v", err)
		}
	}
	for name, next := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			for range n {
				check(t, next(r))
			}
		})
	}
}

// kinds of numbers, by what they are in monitoring.
var kinds = map[string]func(*rand.Rand) float64{
	"bits":          func(r *rand.Rand) float64 { return math.Float64frombits(r.Uint64()) },
	"subnormal":     func(r *rand.Rand) float64 { return math.Float64frombits(r.Uint64() >> (12 + r.UintN(52))) },
	"around_one":    func(r *rand.Rand) float64 { return math.Ldexp(1+r.Float64(), r.IntN(100)-50) },
	"integers":      func(r *rand.Rand) float64 { return float64(r.Uint64() >> r.UintN(64)) },
	"near_2to53":    func(r *rand.Rand) float64 { return float64(1<<53 - 1<<20 + r.Uint64N(1<<21)) },
	"rates":         func(r *rand.Rand) float64 { return float64(r.UintN(1e6)) / (float64(1+r.UintN(300000)) / 1000) },
	"decimals":      func(r *rand.Rand) float64 { return float64(r.Uint64N(1e17)>>r.UintN(56)) / pow10f[r.UintN(23)] },
	"short_decimal": func(r *rand.Rand) float64 { return float64(r.Uint64N(1e12)>>r.UintN(40)) / pow10f[r.UintN(5)] },
	"few_bits": func(r *rand.Rand) float64 {
		return math.Ldexp(float64(r.UintN(1<<12)), r.IntN(2090)-1074)
	},
	"powers_of_ten": func(r *rand.Rand) float64 {
		v, _ := strconv.ParseFloat(fmt.Sprintf("%de%d", 1+r.UintN(1000), r.IntN(640)-330), 64)
		return v
	},
}

var pow10f = [23]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

func FuzzNumbersAreWrittenAsStrconvWritesThem(f *testing.F) {
	for _, v := range []float64{0, 0.1, 1e15, 1e21, 1e-6, 1.0 / 3, math.MaxFloat64, 5e-324, 123.456} {
		f.Add(math.Float64bits(v))
	}
	f.Fuzz(func(t *testing.T, raw uint64) { check(t, math.Float64frombits(raw)) })
}

func TestAppendGrowsWhatIsTooSmallAndKeepsWhatIsThere(t *testing.T) {
	for room := range 2 * Max {
		b := append(make([]byte, 0, 2+room), "x="...)
		if b = Append(b, -1.0/3); string(b) != "x=-0.3333333333333333" {
			t.Fatalf("got %s", b)
		}
	}
	b := make([]byte, 0, Max)
	if n := testing.AllocsPerRun(100, func() { Append(b, math.Pi) }); n != 0 {
		t.Errorf("%v allocations with enough room", n)
	}
}

func TestThePowersAreRoundedUpBelowAUnit(t *testing.T) {
	for k := firstPower; k <= lastPower; k++ {
		g := powers[k-firstPower]
		got := new(big.Int).Lsh(new(big.Int).SetUint64(g.hi), 64)
		got.Or(got, new(big.Int).SetUint64(g.lo))
		// got = 10^k * 2^shift, compared without fractions: both sides times what makes them whole
		shift := 127 - floorLog2Pow10(k)
		left, right, unit := new(big.Int).Set(got), big.NewInt(1), big.NewInt(1)
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(k, -k))), nil)
		if k >= 0 {
			right.Set(ten)
		} else {
			left.Mul(left, ten)
			unit.Set(ten)
		}
		if shift >= 0 {
			right.Lsh(right, uint(shift))
		} else {
			left.Lsh(left, uint(-shift))
			unit.Lsh(unit, uint(-shift))
		}
		d := left.Sub(left, right)
		if g.hi>>63 != 1 || d.Sign() < 0 || d.Cmp(unit) >= 0 {
			t.Errorf("10^%d is off", k)
		}
	}
}

func TestTheLogarithmsAreExact(t *testing.T) {
	power10 := func(k int) *big.Rat {
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(k, -k))), nil))
		if k < 0 {
			p.Inv(p)
		}
		return p
	}
	power2 := func(q int) *big.Rat {
		p := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(q, -q))))
		if q < 0 {
			p.Inv(p)
		}
		return p
	}
	within := func(low, x, high *big.Rat) bool { return low.Cmp(x) <= 0 && x.Cmp(high) < 0 }
	for q := -1074; q <= 971; q++ {
		p := power2(q)
		if k := floorLog10Pow2(q); !within(power10(k), p, power10(k+1)) {
			t.Errorf("log10 of 2^%d is not %d", q, k)
		}
		p.Mul(p, big.NewRat(3, 4))
		if k := floorLog10ThreeQuarters(q); !within(power10(k), p, power10(k+1)) {
			t.Errorf("log10 of 3/4 2^%d is not %d", q, k)
		}
	}
	for k := firstPower; k <= lastPower; k++ {
		if e := floorLog2Pow10(k); !within(power2(e), power10(k), power2(e+1)) {
			t.Errorf("log2 of 10^%d is not %d", k, e)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	printers := []struct {
		name string
		f    func([]byte, float64) []byte
	}{{"hearth", Append}, {"strconv", want}}
	for _, kind := range []string{"rates", "around_one", "bits", "integers", "short_decimal", "decimals"} {
		for _, p := range printers {
			b.Run(kind+"/"+p.name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				in := make([]float64, 4096)
				for i := range in {
					in[i] = kinds[kind](r)
				}
				buf := make([]byte, 0, 64)
				i := 0
				for b.Loop() {
					buf = p.f(buf[:0], in[i&4095])
					i++
				}
			})
		}
	}
}
