package scrape

import (
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/exposition"
	"github.com/hearth-project/hearth/core/model"
)

// Labels of a target that say for it what the job says for all, by upstream's names.
const (
	labelNative  = "__scrape_native_histograms__"
	labelClassic = "__always_scrape_classic_histograms__"
	labelConvert = "__convert_classic_histograms_to_nhcb__"
)

// histogramsOf says how the histograms of a target are read.
func histogramsOf(cfg *config.Scrape, t *target) exposition.Options {
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
	}
}

// nativeHistogram is a native histogram of a scrape.
type nativeHistogram struct {
	at      int // in walk.solo
	sample  [1]model.Histogram
	untimed bool // it has no timestamp of its own, so its series ends when it is gone
}

// histogram takes the current native histogram. It is written by the labels of its series, as samples with timestamps
// are.
func (w *walk) histogram() error {
	w.scraped++
	t, has := w.timestamp()
	if !has {
		t = w.now
	}
	err := w.unusual(t, true, &nativeHistogram{untimed: !has})
	w.expect()
	return err
}

// takeHistogram keeps the current native histogram of the series ls for time t, within the limits of the job.
func (w *walk) takeHistogram(n *nativeHistogram, ls labels.Labels, t int64) error {
	h, fh := w.parser.Histogram()
	n.at = len(w.solo)
	n.sample[0].T = t
	var err error
	fits := true
	cfg := w.page.rules.cfg
	if h != nil {
		h = h.Copy()
		n.sample[0].H = h
		if err = h.Validate(); err == nil {
			fits, err = narrow(h, &h.Schema, func() int { return len(h.PositiveBuckets) + len(h.NegativeBuckets) }, cfg.NativeHistogramBucketLimit, cfg.NativeHistogramMinBucketFactor)
		}
	} else {
		fh = fh.Copy()
		n.sample[0].FH = fh
		if err = fh.Validate(); err == nil {
			fits, err = narrow(fh, &fh.Schema, func() int { return len(fh.PositiveBuckets) + len(fh.NegativeBuckets) }, cfg.NativeHistogramBucketLimit, cfg.NativeHistogramMinBucketFactor)
		}
	}
	if err != nil {
		return failf(failParse, "the native histogram %.200s is not valid: %w", ls, err)
	}
	if !fits && w.tooWide == nil { // the rest is still counted
		w.tooWide = failf(failBucketLimit, "native_histogram_bucket_limit exceeded: the histogram %.200s has more than %d buckets, and its resolution cannot be reduced further", ls, cfg.NativeHistogramBucketLimit)
	}
	w.natives = append(w.natives, *n)
	return nil
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
