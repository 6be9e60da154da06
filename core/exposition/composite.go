package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
)

// composite is a value in braces of OpenMetrics 2.0: a summary or histogram in one line. Its parts are yielded in their
// order, a native histogram first, one that is made of a classic one last.
type composite struct {
	fields map[string][]byte
	parts  []omPart
	next   int // in parts
}

type omPart struct {
	what  part
	bound float64 // of a bucket or quantile
	value float64
}

// left tells whether there are parts that have not been yielded.
func (c *composite) left() bool { return c.next < len(c.parts) }

// current returns the part that was yielded last; one that is whole if the line has no composite value.
func (c *composite) current() omPart {
	if len(c.parts) == 0 {
		return omPart{}
	}
	return c.parts[c.next-1]
}

// bearsExemplars tells whether those of the line belong to the current sample: to the native histogram, else the first.
func (c *composite) bearsExemplars() bool {
	for i, part := range c.parts {
		if part.what == native {
			return i == c.next-1
		}
	}
	return c.next <= 1
}

// The fields that composite values may have.
var (
	summaryFields   = []string{"count", "sum", "quantile"}
	histogramFields = []string{"count", "sum", "gcount", "gsum", "bucket", "schema", "zero_threshold", "zero_count",
		"positive_spans", "positive_buckets", "negative_spans", "negative_buckets"}
)

// readComposite takes the value in braces of the current series.
func (p *Parser) readComposite(raw []byte) error {
	c := &p.om.composite
	c.parts, c.next = c.parts[:0], 0
	if p.metricType == model.MetricTypeSummary {
		if err := c.split(raw, summaryFields); err != nil {
			return err
		}
		return c.classic("count", "sum", "quantile")
	}
	if err := c.split(raw, histogramFields); err != nil {
		return err
	}
	countName, sumName := "count", "sum"
	if p.metricType == model.MetricTypeGaugeHistogram {
		countName, sumName = "gcount", "gsum"
	}
	if _, isNative := c.fields["schema"]; isNative {
		if err := p.readNative(countName, sumName); err != nil {
			return fmt.Errorf("native histogram: %w", err)
		}
		c.parts = append(c.parts, omPart{what: native})
		if _, has := c.fields["bucket"]; !has || !p.options.KeepClassic {
			return nil
		}
	}
	before := len(c.parts)
	if err := c.classic(countName, sumName, "bucket"); err != nil {
		return err
	}
	if last := c.parts[len(c.parts)-1]; last.what != piece || !math.IsInf(last.bound, 1) {
		return errors.New("the buckets of a histogram must end with +Inf")
	}
	if before == 0 && p.options.ConvertClassic && p.metricType == model.MetricTypeHistogram {
		ok := p.convertComposite()
		if !p.options.KeepClassic {
			c.parts = c.parts[:0]
		}
		if ok {
			c.parts = append(c.parts, omPart{what: native})
		}
	}
	return nil
}

// split finds the fields of a value in braces.
func (c *composite) split(raw []byte, allowed []string) error {
	if len(raw) < 2 || raw[len(raw)-1] != '}' {
		return errors.New("the braces of the value do not close")
	}
	if c.fields == nil {
		c.fields = map[string][]byte{}
	}
	clear(c.fields)
	rest := raw[1 : len(raw)-1]
	for len(rest) > 0 {
		n, depth := 0, 0
		for ; n < len(rest) && (rest[n] != ',' || depth != 0); n++ {
			switch rest[n] {
			case '[', '(':
				depth++
			case ']', ')':
				depth--
			}
		}
		field := bytes.TrimSpace(rest[:n])
		rest = rest[min(n+1, len(rest)):]
		if len(field) == 0 {
			continue
		}
		name, value, ok := bytes.Cut(field, []byte{':'})
		if !ok {
			return fmt.Errorf("the field %.50q has no value", field)
		}
		name = bytes.TrimSpace(name)
		if !contains(allowed, name) {
			return fmt.Errorf("there is no field %.50q in such a value", name)
		}
		if _, twice := c.fields[string(name)]; twice {
			return fmt.Errorf("the field %s stands there twice", name)
		}
		c.fields[string(name)] = bytes.TrimSpace(value)
	}
	return nil
}

func contains(names []string, name []byte) bool {
	for _, n := range names {
		if n == string(name) {
			return true
		}
	}
	return false
}

// number returns the number in a field that must be there.
func (c *composite) number(name string) (float64, error) {
	text, ok := c.fields[name]
	if !ok {
		return 0, fmt.Errorf("the field %s is missing", name)
	}
	return numberOf(name, text)
}

func numberOf(what string, text []byte) (float64, error) {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number: %.50q", what, text)
	}
	return plainNaN(v), nil
}

// classic adds the series of a summary or classic histogram to the parts. pieces is the name of the list of its quantiles
// or buckets.
func (c *composite) classic(countName, sumName, pieces string) error {
	n, err := c.number(countName)
	if err != nil {
		return err
	}
	total, err := c.number(sumName)
	if err != nil {
		return err
	}
	c.parts = append(c.parts, omPart{what: count, value: n}, omPart{what: sum, value: total})
	if _, ok := c.fields[pieces]; !ok {
		return fmt.Errorf("the field %s is missing", pieces)
	}
	var bounds []float64
	err = c.list(pieces, func(item []byte) error {
		i := bytes.LastIndexByte(item, ':')
		if i < 0 {
			return fmt.Errorf("%.50q has no value", item)
		}
		bound, err := numberOf("a bound", bytes.TrimSpace(item[:i]))
		if err != nil {
			return err
		}
		v, err := numberOf("a value", bytes.TrimSpace(item[i+1:]))
		if err != nil {
			return err
		}
		bounds = append(bounds, bound)
		c.parts = append(c.parts, omPart{piece, bound, v})
		return nil
	})
	if err == nil {
		err = inOrder(bounds)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", pieces, err)
	}
	return nil
}

