package fn

import (
	"math"

	"github.com/hearth-project/hearth/core/storage"
)

// Apply replaces each value of col by f of it.
func Apply(col []float64, f func(float64) float64) {
	for k, x := range col {
		if !storage.IsAbsent(x) {
			col[k] = f(x)
		}
	}
}

// Map returns the function name of single values: abs, ln, hour and so on. It never returns Absent.
func Map(name string) (f func(float64) float64, ok bool) {
	f, ok = maps()[name]
	return f, ok
}

func maps() map[string]func(float64) float64 {
	return map[string]func(float64) float64{
		"abs": func(x float64) float64 { return noHole(math.Abs(x)) }, "ceil": math.Ceil, "floor": math.Floor, "sgn": sgn,
		"exp": math.Exp, "ln": math.Log, "log2": math.Log2, "log10": math.Log10, "sqrt": math.Sqrt,
		"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan,
		"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "asinh": math.Asinh, "acosh": math.Acosh, "atanh": math.Atanh,
		"rad": func(x float64) float64 { return x * math.Pi / 180 },
		"deg": func(x float64) float64 { return x * 180 / math.Pi },

		"days_in_month": daysInMonth, "day_of_month": dayOfMonth, "day_of_week": dayOfWeek, "day_of_year": dayOfYear,
		"hour": hour, "minute": minute, "month": month, "year": year,
	}
}

// noHole returns x, or another NaN if a change of sign made it the mark of a hole.
func noHole(x float64) float64 {
	if storage.IsAbsent(x) {
		return math.NaN()
	}
	return x
}

// Negate changes the sign of each value of col.
func Negate(col []float64) { Apply(col, func(x float64) float64 { return noHole(-x) }) }

func sgn(x float64) float64 {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return x
}

// Clamp bounds each value by the columns lo and hi. Where hi is below lo there is no result.
func Clamp(col, lo, hi []float64) {
	for k, x := range col {
		switch {
		case storage.IsAbsent(x):
		case hi[k] < lo[k]:
			col[k] = storage.Absent
		default:
			col[k] = math.Max(lo[k], math.Min(hi[k], x))
		}
	}
}

// Round rounds each value to a multiple of the column to, ties up.
func Round(col, to []float64) {
	for k, x := range col {
		if !storage.IsAbsent(x) {
			inverse := 1.0 / to[k]
			col[k] = math.Floor(float64(x*inverse)+0.5) / inverse
		}
	}
}
