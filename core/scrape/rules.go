package scrape

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/exposition"
	"github.com/hearth-project/hearth/core/storage"
)

// rules say what becomes of the series that a target exposes.
type rules struct {
	cfg     *config.Scrape
	relabel []*relabel.Config
	target  *target

	reading  exposition.Options // how expositions are read
	features features
}

// labelsOf returns the labels under which an exposed series is stored: with those of the target, after
// metric_relabel_configs. keep is false if those drop it. An error fails the scrape.
func (r *rules) labelsOf(b *labels.Builder, exposed labels.Labels) (ls labels.Labels, keep bool, err error) {
	b.Reset(exposed)
	if r.cfg.HonorLabels {
		for _, l := range r.target.pairs {
			if !exposed.Has(l.Name) {
				b.Set(l.Name, l.Value)
			}
		}
	} else {
		r.override(b, exposed)
	}
	if !relabel.ProcessBuilder(b, r.relabel...) {
		return labels.EmptyLabels(), false, nil
	}
	if err := r.fits(b); err != nil {
		return labels.EmptyLabels(), true, err
	}
	ls = b.Labels()
	if ls.IsEmpty() {
		return ls, false, nil
	}
	return ls, true, r.check(ls)
}

// fits tells whether relabelling has left labels that can be made: labels.Labels panic on strings above 16 MiB.
func (r *rules) fits(b *labels.Builder) (err error) {
	if len(r.relabel) == 0 {
		return nil // the parser has looked
	}
	b.Range(func(l labels.Label) {
		if n := len(l.Name) + len(l.Value); n > storage.MaxLabel {
			err = failf(failLabels, "a series has a label of %d bytes after metric_relabel_configs, more than %d: %.50s", n, storage.MaxLabel, l.Name)
		}
	})
	return err
}

// override sets the target's labels. Exposed ones of the same names are kept under names with exported_ before them,
// as often as it takes to find one that is free.
func (r *rules) override(b *labels.Builder, exposed labels.Labels) {
	var conflicts []labels.Label
	for _, l := range r.target.pairs {
		if v := exposed.Get(l.Name); v != "" {
			conflicts = append(conflicts, labels.Label{Name: l.Name, Value: v})
		}
		b.Set(l.Name, l.Value)
	}
	slices.SortStableFunc(conflicts, func(a, b labels.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range conflicts {
		name := model.ExportedLabelPrefix + l.Name
		for b.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		b.Set(name, l.Value)
	}
}

// check tells whether a series can be stored and is within the job's limits.
func (r *rules) check(ls labels.Labels) error {
	name := ls.Get(model.MetricNameLabel)
	if name == "" {
		return failf(failLabels, "a series has no metric name (after metric_relabel_configs): %.200s", ls)
	}
	if double, is := ls.HasDuplicateLabelNames(); is {
		return failf(failLabels, "a series of %.50s has the label %.50s twice", name, double)
	}
	if !ls.IsValid(model.UTF8Validation) {
		return failf(failLabels, "a series has a label whose name or value is not valid: %.200s", ls)
	}
	if limit, n := r.cfg.LabelLimit, ls.Len(); limit > 0 && n > limit {
		return failf(failLabelLimit, "label_limit exceeded: a series of %.50s has %d labels, the limit is %d", name, n, limit)
	}
	nameLimit, valueLimit := r.cfg.LabelNameLengthLimit, r.cfg.LabelValueLengthLimit
	if nameLimit == 0 && valueLimit == 0 {
		return nil
	}
	return ls.Validate(func(l labels.Label) error {
		if n := len(l.Name); nameLimit > 0 && n > nameLimit {
			return failf(failLabelLimit, "label_name_length_limit exceeded: the name of the label %.50s of %.50s has %d bytes, the limit is %d", l.Name, name, n, nameLimit)
		}
		if n := len(l.Value); valueLimit > 0 && n > valueLimit {
			return failf(failLabelLimit, "label_value_length_limit exceeded: the value of the label %.50s of %.50s has %d bytes, the limit is %d: %.50q", l.Name, name, n, valueLimit, l.Value)
		}
		return nil
	})
}

// reports are the names of the series that every scrape writes about itself, in the order of report.
var reports = [...]string{
	"up",
	"scrape_duration_seconds",
	"scrape_samples_scraped",
	"scrape_samples_post_metric_relabeling",
	"scrape_series_added",
	// and with extra_scrape_metrics
	"scrape_timeout_seconds",
	"scrape_sample_limit",
	"scrape_body_size_bytes",
}

// standardReports is how many of them there are without extra_scrape_metrics.
const standardReports = 5

// reports returns the names of the report series of the target.
func (r *rules) reports() []string {
	if e := r.cfg.ExtraScrapeMetrics; e != nil && *e {
		return reports[:]
	}
	return reports[:standardReports]
}

// report is how a scrape went.
type report struct {
	up       bool
	duration float64 // seconds
	scraped  int     // samples in the exposition
	kept     int     // after metric_relabel_configs
	added    int     // series the scrape before did not have
	bytes    int     // of the exposition; -1 if it was too large
}

// report returns the values of the report series of the target.
func (r *rules) report(of report) []float64 {
	v := of.values(r.target.timeout.Seconds(), r.cfg.SampleLimit)
	return v[:len(r.reports())]
}

func (r report) values(timeout float64, sampleLimit int) [len(reports)]float64 {
	up := 0.0
	if r.up {
		up = 1
	}
	return [...]float64{up, r.duration, float64(r.scraped), float64(r.kept), float64(r.added), timeout, float64(sampleLimit), float64(r.bytes)}
}

// reportLabels returns the labels of a report series.
func (r *rules) reportLabels(b *labels.Builder, name string) labels.Labels {
	b.Reset(r.target.public)
	b.Set(model.MetricNameLabel, name)
	return b.Labels()
}
