package exposition

import (
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/convertnhcb"
)

// classic collects the series of one classic histogram of a text format, to make a native one with custom buckets of
// them. The lines of a histogram stand together; the first that is none of it ends it, and waits while the native one
// is the current entry.
type classic struct {
	on     bool
	family string // that the last TYPE line was for

	collecting bool
	labels     labels.Labels // of the native histogram
	base       string        // its name
	identity   uint64        // of its other labels
	first      entry         // its first line
	exemplars  []Exemplar
	st         int64 // start timestamp of its first series
	buf        []byte

	emitting bool // the native histogram is the current entry
	waiting  bool // the entry after it is known
	kind     Kind
	err      error
	after    entry
}

// entry is where an entry of a text format stands.
type entry struct {
	start, end int
	ts         int64
	hasTS      bool
	exemplar   span
}

func (p *Parser) entry() entry { return entry{p.start, p.end, p.ts, p.hasTS, p.exemplar} }

func (p *Parser) setEntry(e entry) {
	p.start, p.end, p.ts, p.hasTS, p.exemplar = e.start, e.end, e.ts, e.hasTS, e.exemplar
}

// nextConverted finds the next entry of a text format whose classic histograms become native ones.
func (p *Parser) nextConverted() (Kind, error) {
	c := &p.classic
	length, hash := p.expectLen, p.expectHash
	for {
		c.emitting = false
		k, err := c.kind, c.err
		if waited := c.waiting; waited {
			c.waiting = false
			p.setEntry(c.after)
			p.expected = k == Series && length == p.end-p.start && p.identify(p.Raw()) == hash
		} else {
			p.expectLen, p.expectHash, p.expected = length, hash, false
			if p.format == Text {
				k, err = p.nextText()
			} else {
				k, err = p.nextOpenMetrics()
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			c.collecting = false
			return k, err
		}
		var ls labels.Labels
		if k == Series && p.metricType == model.MetricTypeHistogram {
			ls = p.Labels()
		}
		if c.collecting && (k != Series || !p.continues(ls)) && p.emit() {
			c.kind, c.err, c.waiting = k, err, true
			p.expected = length == p.end-p.start && hash == p.msg.current
			p.expectLen = -1
			return Histogram, nil
		}
		if k == Type {
			c.family = string(p.name)
		}
		if k != Series {
			return k, err
		}
		if !p.collect(ls) || p.options.KeepClassic {
			p.expectLen = -1 // it was for this one
			return k, err
		}
	}
}

// continues tells whether a series with the labels ls is one of the histogram that is collected.
func (p *Parser) continues(ls labels.Labels) bool {
	if p.metricType != model.MetricTypeHistogram {
		return false
	}
	_, base := convertnhcb.GetHistogramMetricBaseName(ls.Get(model.MetricNameLabel))
	var identity uint64
	identity, p.classic.buf = ls.HashWithoutLabels(p.classic.buf, model.BucketLabel)
	return base == p.classic.base && identity == p.classic.identity
}

// collect takes the current series, with labels ls, if it is one of a classic histogram.
func (p *Parser) collect(ls labels.Labels) bool {
	c := &p.classic
	if p.metricType != model.MetricTypeHistogram {
		return false
	}
	suffix, base := convertnhcb.GetHistogramMetricBaseName(ls.Get(model.MetricNameLabel))
	if suffix == convertnhcb.SuffixNone || base != c.family {
		return false
	}
	bound := 0.0
	if suffix == convertnhcb.SuffixBucket {
		var err error
		if bound, err = strconv.ParseFloat(ls.Get(model.BucketLabel), 64); err != nil || math.IsNaN(bound) {
			return false
		}
	}
	if !c.collecting {
		c.collecting = true
		c.base, c.first, c.exemplars = base, p.entry(), nil
		c.labels = convertnhcb.GetHistogramMetricBase(ls, base)
		c.identity, c.buf = ls.HashWithoutLabels(c.buf, model.BucketLabel)
		c.st = p.StartTimestamp()
		p.converter.Reset()
	}
	if e, ok := p.Exemplar(); ok && e.HasT {
		c.exemplars = append(c.exemplars, e)
	}
	switch suffix { // an error stays with the converter
	case convertnhcb.SuffixBucket:
		_ = p.converter.SetBucketCount(bound, p.value)
	case convertnhcb.SuffixCount:
		_ = p.converter.SetCount(p.value)
	case convertnhcb.SuffixSum:
		_ = p.converter.SetSum(p.value)
	}
	return true
}

// emit makes the histogram that was collected the current entry. It is false if the series make none.
func (p *Parser) emit() bool {
	c, m := &p.classic, &p.msg
	c.collecting = false
	h, fh, err := p.converter.Convert()
	if err != nil || h != nil && h.Validate() != nil || fh != nil && fh.Validate() != nil {
		return false
	}
	if m.isFloat = h == nil; m.isFloat {
		m.float = *fh
	} else {
		m.integer = *h
	}
	c.emitting, c.after = true, p.entry()
	p.setEntry(c.first)
	m.current = mix(p.identify(p.Raw()), uint64(native))
	return true
}
