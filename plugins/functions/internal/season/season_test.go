package season

import (
	"math"
	"math/rand/v2"
	"testing"
)

var nan = math.NaN()

func same(a, b, tolerance float64) bool {
	return a != a && b != b || math.Abs(a-b) <= tolerance*(1+math.Abs(b))
}

func TestSlotsAreMeans(t *testing.T) {
	inf := math.Inf(1)
	for _, tt := range []struct {
		name   string
		times  []int64
		values []float64
		want   []float64 // of slots that end at 10, 20, 30
	}{
		{"each has its samples", []int64{5, 15, 16, 25}, []float64{1, 2, 4, 5}, []float64{1, 3, 5}},
		{"a slot holds its end and not its begin", []int64{0, 10, 20, 30}, []float64{9, 1, 2, 3}, []float64{1, 2, 3}},
		{"without samples it has no value", []int64{12}, []float64{7}, []float64{nan, 7, nan}},
		{"samples that are not finite are passed over", []int64{1, 2, 11, 12, 21}, []float64{nan, 3, inf, -inf, 4}, []float64{3, nan, 4}},
		{"what is older than the oldest is left out", []int64{-40, -1, 0, 3}, []float64{1, 1, 1, 2}, []float64{2, nan, nan}},
		{"no samples", nil, nil, []float64{nan, nan, nan}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make([]float64, 3)
			Fill(got, 30, 10, tt.times, tt.values)
			for i := range got {
				if !same(got[i], tt.want[i], 0) {
					t.Errorf("%v, want %v", got, tt.want)
				}
			}
		})
	}
	got := make([]float64, 1)
	Fill(got, 1000, 1000, []int64{1, 2, 3}, []float64{0.1, 0.1, 0.1})
	if got[0] != 0.1 {
		t.Errorf("the mean of three times 0.1 is %v", got[0])
	}
}

// TestByHand has a season of two slots, 10 and 20 with a rise of 1 a slot, and then 2 more than expected. On paper: the first
// trend is ((12-10) + (22-20)) / 2 / 2 = 1, the slots without it are 9, 18, 9, 18, so the level is 13.5 before the first slot
// and the season -4.5, 4.5. Expected is 13.5 + 5 - 4.5 = 14, there is 16, so with alpha 0.5 the level is 18.5 + 1 = 19.5, with
// beta 0.5 the trend 1 + 0.5 (19.5 - 17.5 - 1) = 1.5, and with gamma 0.25 the season -4.5 + 0.25 (16 - 19.5 + 4.5) = -4.25.
func TestByHand(t *testing.T) {
	m := Model{Slots: 2, Smoothing: Smoothing{0.5, 0.5, 0.25}}
	if !m.Fit([]float64{10, 20, 12, 22, 16}) {
		t.Fatal("not enough")
	}
	for i, want := range []float64{0, 0, 0, 0, 2} {
		if m.Errors[i] != want {
			t.Errorf("errors %v", m.Errors)
		}
	}
	for h, want := range map[int]float64{1: 19.5 + 1.5 + 4.5, 2: 19.5 + 3 - 4.25, 3: 19.5 + 4.5 + 4.5, 4: 19.5 + 6 - 4.25} {
		if got := m.Forecast(h); got != want {
			t.Errorf("%d ahead: %v, want %v", h, got, want)
		}
	}
	if got, want := m.Sigma(), 2.0; got != want { // one degree of freedom: five slots less two, a level and a trend
		t.Errorf("sigma %v, want %v", got, want)
	}
	// Two ahead an error of the first has gone into level and trend, by 0.5 and 0.25; three ahead also into the season.
	for h, want := range map[int]float64{1: 1, 2: 1 + 0.75*0.75, 3: 1 + 0.75*0.75 + 1.125*1.125} {
		if got := m.Deviation(h); !same(got, 2*math.Sqrt(want), 1e-15) {
			t.Errorf("deviation %d ahead: %v, want %v", h, got, 2*math.Sqrt(want))
		}
	}
}

// naive is the method as textbooks write it, from the same first values, each computed in its own way.
type naive struct {
	level, trend float64
	season       []float64 // of all slots so far, with those of the first season before them
	errors       []float64
}

func newNaive(y []float64, m int, a, b, g float64) naive {
	var n naive
	for i := range m {
		n.trend += (y[m+i] - y[i]) / float64(m*m)
	}
	for t := range 2 * m {
		n.level += (y[t] - n.trend*float64(t+1)) / float64(2*m)
	}
	for i := range m {
		n.season = append(n.season, (y[i]+y[m+i])/2-n.level-n.trend*float64(i+1+m+i+1)/2)
	}
	for t, v := range y {
		s := n.season[t]
		n.errors = append(n.errors, v-(n.level+n.trend+s))
		before := n.level
		n.level = a*(v-s) + (1-a)*(n.level+n.trend)
		n.trend = b*(n.level-before) + (1-b)*n.trend
		n.season = append(n.season, g*(v-n.level)+(1-g)*s)
	}
	return n
}

func (n naive) forecast(h, m int) float64 {
	return n.level + float64(h)*n.trend + n.season[len(n.season)-m+(h-1)%m]
}

// deviation adds up the squares of what an error becomes, as R's predict.HoltWinters does.
func (n naive) deviation(h, m int, a, b, g float64) float64 {
	squares := 0.0
	for _, e := range n.errors {
		squares += e * e
	}
	sum := 1.0
	for j := 1; j < h; j++ {
		psi := a * (1 + float64(j)*b)
		if j%m == 0 {
			psi += g * (1 - a)
		}
		sum += psi * psi
	}
	return math.Sqrt(squares / float64(len(n.errors)-m-2) * sum)
}

