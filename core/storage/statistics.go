package storage

// StatisticsColumns is a selection that knows something of its values before it decodes them. Selections without
// native histograms of the database are ones. Of counts, extremes and last values a query often needs no more.
type StatisticsColumns interface {
	Columns

	// Runs appends to dst what is known of rows lo..hi-1 of series i: runs that follow each other and are these rows
	// together. Within a run, Values decodes all rows or none. An error means damage: it names the file.
	Runs(i, lo, hi int, dst []Run) ([]Run, error)
}

// Run is what is known of the rows Lo..Hi-1 of a series without decoding them.
type Run struct {
	Lo, Hi   int
	Dense    bool    // no row has a NaN, so each has a sample, and none is a staleness marker
	Constant bool    // all rows have the same bits, as when none has a sample
	Value    float64 // of a constant run; Absent if it has no sample
}
