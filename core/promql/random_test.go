package promql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// Random data and random queries on it.

const (
	dataStart = int64(1_700_000_000_000) // Unix milliseconds
	dataSpan  = int64(30 * 60_000)
)

var leValues = []string{"0.1", "0.5", "1", "2.5", "+Inf"}

// randomData makes a few groups of series: counters with resets, gauges, classic histograms, with gaps, staleness
// markers, NaN and Inf, at regular and irregular times.
func randomData(r *rand.Rand) memory {
	var m memory
	for g := range 1 + r.IntN(4) {
		times := randomTimes(r)
		instance := fmt.Sprint("host-", g)
		var ss []model.Series
		add := func(name string, values []float64, more ...string) {
			ls := labels.FromStrings(append([]string{"__name__", name, "instance", instance, "job", "j" + strconv.Itoa(g%2)}, more...)...)
			ss = append(ss, series(r, ls, times, values))
		}
		for i := range 1 + r.IntN(3) {
			mode := string(rune('a' + i))
			add("ops_total", counterValues(r, len(times)), "mode", mode)
			if r.IntN(2) == 0 {
				add("errors_total", counterValues(r, len(times)), "mode", mode)
			}
			add("temp", gaugeValues(r, len(times)), "mode", mode)
			if r.IntN(3) == 0 {
				add("queue", gaugeValues(r, len(times)), "mode", mode, "__type__", oneOf(r, "gauge", "counter", "histogram", "summary"))
			}
		}
		acc := make([]float64, len(times))
		for _, le := range leValues {
			if r.IntN(30) == 0 {
				le = "bad"
			}
			for i, v := range counterValues(r, len(times)) {
				acc[i] += math.Floor(math.Abs(v))
			}
			add("lat_bucket", slices.Clone(acc), "le", le)
		}
		for i := range 1 + r.IntN(3) { // at most one of them at a time, but for one in a few
			ones := slices.Repeat([]float64{1}, len(times))
			for k := range ones {
				if k*3/len(times) != i && r.IntN(40) > 0 {
					ones[k] = model.Stale
				}
			}
			add("target_info", ones, "version", strconv.Itoa(i), "zone", "z")
		}
		if r.IntN(2) == 0 {
			add("disk.ops", counterValues(r, len(times)), "disk.name", oneOf(r, "sda", "sdb"))
		}
		if r.IntN(2) == 0 {
			add("build_info", gaugeValues(r, len(times)), "rev", strconv.Itoa(g))
		}
		slices.SortFunc(ss, func(a, b model.Series) int { return labels.Compare(a.Labels, b.Labels) })
		ss = slices.CompactFunc(ss, func(a, b model.Series) bool { return labels.Equal(a.Labels, b.Labels) })
		ss = slices.DeleteFunc(ss, func(s model.Series) bool { return len(s.Samples) == 0 })
		if len(ss) > 0 {
			m = append(m, floatColumns(ss))
		}
	}
	return m
}

func oneOf(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomTimes(r *rand.Rand) []int64 {
	step := []int64{5_000, 15_000, 30_000, 60_000}[r.IntN(4)]
	irregular, gaps := r.IntN(2) == 0, r.IntN(2) == 0
	var out []int64
	for t := dataStart + r.Int64N(step)*r.Int64N(2); t < dataStart+dataSpan; t += step {
		if gaps && r.IntN(20) == 0 {
			t += r.Int64N(10) * step
		}
		if irregular {
			t += r.Int64N(step)
		}
		out = append(out, t)
	}
	return out
}

// series makes a series of values; some begin late, end early, have holes, or end with a staleness marker.
func series(r *rand.Rand, ls labels.Labels, times []int64, values []float64) model.Series {
	s := model.Series{Labels: ls}
	lo, hi := 0, len(times)
	if r.IntN(3) == 0 {
		lo = r.IntN(hi)
	}
	if r.IntN(3) == 0 {
		hi = lo + r.IntN(hi-lo+1)
	}
	holes, stale := r.IntN(3) == 0, r.IntN(3) == 0
	for i := lo; i < hi; i++ {
		v := values[i]
		switch {
		case holes && r.IntN(8) == 0:
			continue
		case stale && r.IntN(20) == 0:
			v = model.Stale
		}
		s.Samples = append(s.Samples, model.Sample{T: times[i], V: v})
	}
	if hi < len(times) && hi > lo && r.IntN(2) == 0 {
		s.Samples = append(s.Samples, model.Sample{T: times[hi], V: model.Stale})
	}
	return s
}

func counterValues(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	scale := math.Pow(10, float64(r.IntN(6)-2))
	whole, resets := r.IntN(2) == 0, r.IntN(2) == 0
	v := 0.0
	if r.IntN(2) == 0 {
		v = r.Float64() * 1000 * scale
	}
	for i := range out {
		if r.IntN(3) > 0 {
			v += r.Float64() * scale
		}
		if resets && r.IntN(15) == 0 {
			v *= r.Float64() * float64(r.IntN(2))
		}
		out[i] = v
		if whole {
			out[i] = math.Floor(v)
		}
	}
	return out
}

func gaugeValues(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	kind, odd := r.IntN(5), r.IntN(4) == 0
	for i := range out {
		switch kind {
		case 0:
			out[i] = 42
		case 1:
			out[i] = float64(r.IntN(7) - 3)
		case 2:
			out[i] = r.NormFloat64() * math.Pow(10, float64(r.IntN(30)-10))
		case 3:
			out[i] = float64(r.IntN(1000)) / 10
		default:
			out[i] = float64(dataStart/1000) + r.Float64()*1e7
		}
		if odd && r.IntN(12) == 0 {
			out[i] = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 0, math.Copysign(0, -1), 5e-324}[r.IntN(8)]
		}
	}
	return out
}