// list calls f for each item of a field that is a list; one that is not there is empty.
func (c *composite) list(name string, f func(item []byte) error) error {
	text := c.fields[name]
	if len(text) == 0 {
		return nil
	}
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return fmt.Errorf("a list stands in brackets, not %.50q", text)
	}
	for item := range bytes.SplitSeq(text[1:len(text)-1], []byte{','}) {
		if item = bytes.TrimSpace(item); len(item) == 0 {
			continue
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

// readNative makes the fields the current histogram.
func (p *Parser) readNative(countName, sumName string) error {
	c, m := &p.om.composite, &p.msg
	schema, err := strconv.ParseInt(string(c.fields["schema"]), 10, 32)
	if err != nil || !histogram.IsExponentialSchema(int32(schema)) {
		return fmt.Errorf("the schema must be a number from %d to %d", histogram.ExponentialSchemaMin, histogram.ExponentialSchemaMax)
	}
	var n, total, threshold, zeros float64
	for _, f := range []struct {
		name string
		to   *float64
	}{{countName, &n}, {sumName, &total}, {"zero_threshold", &threshold}, {"zero_count", &zeros}} {
		if *f.to, err = c.number(f.name); err != nil {
			return err
		}
	}
	if !(threshold >= 0) || math.IsInf(threshold, 1) {
		return errors.New("zero_threshold must be a number from 0")
	}
	// Of floats if any count is not a whole number; the sum does not matter.
	isFloat := n != math.Trunc(n) || zeros != math.Trunc(zeros) ||
		bytes.ContainsAny(c.fields["positive_buckets"], ".eE") || bytes.ContainsAny(c.fields["negative_buckets"], ".eE")
	m.positive.reset()
	m.negative.reset()
	for _, s := range []struct {
		name string
		to   *side
	}{{"positive", &m.positive}, {"negative", &m.negative}} {
		if err := c.readSpans(s.name+"_spans", s.to); err != nil {
			return fmt.Errorf("%s_spans: %w", s.name, err)
		}
		if err := c.readBuckets(s.name+"_buckets", s.to, isFloat); err != nil {
			return fmt.Errorf("%s_buckets: %w", s.name, err)
		}
	}
	hint := histogram.UnknownCounterReset
	if p.metricType == model.MetricTypeGaugeHistogram {
		hint = histogram.GaugeType
	}
	if m.isFloat = isFloat; isFloat {
		m.float = histogram.FloatHistogram{
			CounterResetHint: hint, Schema: int32(schema), ZeroThreshold: threshold, ZeroCount: zeros, Count: n, Sum: total,
			PositiveSpans: m.positive.spans, PositiveBuckets: m.positive.counts,
			NegativeSpans: m.negative.spans, NegativeBuckets: m.negative.counts,
		}
		return m.float.Validate()
	}
	m.integer = histogram.Histogram{
		CounterResetHint: hint, Schema: int32(schema), ZeroThreshold: threshold, ZeroCount: uint64(zeros), Count: uint64(n), Sum: total,
		PositiveSpans: m.positive.spans, PositiveBuckets: m.positive.deltas,
		NegativeSpans: m.negative.spans, NegativeBuckets: m.negative.deltas,
	}
	return m.integer.Validate()
}

func (c *composite) readSpans(name string, to *side) error {
	return c.list(name, func(item []byte) error {
		offset, length, ok := bytes.Cut(item, []byte{':'})
		o, err := strconv.ParseInt(string(bytes.TrimSpace(offset)), 10, 32)
		n, err2 := strconv.ParseUint(string(bytes.TrimSpace(length)), 10, 32)
		if !ok || err != nil || err2 != nil {
			return fmt.Errorf("%.50q is not offset:length", item)
		}
		to.spans = append(to.spans, histogram.Span{Offset: int32(o), Length: uint32(n)})
		return nil
	})
}

// readBuckets reads counts, which are absolute.
func (c *composite) readBuckets(name string, to *side, isFloat bool) error {
	before := int64(0)
	return c.list(name, func(item []byte) error {
		if isFloat {
			v, err := numberOf("a count", item)
			to.counts = append(to.counts, v)
			return err
		}
		v, err := strconv.ParseInt(string(item), 10, 64)
		if err != nil {
			return fmt.Errorf("a count is not a number: %.50q", item)
		}
		to.deltas = append(to.deltas, v-before)
		before = v
		return nil
	})
}

// convertComposite makes a histogram with custom buckets of the parts.
func (p *Parser) convertComposite() bool {
	p.converter.Reset()
	for _, part := range p.om.parts { // an error stays with the converter
		switch part.what {
		case count:
			_ = p.converter.SetCount(part.value)
		case sum:
			_ = p.converter.SetSum(part.value)
		case piece:
			_ = p.converter.SetBucketCount(part.bound, part.value)
		}
	}
	h, fh, err := p.converter.Convert()
	if err != nil || h != nil && h.Validate() != nil || fh != nil && fh.Validate() != nil {
		return false
	}
	if p.msg.isFloat = h == nil; p.msg.isFloat {
		p.msg.float = *fh
	} else {
		p.msg.integer = *h
	}
	return true
}
