package exposition

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"google.golang.org/protobuf/encoding/protowire"
)

// metricValue is the value of a metric of the protobuf format.
type metricValue struct {
	value    float64
	exemplar span  // of a counter
	start    int64 // start timestamp, Unix milliseconds; 0 for none
	current  uint64

	count      uint64 // of summaries and histograms
	countFloat float64
	sum        float64
	bounds     []float64 // upper bounds of buckets, or quantiles
	values     []float64 // of buckets, cumulative, or of quantiles
	examples   []span    // of buckets

	schema             int32
	zeroThreshold      float64
	zeroCount          uint64
	zeroCountFloat     float64
	positive, negative side
	exemplars          []span // of a native histogram

	integer histogram.Histogram
	float   histogram.FloatHistogram
	isFloat bool
}

// side is the positive or the negative buckets of a native histogram.
type side struct {
	spans  []histogram.Span
	deltas []int64
	counts []float64
}

func (s *side) reset() { s.spans, s.deltas, s.counts = s.spans[:0], s.deltas[:0], s.counts[:0] }

// check returns how many buckets the spans have and how many there are.
func (s *side) check(isFloat bool) (want, have int) {
	for _, sp := range s.spans {
		want += int(sp.Length)
	}
	if isFloat {
		return want, len(s.counts)
	}
	return want, len(s.deltas)
}

func (v *metricValue) reset() {
	v.value, v.exemplar, v.start = 0, span{}, 0
	v.count, v.countFloat, v.sum = 0, 0, 0
	v.bounds, v.values, v.examples, v.exemplars = v.bounds[:0], v.values[:0], v.examples[:0], v.exemplars[:0]
	v.schema, v.zeroThreshold, v.zeroCount, v.zeroCountFloat = 0, 0, 0, 0
	v.positive.reset()
	v.negative.reset()
}

func (m *message) isHistogram() bool {
	return m.kind == protoHistogram || m.kind == protoGaugeHistogram
}

// isNative tells whether the histogram is a native one. One without spans, threshold and zero bucket is not.
func (v *metricValue) isNative() bool {
	return len(v.positive.spans) > 0 || len(v.negative.spans) > 0 || v.zeroThreshold > 0 || v.zeroCount > 0
}

// total returns the number of observations.
func (v *metricValue) total() float64 {
	if v.countFloat != 0 {
		return v.countFloat
	}
	return float64(v.count)
}

func (v *metricValue) bound(i int) float64 {
	if i < len(v.bounds) {
		return v.bounds[i]
	}
	return math.Inf(1) // the last bucket need not be there
}

// part tells what the n-th sample of the metric is, and its value.
func (m *message) part(o Options, n int) (what part, index int, value float64) {
	classic := true
	switch {
	case m.kind == protoSummary:
	case !m.isHistogram():
		if n > 0 {
			return noParts, 0, 0
		}
		return whole, 0, plainNaN(m.value)
	case m.isNative() && !o.IgnoreNative: // first the native histogram, then its classic series
		if n == 0 {
			return native, 0, 0
		}
		n--
		classic = o.KeepClassic && len(m.bounds) > 0
	case o.ConvertClassic: // first the classic series, then the histogram made of them
		last := 0
		if o.KeepClassic {
			last = 2 + m.buckets()
		}
		if n == last {
			return native, 0, 0
		}
		classic = n < last
	}
	pieces := len(m.bounds)
	if m.isHistogram() {
		pieces = m.buckets()
	}
	switch {
	case !classic || n >= 2+pieces:
		return noParts, 0, 0
	case n == 0 && m.kind == protoSummary:
		return count, 0, float64(m.count)
	case n == 0:
		return count, 0, plainNaN(m.total())
	case n == 1:
		return sum, 0, plainNaN(m.sum)
	case n-2 < len(m.values):
		return piece, n - 2, plainNaN(m.values[n-2])
	}
	return piece, n - 2, plainNaN(m.total())
}

// buckets returns how many classic buckets there are up to that of +Inf, which need not be written.
func (v *metricValue) buckets() int {
	for i, b := range v.bounds {
		if math.IsInf(b, 1) {
			return i + 1
		}
	}
	return len(v.bounds) + 1
}

// plainNaN makes every NaN the ordinary one.
func plainNaN(f float64) float64 {
	if f != f {
		return normalNaN
	}
	return f
}

// valueField is the number of the field that holds the value of a metric, by its type.
var valueField = [protoTypes]protowire.Number{3, 2, 4, 5, 7, 7}

// readValue reads the value of the metric; what belongs to another type of metrics is left out.
func (p *Parser) readValue(of protoField) bool {
	m := &p.msg
	if valueField[m.kind] != of.number {
		return true
	}
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		if !ok {
			return false
		}
		switch of.number {
		case 2, 5: // gauge, untyped
			ok = f.number != 1 || p.double(f, i, &m.value)
		case 3:
			ok = p.counterField(f, i)
		case 4:
			ok = p.summaryField(f, i)
		case 7:
			ok = p.histogramField(f, i)
		}
		if !ok {
			return false
		}
		i = next
	}
	return true
}

func (p *Parser) double(f protoField, at int, to *float64) bool {
	*to = math.Float64frombits(f.num)
	return p.is(f, protowire.Fixed64Type, at, "a number")
}

func (p *Parser) varint(f protoField, at int, to *uint64) bool {
	*to = f.num
	return p.is(f, protowire.VarintType, at, "a count")
}

