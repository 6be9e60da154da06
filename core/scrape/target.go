package scrape

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// target is what to scrape. It does not change.
type target struct {
	discovered labels.Labels // before relabelling
	labels     labels.Labels // after it, names with __ included: they say where and when
	public     labels.Labels // that its series carry
	pairs      []labels.Label
	address    string
	url        string // for HTTP; else the plugin and its address
	interval   time.Duration
	timeout    time.Duration
}

// key identifies a target within its pool: what makes it another target makes another key.
func (t *target) key() string { return string(t.labels.Bytes(nil)) }

// discoveredLabels returns what relabelling gets: the labels of the target, those of its group where it has none, and
// those that say how the job scrapes.
func (j *job) discoveredLabels(b *labels.Builder, own, group labels.Labels) labels.Labels {
	b.Reset(own)
	group.Range(func(l labels.Label) {
		if !own.Has(l.Name) {
			b.Set(l.Name, l.Value)
		}
	})
	missing := func(name, value string) {
		if b.Get(name) == "" {
			b.Set(name, value)
		}
	}
	missing(model.JobLabel, j.cfg.JobName)
	missing(model.ScrapeIntervalLabel, j.cfg.ScrapeInterval.String())
	missing(model.ScrapeTimeoutLabel, j.cfg.ScrapeTimeout.String())
	missing(model.MetricsPathLabel, j.cfg.MetricsPath)
	missing(model.SchemeLabel, j.cfg.Scheme)
	for name, values := range j.cfg.Params {
		if len(values) > 0 {
			missing(model.ParamLabelPrefix+name, values[0])
		}
	}
	return b.Labels()
}

// newTarget makes a target of its discovered labels. It returns nil if relabelling drops it.
func (j *job) newTarget(b *labels.Builder, discovered labels.Labels) (*target, error) {
	b.Reset(discovered)
	if !relabel.ProcessBuilder(b, j.relabel...) {
		return nil, nil
	}
	t := &target{discovered: discovered, address: b.Get(model.AddressLabel)}
	if t.address == "" {
		return nil, errors.New("it has no __address__")
	}
	if j.plugin == "" && strings.Contains(t.address, "/") {
		return nil, fmt.Errorf("__address__ %q is not host:port; the path belongs into metrics_path", t.address)
	}
	var err error
	if t.interval, err = durationLabel(b, model.ScrapeIntervalLabel); err != nil {
		return nil, err
	}
	if t.timeout, err = durationLabel(b, model.ScrapeTimeoutLabel); err != nil {
		return nil, err
	}
	if t.timeout > t.interval {
		return nil, fmt.Errorf("its %s of %s is longer than its %s of %s",
			model.ScrapeTimeoutLabel, b.Get(model.ScrapeTimeoutLabel), model.ScrapeIntervalLabel, b.Get(model.ScrapeIntervalLabel))
	}
	b.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			b.Del(l.Name)
		}
	})
	if b.Get(model.InstanceLabel) == "" {
		b.Set(model.InstanceLabel, t.address)
	}
	t.labels = b.Labels()
	if err := t.labels.Validate(validLabel); err != nil {
		return nil, err
	}
	t.labels.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			b.Del(l.Name)
		} else {
			t.pairs = append(t.pairs, l)
		}
	})
	t.public = b.Labels()
	t.url = j.urlOf(t)
	return t, nil
}

func validLabel(l labels.Label) error {
	switch {
	case !model.UTF8Validation.IsValidLabelName(l.Name):
		return fmt.Errorf("%q cannot be the name of a label", l.Name)
	case !model.LabelValue(l.Value).IsValid():
		return fmt.Errorf("its label %s is not valid UTF-8: %q", l.Name, l.Value)
	}
	return nil
}

func durationLabel(b *labels.Builder, name string) (time.Duration, error) {
	d, err := model.ParseDuration(b.Get(name))
	if err != nil {
		return 0, fmt.Errorf("its %s: %w", name, err)
	}
	if d == 0 {
		return 0, fmt.Errorf("its %s must not be 0", name)
	}
	return time.Duration(d), nil
}

// urlOf returns the URL to ask. Labels __param_NAME replace the first value of the job's parameters.
func (j *job) urlOf(t *target) string {
	if j.plugin != "" {
		return j.plugin + " " + t.address
	}
	params := url.Values{}
	for name, values := range j.cfg.Params {
		params[name] = append([]string(nil), values...)
	}
	t.labels.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(params[name]) > 0:
			params[name][0] = l.Value
		default:
			params[name] = []string{l.Value}
		}
	})
	u := url.URL{
		Scheme:   t.labels.Get(model.SchemeLabel),
		Host:     t.address,
		Path:     t.labels.Get(model.MetricsPathLabel),
		RawQuery: params.Encode(),
	}
	return u.String()
}
