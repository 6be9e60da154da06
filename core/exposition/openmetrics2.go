package exposition

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// OpenMetrics 2.0 as of its release candidate 0, March 2026: https://prometheus.io/docs/specs/om/open_metrics_spec_2_0/.
// It differs from 1.0 in this: summaries and histograms are a line each, with a composite value in braces, which yields
// the same samples as the lines of 1.0; a start timestamp stands in the line, after the sample's; a line may have several
// exemplars; types belong to the metric that they name and to no other.

// omLine is a line of OpenMetrics 2.0.
type omLine struct {
	family    []byte // the metric that type and unit are of
	st        int64  // start timestamp, Unix milliseconds; 0 for none
	exemplars []omExemplar
	composite
}

type omExemplar struct {
	labels span
	value  float64
	t      int64 // Unix milliseconds
}

func (p *Parser) nextOpenMetrics2() (Kind, error) {
	if p.om.left() {
		return p.nextOfComposite()
	}
	for {
		i := p.pos
		if i >= len(p.b) {
			return p.fail(i, noEOF)
		}
		var k Kind
		var err error
		switch c := p.b[i]; {
		case c == '#':
			k, err = p.openMetrics2Meta(i)
		case c == '{' || class[c]&nameStart != 0:
			k, err = p.openMetrics2Series(i)
		default:
			return p.fail(i, "expected a metric name, a brace or #")
		}
		if k != None || err != nil {
			return k, err
		}
	}
}

func (p *Parser) openMetrics2Meta(i int) (Kind, error) {
	k, err := p.openMetricsMeta(i)
	switch {
	case err == io.EOF:
	case err != nil:
		return None, err
	case len(p.name) == 0 || !utf8.Valid(p.name):
		return p.fail(i, "the name of a metric is empty or not valid UTF-8")
	default:
		p.ofFamily(p.name, k)
	}
	return k, err
}

// ofFamily notes that an entry is of a metric; what is known of another is over, but for what this entry says.
func (p *Parser) ofFamily(name []byte, k Kind) {
	if bytes.Equal(name, p.om.family) {
		return
	}
	p.om.family = name
	if k != Type {
		p.metricType = model.MetricTypeUnknown
	}
	if k != Unit {
		p.unit = nil
	}
	p.setIdentity()
}

func (p *Parser) openMetrics2Series(i int) (Kind, error) {
	length := p.expectLen
	if !p.meetsExpectation(i) {
		if err := p.head(i); err != nil {
			return None, err
		}
	}
	p.record(i, false)
	if err := p.checkNames(i); err != nil {
		return None, err
	}
	p.ofFamily(p.b[p.offsets[0]:p.offsets[1]], Series)
	unstated := p.metricType == model.MetricTypeStateset && !p.hasLabel(p.om.family)
	p.hasTS, p.exemplar, p.om.st, p.om.exemplars = false, span{}, 0, p.om.exemplars[:0]
	lo, hi, err := p.word(p.end, "the value")
	if err != nil {
		return None, err
	}
	next, err := p.afterValue(hi)
	if err != nil {
		return None, err
	}
	structured := p.metricType == model.MetricTypeHistogram || p.metricType == model.MetricTypeGaugeHistogram || p.metricType == model.MetricTypeSummary
	switch {
	case p.b[lo] == '{' && !structured:
		return p.fail(lo, "a metric of type %s cannot have a value in braces", p.metricType)
	case p.b[lo] == '{':
		if err := p.readComposite(p.b[lo:hi]); err != nil {
			return p.fail(lo, "%v", err)
		}
		p.pos, p.expectLen = next, length
		if p.om.left() {
			return p.nextOfComposite()
		}
		return None, nil
	case structured:
		return p.fail(lo, "the value of a metric of type %s must stand in braces", p.metricType)
	}
	if p.value, err = parseFloat(p.b[lo:hi]); err != nil {
		return p.fail(lo, "the value is not a number (%v)", err)
	}
	switch {
	case p.metricType == model.MetricTypeCounter && math.IsNaN(p.value):
		return p.fail(lo, "the value of a counter must not be NaN")
	case p.metricType == model.MetricTypeStateset && p.value != 0 && p.value != 1:
		return p.fail(lo, "the value of a state must be 0 or 1")
	case unstated:
		return p.fail(i, "a state set must have a label with the name of the metric")
	}
	p.om.parts = p.om.parts[:0]
	p.pos = next
	return Series, nil
}

// checkNames tells whether the recorded names are valid: that of the metric must be the first thing in braces.
func (p *Parser) checkNames(i int) error {
	lo, hi := p.offsets[0], p.offsets[1]
	if lo == hi || !utf8.Valid(p.b[lo:hi]) {
		return p.errorAt(i, "the name of a metric is empty or not valid UTF-8")
	}
	for k := 2; k < len(p.offsets); k += 4 {
		if p.offsets[k] < lo {
			return p.errorAt(lo, "the name of the metric must come before its labels")
		}
		if !utf8.Valid(p.b[p.offsets[k]:p.offsets[k+1]]) {
			return p.errorAt(p.offsets[k], "the name of a label is not valid UTF-8")
		}
	}
	return nil
}

func (p *Parser) hasLabel(name []byte) bool {
	for k := 2; k < len(p.offsets); k += 4 {
		if bytes.Equal(p.b[p.offsets[k]:p.offsets[k+1]], name) {
			return true
		}
	}
	return false
}