func (p *Parser) counterField(f protoField, at int) bool {
	m := &p.msg
	switch f.number {
	case 1:
		return p.double(f, at, &m.value)
	case 2:
		m.exemplar = f.span
		return p.is(f, protowire.BytesType, at, "an exemplar")
	case 3:
		return p.timestamp(f, at, &m.start)
	}
	return true
}

func (p *Parser) summaryField(f protoField, at int) bool {
	m := &p.msg
	switch f.number {
	case 1:
		return p.varint(f, at, &m.count)
	case 2:
		return p.double(f, at, &m.sum)
	case 3:
		return p.is(f, protowire.BytesType, at, "a quantile") && p.quantile(f)
	case 4:
		return p.timestamp(f, at, &m.start)
	}
	return true
}

func (p *Parser) quantile(of protoField) bool {
	m := &p.msg
	var q, v float64
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		if !ok || f.number == 1 && !p.double(f, i, &q) || f.number == 2 && !p.double(f, i, &v) {
			return false
		}
		i = next
	}
	m.bounds, m.values = append(m.bounds, q), append(m.values, v)
	return true
}

func (p *Parser) histogramField(f protoField, at int) bool {
	m := &p.msg
	switch f.number {
	case 1:
		return p.varint(f, at, &m.count)
	case 2:
		return p.double(f, at, &m.sum)
	case 3:
		return p.is(f, protowire.BytesType, at, "a bucket") && p.bucket(f)
	case 4:
		return p.double(f, at, &m.countFloat)
	case 5:
		m.schema = int32(protowire.DecodeZigZag(f.num & math.MaxUint32))
		return p.is(f, protowire.VarintType, at, "the schema")
	case 6:
		return p.double(f, at, &m.zeroThreshold)
	case 7:
		return p.varint(f, at, &m.zeroCount)
	case 8:
		return p.double(f, at, &m.zeroCountFloat)
	case 9:
		return p.is(f, protowire.BytesType, at, "a span") && p.bucketSpan(f, &m.negative)
	case 10:
		return p.deltas(f, at, &m.negative)
	case 11:
		return p.counts(f, at, &m.negative)
	case 12:
		return p.is(f, protowire.BytesType, at, "a span") && p.bucketSpan(f, &m.positive)
	case 13:
		return p.deltas(f, at, &m.positive)
	case 14:
		return p.counts(f, at, &m.positive)
	case 15:
		return p.timestamp(f, at, &m.start)
	case 16:
		m.exemplars = append(m.exemplars, f.span)
		return p.is(f, protowire.BytesType, at, "an exemplar")
	}
	return true
}

func (p *Parser) bucket(of protoField) bool {
	m := &p.msg
	var n uint64
	var float, bound float64
	var example span
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		switch {
		case !ok:
		case f.number == 1:
			ok = p.varint(f, i, &n)
		case f.number == 2:
			ok = p.double(f, i, &bound)
		case f.number == 3:
			example = f.span
			ok = p.is(f, protowire.BytesType, i, "an exemplar")
		case f.number == 4:
			ok = p.double(f, i, &float)
		}
		if !ok {
			return false
		}
		i = next
	}
	if float == 0 {
		float = float64(n)
	}
	m.bounds, m.values, m.examples = append(m.bounds, bound), append(m.values, float), append(m.examples, example)
	return true
}

func (p *Parser) bucketSpan(of protoField, to *side) bool {
	var offset, length uint64
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		if !ok || f.number == 1 && !p.varint(f, i, &offset) || f.number == 2 && !p.varint(f, i, &length) {
			return false
		}
		i = next
	}
	to.spans = append(to.spans, histogram.Span{Offset: int32(protowire.DecodeZigZag(offset & math.MaxUint32)), Length: uint32(length)})
	return true
}

// deltas reads differences of counts, packed or one by one.
func (p *Parser) deltas(f protoField, at int, to *side) bool {
	if f.kind == protowire.VarintType {
		to.deltas = append(to.deltas, protowire.DecodeZigZag(f.num))
		return true
	}
	if !p.is(f, protowire.BytesType, at, "the counts of buckets") {
		return false
	}
	for i := f.lo; i < f.hi; {
		v, n := protowire.ConsumeVarint(p.b[i:f.hi])
		if n < 0 {
			return p.corrupt(i, "the count of a bucket is cut or too long")
		}
		to.deltas = append(to.deltas, protowire.DecodeZigZag(v))
		i += n
	}
	return true
}

// counts reads counts that are floats, packed or one by one.
func (p *Parser) counts(f protoField, at int, to *side) bool {
	if f.kind == protowire.Fixed64Type {
		to.counts = append(to.counts, math.Float64frombits(f.num))
		return true
	}
	if !p.is(f, protowire.BytesType, at, "the counts of buckets") {
		return false
	}
	if (f.hi-f.lo)%8 != 0 {
		return p.corrupt(f.lo, "the counts of buckets are cut")
	}
	for i := f.lo; i < f.hi; i += 8 {
		v, _ := protowire.ConsumeFixed64(p.b[i:f.hi])
		to.counts = append(to.counts, math.Float64frombits(v))
	}
	return true
}

// timestamp reads a google.protobuf.Timestamp as Unix milliseconds.
func (p *Parser) timestamp(of protoField, at int, to *int64) bool {
	if !p.is(of, protowire.BytesType, at, "a timestamp") {
		return false
	}
	var seconds, nanos uint64
	for i := of.lo; i < of.hi; {
		f, next, ok := p.field(i, of.hi)
		if !ok || f.number == 1 && !p.varint(f, i, &seconds) || f.number == 2 && !p.varint(f, i, &nanos) {
			return false
		}
		i = next
	}
	*to = int64(seconds)*1000 + int64(int32(nanos))/1_000_000
	return true
}
