package scrape

import (
	"errors"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/exposition"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
)

// Labels of a target that say for it what the job says for all, by upstream's names.
const (
	labelNative  = "__scrape_native_histograms__"
	labelClassic = "__always_scrape_classic_histograms__"
	labelConvert = "__convert_classic_histograms_to_nhcb__"
)

// readingOf says how the expositions of a target are read.
func readingOf(cfg *config.Scrape, f features, t *target) exposition.Options {
	is := func(label string, of *bool) bool {
		if b, err := strconv.ParseBool(t.labels.Get(label)); err == nil {
			return b
		}
		return of != nil && *of
	}
	return exposition.Options{
		IgnoreNative:   !is(labelNative, cfg.ScrapeNativeHistograms),
		KeepClassic:    is(labelClassic, cfg.AlwaysScrapeClassicHistograms),
		ConvertClassic: is(labelConvert, cfg.ConvertClassicHistogramsToNHCB),

		StartTimestamps: f.wantStarts(),
		TypeAndUnit:     f.typeAndUnit,
	}
}

// nativeHistogram is a native histogram of a scrape: one of integer and float.
type nativeHistogram struct {
	ref     uint32 // series
	integer *histogram.Histogram
	float   *histogram.FloatHistogram
	lo, hi  int   // its cells, in walk.cells
	zeroAt  int64 // its series starts here with a zero sample, Unix milliseconds; 0 for none
}

// histogram takes the current native histogram.
func (w *walk) histogram() error {
	w.scraped++
	t, has := w.timestamp()
	err := w.unusual(t, has, true)
	w.expect()
	return err
}

// takeHistogram keeps the current native histogram for the row.
func (w *walk) takeHistogram(ref uint32) error {
	h, err := w.readHistogram(ref)
	if err != nil {
		return err
	}
	if w.page.facets[ref] == nil {
		if _, err := w.learn(ref); err != nil {
			return err
		}
	}
	if w.wantStarts {
		st := w.parser.StartTimestamp()
		zero, err := w.begins(ref, st, w.now, true)
		if err != nil {
			return err
		}
		if zero {
			h.zeroAt = st
		}
	}
	w.natives = append(w.natives, h)
	return w.exemplify(ref, w.now)
}

// readHistogram returns the current native histogram, within the limits of the job.
func (w *walk) readHistogram(ref uint32) (nativeHistogram, error) {
	n := nativeHistogram{ref: ref}
	cfg := w.page.rules.cfg
	var err error
	fits := true
	if h, fh := w.parser.Histogram(); h != nil {
		h = h.Copy()
		n.integer = h
		if err = h.Validate(); err == nil {
			fits, err = narrow(h, &h.Schema, func() int { return len(h.PositiveBuckets) + len(h.NegativeBuckets) }, cfg.NativeHistogramBucketLimit, cfg.NativeHistogramMinBucketFactor)
		}
	} else {
		fh = fh.Copy()
		n.float = fh
		if err = fh.Validate(); err == nil {
			fits, err = narrow(fh, &fh.Schema, func() int { return len(fh.PositiveBuckets) + len(fh.NegativeBuckets) }, cfg.NativeHistogramBucketLimit, cfg.NativeHistogramMinBucketFactor)
		}
	}
	if err != nil {
		return n, failf(failParse, "the native histogram %.200s is not valid: %w", w.parser.Labels(), err)
	}
	if !fits && w.tooWide == nil { // the rest is still counted
		w.tooWide = failf(failBucketLimit, "native_histogram_bucket_limit exceeded: the histogram %.200s has more than %d buckets, and its resolution cannot be reduced further", w.parser.Labels(), cfg.NativeHistogramBucketLimit)
	}
	return n, nil
}

// resolveNatives makes the native histograms of w cells of the row.
func (p *page) resolveNatives(w *walk) error {
	for i := range w.natives {
		n := &w.natives[i]
		f := p.facets[n.ref]
		isNew := f == nil
		if isNew {
			f = facet.New(p.group, w.known(n.ref))
			if p.facets == nil {
				p.facets = map[uint32]*facet.Series{}
			}
			p.facets[n.ref] = f
		}
		n.lo = len(w.cells)
		var err error
		if w.slots, w.cells, err = n.cells(f, w.slots, w.cells); errors.Is(err, storage.ErrLimit) { // on its buckets
			n.hi = n.lo
			p.env.metrics.drop(dropLimit, 1)
			continue
		} else if err != nil {
			return failf(failStorage, "%w", err)
		}
		n.hi = len(w.cells)
		if isNew {
			p.given += n.hi - n.lo
		}
	}
	return nil
}

// cells appends the cells of the histogram to a row.
func (n *nativeHistogram) cells(f *facet.Series, slots []storage.Slot, values []float64) ([]storage.Slot, []float64, error) {
	if n.integer != nil {
		return f.Histogram(n.integer, slots, values)
	}
	return f.FloatHistogram(n.float, slots, values)
}

// keep returns the facets of the series of a scrape: now are their indexes in the order of the histograms in it, which
// name them by their former ones.
func keep(facets map[uint32]*facet.Series, now []uint32, of []nativeHistogram) map[uint32]*facet.Series {
	if len(now) == 0 {
		return nil
	}
	kept := make(map[uint32]*facet.Series, len(now))
	for i, ref := range now {
		kept[ref] = facets[of[i].ref]
	}
	return kept
}

// narrow reduces the resolution of a histogram until its buckets grow by at least factor and are at most limit; 0 is
// no limit. It returns false if there are still more.
func narrow(h interface{ ReduceResolution(int32) error }, schema *int32, buckets func() int, limit int, factor float64) (fits bool, err error) {
	exponential := histogram.IsExponentialSchemaReserved(*schema)
	if most := schemaOf(factor); exponential && *schema > most {
		if err := h.ReduceResolution(most); err != nil {
			return false, err
		}
	}
	for limit > 0 && buckets() > limit {
		if !exponential || *schema <= histogram.ExponentialSchemaMin {
			return false, nil
		}
		if err := h.ReduceResolution(*schema - 1); err != nil {
			return false, err
		}
	}
	return true, nil
}

// schemaOf returns the finest schema whose buckets grow by at least factor: 2^(2^-schema) >= factor.
func schemaOf(factor float64) int32 {
	if factor <= 1 {
		return histogram.ExponentialSchemaMax
	}
	s := math.Floor(-math.Log2(math.Log2(factor)))
	return int32(max(float64(histogram.ExponentialSchemaMin), min(float64(histogram.ExponentialSchemaMax), s)))
}