func TestRandomModelsEqualTheTextbook(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := 3 + r.IntN(10)
		y := make([]float64, 2*m+r.IntN(5*m))
		for i := range y {
			y[i] = 100*r.Float64() + r.NormFloat64() + 10*math.Sin(2*math.Pi*float64(i)/float64(m)) + float64(i)
		}
		a, b, g := r.Float64(), r.Float64(), r.Float64()
		want := newNaive(y, m, a, b, g)
		got := Model{Slots: m, Smoothing: Smoothing{a, b, g}}
		if !got.Fit(y) {
			t.Fatal("not enough")
		}
		for i, e := range got.Errors {
			if !same(e, want.errors[i], 1e-9) {
				t.Fatalf("seed %d: error %d is %v, want %v", seed, i, e, want.errors[i])
			}
		}
		for h := 1; h < 4*m; h++ {
			if f := got.Forecast(h); !same(f, want.forecast(h, m), 1e-9) {
				t.Errorf("seed %d: %d ahead %v, want %v", seed, h, f, want.forecast(h, m))
			}
			if d, w := got.Deviation(h), want.deviation(h, m, a, b, g); !same(d, w, 1e-9) {
				t.Errorf("seed %d: deviation %d ahead %v, want %v", seed, h, d, w)
			}
		}
	}
}

// TestGaps has a line with a season, in which any slots may be missing: what is left tells the same.
func TestGaps(t *testing.T) {
	const slots = 6
	at := func(i int) float64 { return 50 + 0.5*float64(i) + []float64{-3, 1, 4, 1, 0, -3}[(i+600)%slots] }
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		y := make([]float64, 5*slots+r.IntN(slots))
		for i := range y {
			y[i] = at(i)
			if i >= 2*slots && r.IntN(3) == 0 || i > 0 && i < 2*slots && i%slots == int(seed%slots) && i/slots == int(seed/slots%2) {
				y[i] = nan
			}
		}
		lead := r.IntN(9)
		for range lead {
			y = append([]float64{nan}, y...)
		}
		m := Model{Slots: slots, Smoothing: Smoothing{0.3, 0.1, 0.2}}
		if !m.Fit(y) {
			t.Fatalf("seed %d: not enough", seed)
		}
		for h := 1; h < 20; h++ {
			if got, want := m.Forecast(h), at(len(y)-lead+h-1); !same(got, want, 1e-12) {
				t.Errorf("seed %d: %d ahead %v, want %v", seed, h, got, want)
			}
		}
		if s := m.Sigma(); s != 0 {
			t.Errorf("seed %d: a line has the deviation %v", seed, s)
		}
	}
}

func TestWhatIsNotEnough(t *testing.T) {
	for _, tt := range []struct {
		name  string
		slots []float64
		want  bool
	}{
		{"two seasons", []float64{1, 2, 3, 1, 2, 3}, true},
		{"a slot less", []float64{1, 2, 3, 1, 2}, false},
		{"two seasons after nothing", []float64{nan, nan, 1, 2, 3, 1, 2, 3}, true},
		{"a slot less after nothing", []float64{nan, nan, 1, 2, 3, 1, 2}, false},
		{"two of three places in both", []float64{1, 2, nan, 1, 2, 3}, true},
		{"one of three places in both", []float64{1, nan, 3, 1, 2, nan}, false},
		{"nothing", nil, false},
		{"no samples", []float64{nan, nan, nan, nan, nan, nan, nan}, false},
	} {
		m := Model{Slots: 3, Smoothing: Smoothing{0.1, 0.1, 0.1}}
		if got := m.Fit(tt.slots); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAPlaceThatWasNeverSeenIsNotKnownUntilItIs(t *testing.T) {
	m := Model{Slots: 3, Smoothing: Smoothing{0.1, 0.1, 0.1}}
	y := []float64{1, 2, nan, 1, 2, nan}
	if !m.Fit(y) || !math.IsNaN(m.Forecast(3)) || m.Forecast(4) != 1 {
		t.Errorf("before: %v, %v", m.Forecast(3), m.Forecast(4))
	}
	if !m.Fit(append(y, 1, 2, 7)) || m.Forecast(3) != 7 || !math.IsNaN(m.Errors[8]) {
		t.Errorf("after: %v, errors %v", m.Forecast(3), m.Errors)
	}
}

// FuzzWindow wants no panic, and results only of what is finite.
func FuzzWindow(f *testing.F) {
	f.Add(uint64(1), 3, 10, 0.1)
	f.Fuzz(func(t *testing.T, seed uint64, slots, n int, alpha float64) {
		if slots < 2 || slots > 50 || n < 0 || n > 500 || !(alpha >= 0 && alpha <= 1) {
			return
		}
		r := rand.New(rand.NewPCG(seed, 3))
		var times []int64
		var values []float64
		at := int64(0)
		for range n {
			at += r.Int64N(2000)
			times = append(times, at)
			values = append(values, []float64{nan, math.Inf(1), math.MaxFloat64, -math.MaxFloat64, 0, 5e-324, r.NormFloat64(), r.NormFloat64()}[r.IntN(8)])
		}
		y := make([]float64, 1+r.IntN(300))
		Fill(y, at, 1+999*r.Float64(), times, values)
		m := Model{Slots: slots, Smoothing: Smoothing{alpha, r.Float64(), r.Float64()}}
		if m.Fit(y) {
			m.Forecast(1 + r.IntN(1000))
			m.Deviation(1 + r.IntN(1000))
			m.Error(r.NormFloat64())
		}
	})
}
