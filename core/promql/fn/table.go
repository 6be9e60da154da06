package fn

// Range returns the function name of range vectors, for windows of the given width in seconds.
func Range(name string, width float64) (f RangeFunc, ok bool) {
	switch name {
	case "rate":
		return rate(width), true
	case "increase":
		return increaseOf(width), true
	case "delta":
		return delta(width), true
	case "irate":
		return instant(true), true
	case "idelta":
		return instant(false), true
	}
	f, ok = ranges()[name]
	return f, ok
}

func ranges() map[string]RangeFunc {
	return map[string]RangeFunc{
		"resets": ofValues(resets), "changes": ofValues(changes), "deriv": deriv, "predict_linear": predictLinear,
		"double_exponential_smoothing": smooth,
		"sum_over_time":                sumOverTime, "avg_over_time": avgOverTime, "count_over_time": countOverTime,
		"min_over_time": minOverTime, "max_over_time": maxOverTime, "last_over_time": lastOverTime,
		"first_over_time": firstOverTime, "present_over_time": presentOverTime, "absent_over_time": presentOverTime,
		"stddev_over_time": stddevOverTime, "stdvar_over_time": stdvarOverTime,
		"quantile_over_time": quantileOverTime, "mad_over_time": madOverTime,
		"ts_of_first_over_time": tsOfFirst, "ts_of_last_over_time": tsOfLast,
		"ts_of_max_over_time": tsOfMax, "ts_of_min_over_time": tsOfMin,
	}
}

// OfCounters tells whether a function expects counters: it gains from knowing the resets of a series.
func OfCounters(name string) bool { return name == "rate" || name == "increase" }

// KeepsName tells whether the results of a function of range vectors are still the metric it was given.
func KeepsName(name string) bool { return name == "last_over_time" || name == "first_over_time" }
