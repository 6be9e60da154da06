package exposition

import (
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/convertnhcb"
	"google.golang.org/protobuf/encoding/protowire"
)

// Histogram returns the native histogram of a Histogram entry: the first result if its counts are integers, else the
// second. It is the parser's, and holds until the next entry.
func (p *Parser) Histogram() (*histogram.Histogram, *histogram.FloatHistogram) {
	m := &p.msg
	if m.isFloat {
		return nil, &m.float
	}
	return &m.integer, nil
}

// checkHistogram tells whether the native part of a histogram can be what it says.
func (p *Parser) checkHistogram() bool {
	m := &p.msg
	if p.options.IgnoreNative || !m.isNative() {
		return true
	}
	m.isFloat = m.countFloat > 0 || m.zeroCountFloat > 0
	return p.checkSide(&m.positive, "positive") && p.checkSide(&m.negative, "negative")
}

func (p *Parser) checkSide(s *side, name string) bool {
	if want, have := s.check(p.msg.isFloat); want != have {
		return p.corrupt(p.msg.metric.lo, "the spans of a native histogram have %d %s buckets, but there are %d", want, name, have)
	}
	return true
}

// makeHistogram makes the current histogram a native one.
func (p *Parser) makeHistogram() bool {
	m := &p.msg
	hint := histogram.UnknownCounterReset
	if m.kind == protoGaugeHistogram {
		hint = histogram.GaugeType
	}
	switch {
	case p.options.IgnoreNative || !m.isNative():
		return p.convert(hint)
	case m.isFloat:
		m.float = histogram.FloatHistogram{
			CounterResetHint: hint, Schema: m.schema, ZeroThreshold: m.zeroThreshold, ZeroCount: m.zeroCountFloat,
			Count: m.countFloat, Sum: plainNaN(m.sum),
			PositiveSpans: m.positive.spans, PositiveBuckets: m.positive.counts,
			NegativeSpans: m.negative.spans, NegativeBuckets: m.negative.counts,
		}
		m.float.Compact(0)
	default:
		m.integer = histogram.Histogram{
			CounterResetHint: hint, Schema: m.schema, ZeroThreshold: m.zeroThreshold, ZeroCount: m.zeroCount,
			Count: m.count, Sum: plainNaN(m.sum),
			PositiveSpans: m.positive.spans, PositiveBuckets: m.positive.deltas,
			NegativeSpans: m.negative.spans, NegativeBuckets: m.negative.deltas,
		}
		m.integer.Compact(0)
	}
	return true
}

// convert makes a histogram with custom buckets of a classic one.
func (p *Parser) convert(hint histogram.CounterResetHint) bool {
	m := &p.msg
	c := &p.converter
	c.Reset()
	err := c.SetCount(m.total())
	if err == nil {
		err = c.SetSum(plainNaN(m.sum))
	}
	for i := 0; i < len(m.bounds) && err == nil; i++ {
		err = c.SetBucketCount(m.bounds[i], m.values[i])
	}
	var h *histogram.Histogram
	var fh *histogram.FloatHistogram
	if err == nil {
		h, fh, err = c.Convert()
	}
	if err != nil {
		return p.corrupt(m.metric.lo, "a classic histogram cannot become one with custom buckets: %v", err)
	}
	if m.isFloat = h == nil; m.isFloat {
		m.float = *fh
		m.float.CounterResetHint = hint
	} else {
		m.integer = *h
		m.integer.CounterResetHint = hint
	}
	return true
}

// converter is upstream's, so that the same histograms come out.
type converter = convertnhcb.TempHistogram

// labelPair reads the name and value of a label.
func (p *Parser) labelPair(of span) (name, value span, ok bool) {
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		if !ok {
			return name, value, false
		}
		if f.number == 1 || f.number == 2 {
			if !p.is(f, protowire.BytesType, i, "a label") {
				return name, value, false
			}
			if f.number == 1 {
				name = f.span
			} else {
				value = f.span
			}
		}
		i = next
	}
	return name, value, true
}