// word returns where the word after the blank at i stands.
func (p *Parser) word(i int, what string) (lo, hi int, err error) {
	if !p.at(i, ' ') {
		if i >= len(p.b) {
			return 0, 0, p.errorAt(i, noEOF)
		}
		return 0, 0, p.errorAt(i, "expected a blank and %s", what)
	}
	hi = i + 1
	for hi < len(p.b) && p.b[hi] != ' ' && p.b[hi] != '\n' {
		hi++
	}
	if hi == i+1 {
		return 0, 0, p.errorAt(hi, "expected %s", what)
	}
	return i + 1, hi, nil
}

var startSign = []byte(" st@")

// afterValue reads what may follow a value at i: timestamp, start timestamp, exemplars. It returns the start of the next
// line.
func (p *Parser) afterValue(i int) (next int, err error) {
	started := false
	for {
		rest := p.b[i:]
		var ts float64
		switch {
		case len(rest) == 0:
			return 0, p.errorAt(i, noEOF)
		case rest[0] == '\n':
			return i + 1, nil
		case bytes.HasPrefix(rest, []byte(" # {")):
			if i, err = p.readExemplar2(i + 3); err != nil {
				return 0, err
			}
		case len(p.om.exemplars) > 0:
			return 0, p.errorAt(i, "expected the end of the line or an exemplar")
		case bytes.HasPrefix(rest, startSign) && len(rest) > 4 && rest[4] != ' ' && rest[4] != '\n':
			if started {
				return 0, p.errorAt(i, "a second start timestamp")
			}
			// As in a number, which a blank precedes.
			if ts, i, err = p.numberAt(i+len(startSign), "the start timestamp", false); err != nil {
				return 0, err
			}
			p.om.st, started = int64(ts*1000), true
		case started || p.hasTS:
			return 0, p.errorAt(i, "expected a start timestamp, an exemplar or the end of the line")
		default:
			if ts, i, err = p.number(i, "the timestamp", false); err != nil {
				return 0, err
			}
			p.ts, p.hasTS = int64(ts*1000), true
		}
	}
}

// readExemplar2 reads the exemplar whose labels open at i, and returns the position after it.
func (p *Parser) readExemplar2(i int) (int, error) {
	next, _, err := p.braces(i, false, true, false)
	if err == nil {
		err = p.fits(i, next, "the labels of an exemplar")
	}
	if err != nil {
		return 0, err
	}
	p.record(i, true)
	for k := 2; k < len(p.offsets); k += 4 {
		if !utf8.Valid(p.b[p.offsets[k]:p.offsets[k+1]]) {
			return 0, p.errorAt(p.offsets[k], "the name of a label is not valid UTF-8")
		}
	}
	e := omExemplar{labels: span{i, next}}
	if e.value, i, err = p.number(next, "the value of the exemplar", true); err != nil {
		return 0, err
	}
	if !p.at(i, ' ') || bytes.HasPrefix(p.b[i:], []byte(" # {")) {
		return 0, p.errorAt(i, "expected the timestamp of the exemplar, which it must have")
	}
	var ts float64
	if ts, i, err = p.number(i, "the timestamp of the exemplar", false); err != nil {
		return 0, err
	}
	e.t = int64(ts * 1000)
	p.om.exemplars = append(p.om.exemplars, e)
	return i, nil
}

// om2Exemplars appends the exemplars of the line to dst.
func (p *Parser) om2Exemplars(dst []Exemplar) []Exemplar {
	if !p.om.bearsExemplars() {
		return dst
	}
	for _, e := range p.om.exemplars {
		p.exemplar, p.exValue, p.exTS, p.exHasTS = e.labels, e.value, e.t, true
		ex, _ := p.Exemplar()
		dst = append(dst, ex)
	}
	p.exemplar = span{}
	return dst
}

// nextOfComposite goes on to the next sample of a composite value.
func (p *Parser) nextOfComposite() (Kind, error) {
	c := &p.om.composite
	part := c.parts[c.next]
	c.next++
	key := uint64(part.what)
	if part.what == piece {
		key = mix(key, math.Float64bits(part.bound))
	}
	p.msg.current = mix(p.identify(p.b[p.start:p.end]), key)
	p.expected = p.expectLen == p.end-p.start && p.expectHash == p.msg.current
	p.expectLen = -1
	if part.what == native {
		return Histogram, nil
	}
	p.value = part.value
	return Series, nil
}

// compositeName returns the name of the current sample of a composite value.
func (p *Parser) compositeName(family string) string {
	gauge := p.metricType == model.MetricTypeGaugeHistogram
	switch what := p.om.current().what; {
	case what == count && gauge:
		return family + "_gcount"
	case what == count:
		return family + "_count"
	case what == sum && gauge:
		return family + "_gsum"
	case what == sum:
		return family + "_sum"
	case what == piece && p.metricType != model.MetricTypeSummary:
		return family + "_bucket"
	}
	return family
}

// inOrder tells whether bounds rise.
func inOrder(bounds []float64) error {
	for i := 1; i < len(bounds); i++ {
		if bounds[i] <= bounds[i-1] {
			return fmt.Errorf("%v comes after %v, though bounds must rise", bounds[i], bounds[i-1])
		}
	}
	if slices.ContainsFunc(bounds, math.IsNaN) {
		return fmt.Errorf("a bound is NaN")
	}
	return nil
}