// randomQuery writes a query of the language. Its fields say what may stand where.
type randomQuery struct {
	*rand.Rand
	instant bool
	free    bool // no @ modifier
	native  bool // there are native histograms
}

func (q *randomQuery) pick(of ...string) string { return of[q.IntN(len(of))] }

// vector writes an expression of type vector. With ordered it is one whose series upstream has in a definite order:
// that of what it evaluates step by step depends, for range queries, on the order of a Go map.
func (q *randomQuery) vector(depth int, ordered bool) string {
	if depth <= 0 {
		return q.selector()
	}
	if q.native && q.IntN(6) == 0 {
		return q.ofHistogram(depth-1, ordered)
	}
	n := 12
	if ordered && !q.instant {
		n = 7
	}
	switch q.IntN(n) {
	case 0:
		return q.selector()
	case 1, 2, 3:
		return q.overRange(depth - 1)
	case 4, 5:
		return q.aggregate(depth-1, ordered)
	case 6:
		if q.IntN(2) == 0 {
			return q.pick("-", "-", "-", "+") + q.vector(depth-1, ordered)
		}
		return fmt.Sprintf(`label_replace(%s, %q, "$1-x", %q, "(.*)")`, q.vector(depth-1, ordered), q.pick("new", "job", "mode", "__name__"), q.pick("job", "mode", "instance"))
	case 7:
		return q.function(depth-1, ordered)
	case 8, 9:
		return q.binary(depth-1, ordered)
	case 10:
		return q.withScalar(depth-1, ordered)
	}
	if ordered {
		return q.selector()
	}
	switch q.IntN(7) {
	case 5, 6:
		return "info(" + q.vector(depth-1, false) + q.pick("", "", `, {version=~".+"}`, `, {version=~".*"}`, `, {__name__="build_info"}`, `, {__name__=~".*_info"}`, `, {__name__!="target_info", zone="z"}`) + ")"
	case 0:
		return fmt.Sprintf("histogram_quantile(%s, %s)", q.scalar(depth-1), q.buckets(depth-1))
	case 1:
		return fmt.Sprintf(`histogram_quantiles(%s, "q", 0.5, %s)`, q.buckets(depth-1), q.number())
	case 2:
		return fmt.Sprintf("histogram_fraction(%s, %s, %s)", q.scalar(0), q.scalar(0), q.buckets(depth-1))
	case 3:
		return fmt.Sprintf(`count_values%s("v", %s)`, q.grouping(), q.vector(depth-1, false))
	}
	return fmt.Sprintf("vector(%s)", q.scalar(depth-1))
}

func (q *randomQuery) buckets(depth int) string {
	switch q.IntN(4) {
	case 0:
		return "lat_bucket"
	case 1:
		return "sum by (le) (rate(lat_bucket[5m]))"
	case 2:
		return "rate(lat_bucket[2m])"
	}
	return q.vector(depth, false)
}

func (q *randomQuery) selector() string {
	return q.name() + q.modifiers(true) + q.pick("", "", "", "", "", "", "", " smoothed")
}

func (q *randomQuery) name() string {
	if q.native && q.IntN(4) > 0 {
		return q.histogramName()
	}
	if q.IntN(8) == 0 {
		return q.pick(`{"disk.ops"}`, `{"disk.ops", "disk.name"="sda"}`, `{__name__=~".*_total"}`, `{job="j0"}`, `{__name__=~"temp|queue"}`, `{mode!="",job=~"j.*"}`)
	}
	return q.pick("ops_total", "errors_total", "temp", "queue", "lat_bucket", "ops_total", "temp", "target_info") + q.pick("", "", "", `{job="j0"}`, `{mode=~"a|b"}`, `{mode!="a"}`, `{instance="host-1"}`, `{le="1"}`)
}