// checkLabels tells whether the labels of the metric are readable.
func (p *Parser) checkLabels() bool {
	for i := p.start; i < p.end; {
		f, next, ok := p.field(i, p.end)
		if !ok {
			return false
		}
		if f.number == 1 {
			name, value, ok := p.labelPair(f.span)
			switch {
			case !ok:
				return false
			case name.lo == name.hi || !utf8.Valid(p.b[name.lo:name.hi]):
				return p.corrupt(f.lo, "%.50q cannot be the name of a label", p.b[name.lo:name.hi])
			case !utf8.Valid(p.b[value.lo:value.hi]):
				return p.corrupt(f.lo, "the value of label %.50q is not valid UTF-8", p.b[name.lo:name.hi])
			}
		}
		i = next
	}
	p.msg.checked = true
	return true
}

// protoLabels resolves the labels of the current sample.
func (p *Parser) protoLabels() labels.Labels {
	m := &p.msg
	name := string(m.name)
	switch {
	case m.sample == count:
		name += "_count"
	case m.sample == sum:
		name += "_sum"
	case m.sample == piece && m.isHistogram():
		name += "_bucket"
	}
	p.builder.Reset()
	p.addIdentity(name)
	raw := string(p.b[p.start:p.end]) // one copy that the labels share
	for i := p.start; i < p.end; {
		f, next, _ := p.field(i, p.end)
		if f.number == 1 {
			name, value, _ := p.labelPair(f.span)
			if name := raw[max(name.lo-p.start, 0):max(name.hi-p.start, 0)]; !p.overridden(name) {
				p.builder.Add(name, raw[max(value.lo-p.start, 0):max(value.hi-p.start, 0)])
			}
		}
		i = next
	}
	if m.sample == piece {
		label := model.QuantileLabel
		if m.isHistogram() {
			label = model.BucketLabel
		}
		p.builder.Add(label, labels.FormatOpenMetricsFloat(m.bound(m.index)))
	}
	p.builder.Sort()
	return p.builder.Labels()
}

// HasExemplars tells whether the current sample may have exemplars.
func (p *Parser) HasExemplars() bool {
	m := &p.msg
	switch {
	case p.classic.emitting:
		return len(p.classic.exemplars) > 0
	case p.format == Protobuf:
		return m.exemplar.hi > 0 || len(m.exemplars) > 0 || m.sample == native && len(m.examples) > 0 ||
			m.sample == piece && m.index < len(m.examples) && m.examples[m.index].hi > 0
	case p.format == OpenMetrics2:
		return len(p.om.exemplars) > 0
	}
	return p.exemplar.hi > 0
}

// Exemplars appends the exemplars of the current sample to dst. Those of a native histogram that have no timestamp
// are left out, as it could not be told which of them are new.
func (p *Parser) Exemplars(dst []Exemplar) []Exemplar {
	if p.classic.emitting {
		return append(dst, p.classic.exemplars...)
	}
	if p.format == OpenMetrics2 {
		return p.om2Exemplars(dst)
	}
	if p.format != Protobuf {
		if e, ok := p.Exemplar(); ok {
			dst = append(dst, e)
		}
		return dst
	}
	m := &p.msg
	switch {
	case m.sample == whole && m.kind == protoCounter:
		dst = p.protoExemplar(dst, m.exemplar, false)
	case m.sample == piece && m.isHistogram() && m.index < len(m.examples):
		dst = p.protoExemplar(dst, m.examples[m.index], false)
	case m.sample == native:
		from := m.exemplars
		if len(from) == 0 {
			from = m.examples
		}
		for _, at := range from {
			dst = p.protoExemplar(dst, at, true)
		}
	}
	return dst
}

// protoExemplar appends the exemplar at a place, if there is one that is readable.
func (p *Parser) protoExemplar(dst []Exemplar, at span, needTime bool) []Exemplar {
	if at.hi == 0 || at.hi-at.lo > maxLabels {
		return dst
	}
	defer func() { p.broken = nil }() // a bad exemplar costs no sample
	var e Exemplar
	p.builder.Reset()
	for i := at.lo; i < at.hi; {
		f, next, ok := p.field(i, at.hi)
		switch {
		case !ok:
		case f.number == 1:
			var name, value span
			name, value, ok = p.labelPair(f.span)
			if ok {
				p.builder.Add(string(p.b[name.lo:name.hi]), string(p.b[value.lo:value.hi]))
			}
		case f.number == 2:
			ok = p.double(f, i, &e.Value)
		case f.number == 3:
			e.HasT = true
			ok = p.timestamp(f, i, &e.T)
		}
		if !ok {
			return dst
		}
		i = next
	}
	if needTime && !e.HasT {
		return dst
	}
	p.builder.Sort()
	e.Labels = p.builder.Labels()
	return append(dst, e)
}
