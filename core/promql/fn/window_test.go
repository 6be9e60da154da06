package fn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

func TestWindowsHoldTheRowsOfTheirTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var times []int64
		for at, n := r.Int64N(50), r.IntN(60); len(times) < n; at += 1 + r.Int64N(1+r.Int64N(40)) {
			times = append(times, at)
		}
		ref := plan.Times{Base: r.Int64N(300) - 100, Step: r.Int64N(100), N: r.IntN(30)}
		width := 1 + r.Int64N(200)
		lo, hi := Span(times, ref, width)
		w := NewWindow(times[lo:hi], ref, plan.Grid{N: ref.N}, width, false)
		samples := int64(0)
		for k := range ref.N {
			var want []int64
			for _, at := range times {
				if at > ref.At(k)-width && at <= ref.At(k) {
					want = append(want, at)
				}
			}
			samples += int64(len(want))
			if got := w.T[w.Lo[k]:w.Hi[k]]; !slices.Equal(got, want) {
				t.Fatalf("times %v, %d before %d: rows %v, want %v", times, width, ref.At(k), got, want)
			}
		}
		if w.Samples != samples {
			t.Fatalf("%d samples, want %d", w.Samples, samples)
		}
	}
}

func TestASurveyFindsTheResets(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name string
		v    []float64
		want []int32
		ok   bool
	}{
		{"nothing", nil, nil, true},
		{"one value", []float64{1}, nil, true},
		{"rising and level", []float64{1, 1, 2, inf, inf}, nil, true},
		{"a reset", []float64{1, 2, 0, 1}, []int32{2}, true},
		{"NaN first", []float64{nan, 1}, nil, false},
		{"NaN between", []float64{1, nan, 2}, nil, false},
		{"NaN last", []float64{1, 2, nan}, nil, false},
		{"holes", []float64{1, storage.Absent}, nil, false},
		{"a gauge", []float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Survey(tt.v, nil)
			if ok != tt.ok || ok && !slices.Equal(got, tt.want) {
				t.Errorf("resets %v %v, want %v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// A rate must not depend on what was known of the series beforehand, nor on how many steps are computed at once.
func TestRatesAreTheSameHoweverComputed(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		times, v := make([]int64, 40), make([]float64, 40)
		x := r.Float64() * 10
		for i := range times {
			times[i] = int64(i)*15_000 + r.Int64N(3000)
			if x += r.Float64(); r.IntN(25) == 0 {
				x = 0
			}
			v[i] = x
		}
		grid := plan.NewGrid(100_000, 500_000, 7_000)
		ref := plan.Times{Base: grid.Start, Step: grid.Step, N: grid.N}
		w := NewWindow(times, ref, grid, 90_000, false)
		resets, ok := Survey(v, nil)
		if !ok {
			continue
		}
		known, unknown, parts := make([]float64, grid.N), make([]float64, grid.N), make([]float64, grid.N)
		rate(90)(w, Series{V: v, Known: true, Resets: resets}, nil, known)
		rate(90)(w, Series{V: v}, nil, unknown)
		for a := 0; a < grid.N; a += 7 {
			b := min(a+7, grid.N)
			rate(90)(w.Steps(a, b), Series{V: v}, nil, parts[a:b])
		}
		for k := range known {
			if math.Float64bits(known[k]) != math.Float64bits(unknown[k]) {
				t.Fatalf("step %d of %v: %v with the resets known, %v without", k, v, known[k], unknown[k])
			}
			if math.Float64bits(parts[k]) != math.Float64bits(unknown[k]) {
				t.Fatalf("step %d of %v: %v in parts, %v at once", k, v, parts[k], unknown[k])
			}
		}
	}
}

func TestFoldsOfOneSeriesAreSingle(t *testing.T) {
	col := []float64{0, math.Copysign(0, -1), 1.5, -2, math.Inf(1), math.NaN(), storage.Absent, math.MaxFloat64}
	for _, op := range []parser.ItemType{parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.COUNT, parser.GROUP, parser.STDDEV, parser.STDVAR} {
		f := NewFold(op, len(col))
		f.Add(slices.Clone(col))
		want := f.Result()
		got := slices.Clone(col)
		Single(op, got)
		for k := range col {
			if math.Float64bits(got[k]) != math.Float64bits(want[k]) && !(isNaN(got[k]) && isNaN(want[k]) && !storage.IsAbsent(got[k]) && !storage.IsAbsent(want[k])) {
				t.Errorf("%s of %v alone is %v, folded %v", op, col[k], got[k], want[k])
			}
		}
	}
}

func TestFoldsSkipHoles(t *testing.T) {
	a := storage.Absent
	for _, tt := range []struct {
		op   parser.ItemType
		want []float64 // of the columns {1, a, 3, a} and {5, 6, a, a}
	}{
		{parser.SUM, []float64{6, 6, 3, a}},
		{parser.AVG, []float64{3, 6, 3, a}},
		{parser.MIN, []float64{1, 6, 3, a}},
		{parser.MAX, []float64{5, 6, 3, a}},
		{parser.COUNT, []float64{2, 1, 1, a}},
		{parser.GROUP, []float64{1, 1, 1, a}},
		{parser.STDVAR, []float64{4, 0, 0, a}},
		{parser.STDDEV, []float64{2, 0, 0, a}},
	} {
		f := NewFold(tt.op, 4)
		f.Add([]float64{1, a, 3, a})
		f.Add([]float64{5, 6, a, a})
		for k, x := range f.Result() {
			if math.Float64bits(x) != math.Float64bits(tt.want[k]) {
				t.Errorf("%s at %d: %v, want %v", tt.op, k, x, tt.want[k])
			}
		}
	}
}

// A mean of values whose sum overflows is still right.
func TestMeansDoNotOverflow(t *testing.T) {
	v := []float64{math.MaxFloat64, math.MaxFloat64, math.MaxFloat64 / 2}
	f := NewFold(parser.AVG, 1)
	for _, x := range v {
		f.Add([]float64{x})
	}
	want := math.MaxFloat64 / 3 * 2.5
	for what, got := range map[string]float64{"a fold": f.Result()[0], "meanOf": meanOf(v)} {
		if math.Abs(got-want) > want*1e-15 {
			t.Errorf("%s gives %v, want %v", what, got, want)
		}
	}
}