func (q *randomQuery) modifiers(at bool) string {
	var s string
	if q.IntN(6) == 0 {
		s = " offset " + q.pick("1m", "-1m", "37s", "7m", "(1m / 2)", "-(10s + 7s)", "(step() / 2)", "90")
	}
	if at && !q.free && q.IntN(8) == 0 {
		s = q.pick(" @ start()", " @ end()", fmt.Sprintf(" @ %d.%d", dataStart/1000+int64(q.IntN(1800)), q.IntN(1000))) + s
	}
	return s
}

// rangeVector writes a selector of ranges or a subquery. There is an odd thing in upstream that it avoids: where a
// subquery with an offset or @ happens to begin at the time of its parent's first step, the @ modifiers of selectors
// within are taken relative to the wrong time. With fixed the subquery has no @, for functions whose other arguments
// may vary: there upstream goes on to evaluate the subquery, though not to select for it, until the end of the query.
func (q *randomQuery) rangeVector(depth int, fixed bool) string {
	width := q.pick("30s", "1m", "2m", "5m", "20m", "61s")
	if q.IntN(8) == 0 {
		width = q.pick("1m * 2", "30s + step()", "min_of(5m, 1m + step())", "max_of(30s, range() / 4)", "(2 ^ 8)", "10m % 7m", "300", "5m - 30")
	}
	if depth > 0 && q.IntN(4) == 0 {
		mods := strings.Replace(strings.Replace(q.modifiers(!fixed), "-1m", "2m", 1), "-(10s", "(10s", 1)
		inner := randomQuery{Rand: q.Rand, free: q.free || mods != "", native: q.native} // it is evaluated as a range query
		return fmt.Sprintf("(%s)[%s:%s]%s", inner.vector(depth-1, true), width, q.pick("", "10s", "30s", "1m", "7s", "15s * 2"), mods)
	}
	return fmt.Sprintf("%s[%s]%s", q.name(), width, q.modifiers(true))
}

func (q *randomQuery) overRange(depth int) string {
	kind := q.IntN(12)
	v := q.rangeVector(depth, kind >= 4 && kind <= 6)
	if kind < 4 && strings.HasSuffix(v, "]") && q.IntN(3) == 0 { // other functions know no extended ranges
		if q.IntN(2) == 0 {
			return q.pick("rate", "increase", "delta", "resets", "changes") + "(" + v + " anchored)"
		}
		return q.pick("rate", "increase", "delta") + "(" + v + " smoothed)"
	}
	switch kind {
	case 0, 1, 2, 3:
		return q.pick("rate", "increase", "delta", "irate", "idelta", "deriv", "rate", "increase") + "(" + v + ")"
	case 4:
		return fmt.Sprintf("quantile_over_time(%s, %s)", q.scalar(depth-1), v)
	case 5:
		return fmt.Sprintf("predict_linear(%s, %s)", v, q.scalar(depth-1))
	case 6:
		return fmt.Sprintf("double_exponential_smoothing(%s, %s, %s)", v, q.pick("0.3", "0.9", "1.5"), q.pick("0.5", "0.1"))
	}
	return q.pick("sum", "avg", "min", "max", "count", "last", "first", "stddev", "stdvar", "present", "absent", "mad",
		"ts_of_min", "ts_of_max", "ts_of_last", "ts_of_first") + "_over_time(" + v + ")" + q.pick("", "", " ") // nothing
}

func (q *randomQuery) grouping() string {
	switch q.IntN(4) {
	case 0:
		return ""
	case 1:
		return " without (" + q.pick("mode", "instance, job", "le", "") + ") "
	}
	return " by (" + q.pick("job", "mode", `"disk.name"`, "job, mode", "instance", "__name__", "missing", "le, job") + ") "
}

func (q *randomQuery) aggregate(depth int, ordered bool) string {
	switch q.IntN(4) {
	case 0:
		op := q.pick("topk", "bottomk", "limitk", "quantile", "limit_ratio")
		if ordered { // upstream keeps the order of the others in a map, or a heap
			op = "quantile"
		}
		param := q.pick("1", "2", "3", "10")
		if op == "quantile" || op == "limit_ratio" {
			param = q.pick("0.5", "0.9", "0", "1", "-0.3", "2")
		}
		if q.IntN(4) == 0 {
			param = q.scalar(depth - 1)
		}
		return fmt.Sprintf("%s%s(%s, %s)", op, q.grouping(), param, q.vector(depth, true))
	case 1:
		return fmt.Sprintf("%s%s(%s)", q.pick("count", "group"), q.grouping(), q.vector(depth, true))
	}
	return fmt.Sprintf("%s%s(%s)", q.pick("sum", "avg", "min", "max", "stddev", "stdvar", "sum", "avg"), q.grouping(), q.vector(depth, true))
}

