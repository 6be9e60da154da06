package exposition

import (
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Labels resolves the labels of the current series: escapes are replaced, and the values of le and quantile are
// written the way OpenMetrics does. Names may occur twice and may be invalid; that is for the caller to refuse.
func (p *Parser) Labels() labels.Labels {
	if p.format == Protobuf {
		return p.protoLabels()
	}
	if p.classic.emitting {
		return p.classic.labels
	}
	raw := string(p.Raw()) // one copy that the labels share
	p.record(p.start, false)
	s := raw
	base := p.start
	p.builder.Reset()
	p.addIdentity(p.compositeName(unquote(s[p.offsets[0]-base : p.offsets[1]-base])))
	for i := 2; i < len(p.offsets); i += 4 {
		name := unquote(s[p.offsets[i]-base : p.offsets[i+1]-base])
		if p.overridden(name) {
			continue
		}
		val := unquote(s[p.offsets[i+2]-base : p.offsets[i+3]-base])
		p.builder.Add(name, p.canonical(name, val))
	}
	if part := p.om.current(); part.what == piece {
		label := model.BucketLabel
		if p.metricType == model.MetricTypeSummary {
			label = model.QuantileLabel
		}
		p.builder.Add(label, labels.FormatOpenMetricsFloat(part.bound))
	}
	p.builder.Sort()
	return p.builder.Labels()
}

// addIdentity adds the name of the metric, and type and unit if they are labels.
func (p *Parser) addIdentity(name string) {
	p.builder.Add(model.MetricNameLabel, name)
	if !p.options.TypeAndUnit {
		return
	}
	if p.isTyped() {
		p.builder.Add(model.MetricTypeLabel, string(p.metricType))
	}
	if unit := p.familyUnit(); len(unit) > 0 {
		p.builder.Add(model.MetricUnitLabel, string(unit))
	}
}

func (p *Parser) isTyped() bool { return p.metricType != "" && p.metricType != model.MetricTypeUnknown }

func (p *Parser) familyUnit() []byte {
	if p.format == Protobuf {
		return p.msg.unit
	}
	return p.unit
}

// overridden tells whether an exposed label gives way to what addIdentity adds.
func (p *Parser) overridden(name string) bool {
	if !p.options.TypeAndUnit {
		return false
	}
	switch name {
	case model.MetricNameLabel:
		return true
	case model.MetricTypeLabel:
		return p.isTyped()
	case model.MetricUnitLabel:
		return len(p.familyUnit()) > 0
	}
	return false
}

// record fills offsets with where things stand in the series, or exemplar, at i; it was walked over before.
func (p *Parser) record(i int, isExemplar bool) {
	p.offsets = append(p.offsets[:0], -1, -1)
	named := !isExemplar && class[p.b[i]]&nameStart != 0
	if named {
		e := p.run(i, nameByte)
		p.offsets[0], p.offsets[1] = i, e
		if e == p.end {
			return
		}
		i = p.blanks(e)
	}
	if _, _, err := p.braces(i, named, isExemplar, true); err != nil {
		panic("exposition: a series that was read is not readable: " + err.Error())
	}
}

// canonical returns the value of le on histograms, and of quantile on summaries, as OpenMetrics writes numbers, so
// that all formats give the same series.
func (p *Parser) canonical(name, val string) string {
	if p.metricType == model.MetricTypeSummary && name == model.QuantileLabel ||
		p.metricType == model.MetricTypeHistogram && name == model.BucketLabel {
		if f, err := strconv.ParseFloat(val, 64); err == nil {
			return labels.FormatOpenMetricsFloat(f)
		}
	}
	return val
}

// Exemplar is an example of what a sample counts, usually with the id of a trace.
type Exemplar struct {
	Labels labels.Labels
	Value  float64
	T      int64 // Unix milliseconds, if HasT
	HasT   bool
}

// Exemplar returns the exemplar of the current series of a text format, if it has one.
func (p *Parser) Exemplar() (Exemplar, bool) {
	if p.exemplar.hi == 0 {
		return Exemplar{}, false
	}
	lo := p.exemplar.lo
	s := string(p.b[lo:p.exemplar.hi])
	p.record(lo, true)
	p.builder.Reset()
	for i := 2; i < len(p.offsets); i += 4 {
		p.builder.Add(unquote(s[p.offsets[i]-lo:p.offsets[i+1]-lo]), unquote(s[p.offsets[i+2]-lo:p.offsets[i+3]-lo]))
	}
	p.builder.Sort()
	return Exemplar{Labels: p.builder.Labels(), Value: p.exValue, T: p.exTS, HasT: p.exHasTS}, true
}

// unquote resolves \\, \" and \n.
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return string(unescape([]byte(s), true))
}

// unescape resolves \\ and \n, and \" where quotes are escaped too. Other backslashes stay.
func unescape(b []byte, quotes bool) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '\\' && i+1 < len(b) {
			switch e := b[i+1]; {
			case e == '\\', e == '"' && quotes:
				c = e
				i++
			case e == 'n':
				c = '\n'
				i++
			}
		}
		out = append(out, c)
	}
	return out
}
