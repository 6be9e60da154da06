package season

import (
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
	"github.com/hearth-project/hearth/sdk"
)

// maxSlots is how many slots of a window are worked with.
const maxSlots = 1 << 20

// Standards of smoothing are RRDtool's: J. D. Brutlag, Aberrant Behavior Detection in Time Series for Network Monitoring,
// USENIX LISA 2000.
const (
	standardLevel  = 0.1
	standardTrend  = 0.0035
	standardSeason = 0.1
)

// Args are the arguments of a function that uses a Model: the season in seconds, and others that may be left out.
type Args struct {
	season, slots        arg.Number
	level, trend, repeat arg.Number
}

// NewArgs has the season at one place among the arguments besides the data, the others one after the other from another
// on: slots, alpha, beta, gamma.
func NewArgs(season, others int) Args {
	unit := func(name string, at int, or float64) arg.Number {
		return arg.Number{Name: name, At: at, Or: or, Valid: func(v float64) bool { return v >= 0 && v <= 1 }, Want: "between 0 and 1"}
	}
	return Args{
		season: arg.Above0("season", season, math.NaN()),
		slots: arg.Number{Name: "slots", At: others, Or: math.NaN(), Want: "a whole number between 2 and 100000",
			Valid: func(v float64) bool { return v >= 2 && v <= 100_000 && v == math.Trunc(v) }},
		level:  unit("alpha", others+1, standardLevel),
		trend:  unit("beta", others+2, standardTrend),
		repeat: unit("gamma", others+3, standardSeason),
	}
}

// Check fails if an argument is not valid, or if the range is shorter than two seasons and more slots, which is 0 or 1.
func (a Args) Check(b *sdk.Batch, more int) error {
	if err := arg.Check(b, a.season, a.slots, a.level, a.trend, a.repeat); err != nil {
		return err
	}
	for step := range b.Steps() {
		s, ok := a.shape(b, step)
		if !ok {
			continue
		}
		switch n := s.count(b.Range()); {
		case n > maxSlots:
			return sdk.Errorf(sdk.CodeInvalidRequest, "the range of %v s has %.0f slots of %v s, at most %d are worked with: take fewer slots, or a shorter range",
				float64(b.Range())/1000, n, s.width/1000, maxSlots)
		case n < float64(2*s.slots+more):
			return sdk.Errorf(sdk.CodeInvalidRequest, "the range is %v s, must be at least %v s: two seasons%s",
				float64(b.Range())/1000, s.width/1000*float64(2*s.slots+more), [2]string{"", " and a slot"}[more])
		}
	}
	return nil
}

// shape is how a window is cut.
type shape struct {
	slots int     // of a season
	width float64 // of a slot, milliseconds
}

// count returns how many whole slots a window has.
func (s shape) count(window int64) float64 { return math.Floor(float64(window)/s.width + 1e-9) }

// shape returns false if an argument is NaN.
func (a Args) shape(b *sdk.Batch, step int) (shape, bool) {
	season := a.season.Of(b, step)
	slots := a.slots.Of(b, step)
	if a.slots.At >= b.Args() { // hours, but 24 of a short season
		slots = min(max(24, math.Round(season/3600)), 100_000)
	}
	if season != season || slots != slots {
		return shape{}, false
	}
	return shape{int(slots), season * 1000 / slots}, true
}

// Window is a Model with room for the slots of windows.
type Window struct {
	Model
	room []float64
}

// Cut makes slots of a window at a step and sets the model's parameters. It returns no slots if an argument is NaN.
func (w *Window) Cut(a Args, b *sdk.Batch, step int, times []int64, values []float64) (slots []float64, width float64) {
	s, ok := a.shape(b, step)
	w.Slots = s.slots
	w.Smoothing = Smoothing{a.level.Of(b, step), a.trend.Of(b, step), a.repeat.Of(b, step)}
	if !ok || w.Level != w.Level || w.Trend != w.Trend || w.Season != w.Season {
		return nil, 0
	}
	n := int(s.count(b.Range()))
	if cap(w.room) < n {
		w.room = make([]float64, n)
	}
	slots = w.room[:n]
	Fill(slots, b.Time(step), s.width, times, values)
	return slots, s.width
}