func (q *randomQuery) function(depth int, ordered bool) string {
	v := q.vector(depth, ordered)
	switch q.IntN(10) {
	case 0:
		return fmt.Sprintf("clamp(%s, %s, %s)", v, q.scalar(depth-1), q.scalar(depth-1))
	case 1:
		return fmt.Sprintf("%s(%s, %s)", q.pick("clamp_min", "clamp_max", "round"), v, q.scalar(depth-1))
	case 2:
		return q.pick("hour", "minute", "month", "year", "day_of_week", "day_of_month", "day_of_year", "days_in_month") + "(" + q.pick(v, "") + ")"
	case 3:
		return q.pick("absent", "timestamp", "timestamp", "timestamp") + "(" + v + ")"
	case 4:
		if q.instant {
			if q.IntN(2) == 0 {
				return q.pick("sort_by_label", "sort_by_label_desc") + "(" + v + q.pick("", `, "job"`, `, "mode", "instance"`) + ")"
			}
			return q.pick("sort", "sort_desc") + "(" + v + ")"
		}
	case 5:
		return fmt.Sprintf(`label_join(%s, %q, "-", "job", "mode")`, v, q.pick("new", "instance", "mode"))
	}
	return q.pick("abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "sin", "cos", "tan", "asin", "acos",
		"atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "rad", "deg", "round") + "(" + v + ")"
}

func (q *randomQuery) operator() string {
	switch q.IntN(12) {
	case 0:
		return q.pick("</", ">/")
	case 1, 2, 3, 4, 5, 6:
		return q.pick("+", "-", "*", "/", "%", "^", "atan2")
	}
	return q.pick("==", "!=", ">", "<", ">=", "<=") + q.pick("", "", " bool")
}

func (q *randomQuery) matching() string {
	return q.pick("", "", "", " on (job)", " on (instance, mode)", " ignoring (mode)", " on (mode)", " on ()", " ignoring (job, le)", ` on (job, "disk.name")`, " on (__name__, mode)")
}

func (q *randomQuery) binary(depth int, ordered bool) string {
	l, r := q.vector(depth, ordered), q.vector(depth, ordered)
	if q.IntN(3) == 0 {
		return fmt.Sprintf("(%s %s%s %s)", l, q.pick("and", "or", "unless"), q.matching(), r)
	}
	op := q.operator()
	m := q.matching()
	if m != "" && q.IntN(2) == 0 {
		m += q.pick(" group_left ()", " group_right ()", " group_left (job)", " group_right (le)")
		if strings.Contains(m, "on (job)") && strings.Contains(m, "(job) group_left (job)") {
			m = " on (job) group_left ()"
		}
	}
	if q.IntN(6) == 0 {
		m += q.pick(" fill (0)", " fill_left (1)", " fill_right (2.5)", " fill_left (1) fill_right (0)")
	}
	return fmt.Sprintf("(%s %s%s %s)", l, op, m, r)
}

func (q *randomQuery) withScalar(depth int, ordered bool) string {
	op := q.operator()
	v, s := q.vector(depth, ordered), q.scalar(depth)
	if q.IntN(2) == 0 {
		v, s = s, v
	}
	return fmt.Sprintf("(%s %s %s)", v, op, s)
}

func (q *randomQuery) number() string {
	return q.pick("0", "1", "2", "-1", "0.5", "0.9", "100", "Inf", "-Inf", "NaN", "1e300", "0.1", "0x1F", "1_000", "1m30s", ".5e-3")
}

func (q *randomQuery) scalar(depth int) string {
	if depth <= 0 {
		return q.number()
	}
	switch q.IntN(7) {
	case 0:
		return "time()"
	case 1:
		return fmt.Sprintf("scalar(%s)", q.vector(depth-1, true))
	case 2:
		op := q.pick("+", "-", "*", "/", "%", "^", "atan2", "== bool", "< bool", "!= bool", ">= bool")
		return fmt.Sprintf("(%s %s %s)", q.scalar(depth-1), op, q.scalar(depth-1))
	case 3:
		return fmt.Sprintf("%s(%s, %s)", q.pick("max_of", "min_of"), q.scalar(depth-1), q.scalar(depth-1))
	case 4:
		return q.pick("pi()", "start()", "end()", "step()", "range()")
	}
	return q.number()
}
