package exposition

import (
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"
)

// MessageError says what is wrong with a protobuf body, and where.
type MessageError struct {
	Family  string // the metric family, as far as its name is known
	Offset  int    // in the body, bytes
	Message string // what is wrong
}

func (e *MessageError) Error() string {
	if e.Family == "" {
		return fmt.Sprintf("byte %d: %s", e.Offset, e.Message)
	}
	return fmt.Sprintf("metric family %.100q, byte %d: %s", e.Family, e.Offset, e.Message)
}

// Options says how bodies are read.
type Options struct {
	IgnoreNative   bool // native histograms are read as classic ones, and are not if they have no classic buckets but +Inf
	KeepClassic    bool // what is read as a native histogram yields its classic series too
	ConvertClassic bool // classic histograms become native ones with custom buckets

	StartTimestamps bool // _created series of OpenMetrics 1.0 are start timestamps of others, and no series themselves
	TypeAndUnit     bool // series have labels __type__ and __unit__
}

// SetOptions sets what holds from the next Reset on.
func (p *Parser) SetOptions(o Options) { p.options = o }

// The metric types of the protobuf format.
const (
	protoCounter = iota
	protoGauge
	protoSummary
	protoUntyped
	protoHistogram
	protoGaugeHistogram
	protoTypes
)

var protoMetricTypes = [protoTypes]model.MetricType{model.MetricTypeCounter, model.MetricTypeGauge, model.MetricTypeSummary,
	model.MetricTypeUnknown, model.MetricTypeHistogram, model.MetricTypeGaugeHistogram}

// message is the family and the metric at hand of a protobuf body. Its slices are used again and again.
type message struct {
	family     span // of the fields of the family in the body
	next       int  // where its next field stands
	name       []byte
	help, unit []byte
	kind       uint64 // metric type
	hash       uint64 // of name, type and unit
	head       int    // how many of help, unit and type have been yielded

	metric  span   // of the fields of the metric
	base    uint64 // hash of family and labels
	checked bool   // the labels are valid
	fields  int    // samples of the metric that have been yielded
	sample  part   // which of them is the current one
	index   int    // of the bucket or quantile that it is

	metricValue
}

// part says what of a metric a sample is.
type part uint8

const (
	whole   part = iota // of a counter, gauge or untyped metric
	count               // of a summary or classic histogram
	sum                 //
	piece               // a bucket or quantile
	native              // a native histogram
	noParts             // there is none left
)

// nextProtobuf finds the next entry of a protobuf body: of each family help, unit if there is one, and type, then
// its metrics. Families without metrics are left out.
func (p *Parser) nextProtobuf() (Kind, error) {
	m := &p.msg
	for {
		switch m.head {
		case 0:
			m.head++
			if p.family() {
				p.text = m.help
				return Help, nil
			}
		case 1:
			m.head++
			if len(m.unit) > 0 {
				p.text = m.unit
				return Unit, nil
			}
			continue
		case 2:
			m.head++
			return Type, nil
		default:
			if k := p.protoSample(); k != None {
				return k, nil
			}
			if p.broken == nil && p.metric() {
				continue
			}
			m.head = 0
			if p.broken == nil {
				continue
			}
		}
		if err := p.broken; err != nil {
			p.broken, p.pos, m.head = nil, len(p.b), 0
			return None, err
		}
		m.head = 0
		return None, io.EOF
	}
}

// corrupt notes that the body is damaged at position at.
func (p *Parser) corrupt(at int, format string, args ...any) bool {
	if p.broken == nil {
		p.broken = &MessageError{Family: string(p.msg.name), Offset: at, Message: fmt.Sprintf(format, args...)}
	}
	return false
}

// field reads the field at position i, before position end. Bytes of length-delimited fields are val; numbers are num.
func (p *Parser) field(i, end int) (f protoField, next int, ok bool) {
	b := p.b[i:end]
	tag, n := uint64(0), 1
	if b[0] < 0x80 {
		tag = uint64(b[0])
	} else if tag, n = protowire.ConsumeVarint(b); n < 0 {
		return f, 0, p.corrupt(i, "a field begins with a number that is cut or too long")
	}
	f.number = protowire.Number(min(tag>>3, math.MaxInt32))
	if !f.number.IsValid() {
		return f, 0, p.corrupt(i, "a field has the number %d, which none has", tag>>3)
	}
	f.kind = protowire.Type(tag & 7)
	rest := b[n:]
	v := 0
	switch f.kind {
	case protowire.BytesType:
		size := uint64(0)
		if len(rest) > 0 && rest[0] < 0x80 {
			size, v = uint64(rest[0]), 1
		} else if size, v = protowire.ConsumeVarint(rest); v < 0 {
			return f, 0, p.corrupt(i+n, "the length of field %d is cut or too long", f.number)
		}
		if size > uint64(len(rest)-v) {
			return f, 0, p.corrupt(i+n, "field %d should have %d bytes, but there are only %d", f.number, size, len(rest)-v)
		}
		f.lo, f.hi = i+n+v, i+n+v+int(size)
		return f, f.hi, true
	case protowire.VarintType:
		f.num, v = protowire.ConsumeVarint(rest)
	case protowire.Fixed64Type:
		f.num, v = protowire.ConsumeFixed64(rest)
	case protowire.Fixed32Type:
		var short uint32
		short, v = protowire.ConsumeFixed32(rest)
		f.num = uint64(short)
	default:
		v = protowire.ConsumeFieldValue(f.number, f.kind, rest)
	}
	if v < 0 {
		return f, 0, p.corrupt(i+n, "the value of field %d is cut or damaged", f.number)
	}
	return f, i + n + v, true
}

type protoField struct {
	number protowire.Number
	kind   protowire.Type
	num    uint64
	span   // of length-delimited fields, in the body
}

// is tells whether a field has the type that it should have, and notes an error if not.
func (p *Parser) is(f protoField, kind protowire.Type, at int, what string) bool {
	if f.kind != kind {
		return p.corrupt(at, "%s has wire type %d, not %d", what, f.kind, kind)
	}
	return true
}

// family goes on to the next family that has metrics. It is false at the end of the body, or if p.broken.
func (p *Parser) family() bool {
	m := &p.msg
	m.name = nil
	for p.pos < len(p.b) {
		size, n := protowire.ConsumeVarint(p.b[p.pos:])
		if n < 0 || n > 5 {
			return p.corrupt(p.pos, "the length of a metric family is cut or too long")
		}
		lo := p.pos + n
		if size > uint64(len(p.b)-lo) {
			return p.corrupt(p.pos, "a metric family should have %d bytes, but there are only %d: the body was cut, or it is not delimited protobuf", size, len(p.b)-lo)
		}
		m.family = span{lo, lo + int(size)}
		p.pos = m.family.hi
		has, ok := p.familyHead()
		if !ok {
			return false
		}
		if has {
			m.next = lo
			m.fields, m.sample = 0, noParts
			p.name, p.textIsHelp = m.name, false
			return p.checkFamily(lo)
		}
	}
	return false
}

// familyHead reads what the family says of itself, and tells whether it has metrics.
func (p *Parser) familyHead() (hasMetrics, ok bool) {
	m := &p.msg
	m.name, m.help, m.unit, m.kind = nil, nil, nil, 0
	for i := m.family.lo; i < m.family.hi; {
		f, next, ok := p.field(i, m.family.hi)
		if !ok {
			return false, false
		}
		switch f.number {
		case 1:
			if !p.is(f, protowire.BytesType, i, "the name of a family") {
				return false, false
			}
			m.name = p.b[f.lo:f.hi]
		case 2:
			if !p.is(f, protowire.BytesType, i, "the help of a family") {
				return false, false
			}
			m.help = p.b[f.lo:f.hi]
		case 3:
			if !p.is(f, protowire.VarintType, i, "the type of a family") {
				return false, false
			}
			m.kind = f.num
		case 4:
			if !p.is(f, protowire.BytesType, i, "a metric") {
				return false, false
			}
			hasMetrics = true
		case 5:
			if !p.is(f, protowire.BytesType, i, "the unit of a family") {
				return false, false
			}
			m.unit = p.b[f.lo:f.hi]
		}
		i = next
	}
	return hasMetrics, true
}

func (p *Parser) checkFamily(at int) bool {
	m := &p.msg
	switch {
	case len(m.name) == 0:
		return p.corrupt(at, "a metric family has no name")
	case !utf8.Valid(m.name):
		return p.corrupt(at, "the name of a metric family is not valid UTF-8")
	case !utf8.Valid(m.help):
		return p.corrupt(at, "the help text is not valid UTF-8")
	case len(m.name) > maxLabels || len(m.unit) > maxLabels:
		return p.corrupt(at, "a name of %d bytes and a unit of %d, more than %d", len(m.name), len(m.unit), maxLabels)
	case m.kind >= protoTypes:
		return p.corrupt(at, "%d is no metric type", m.kind)
	}
	p.metricType = protoMetricTypes[m.kind]
	h := maphash.Bytes(p.seed, m.name)
	m.hash = mix(h^m.kind, maphash.Bytes(p.seed, m.unit))
	return true
}

// mix hashes two numbers into one; the first must be hard to guess.
// Source: the multiplication step of wyhash, by Wang Yi.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

// metric goes on to the next metric of the family. It is false at its end, or if p.broken.
func (p *Parser) metric() bool {
	m := &p.msg
	for m.next < m.family.hi {
		f, next, ok := p.field(m.next, m.family.hi)
		if !ok {
			return false
		}
		m.next = next
		if f.number == 4 {
			m.metric = f.span
			return p.readMetric()
		}
	}
	return false
}

// readMetric reads the metric but for its labels, of which it notes where they are.
func (p *Parser) readMetric() bool {
	m := &p.msg
	m.reset()
	p.start, p.end, p.hasTS = m.metric.lo, m.metric.lo, false
	for i := m.metric.lo; i < m.metric.hi; {
		f, next, ok := p.field(i, m.metric.hi)
		if !ok {
			return false
		}
		switch f.number {
		case 1:
			if !p.is(f, protowire.BytesType, i, "a label") {
				return false
			}
			if f.hi-f.lo > maxLabels {
				return p.corrupt(i, "a label of %d bytes, more than %d", f.hi-f.lo, maxLabels)
			}
			if p.start == p.end {
				p.start = i
			}
			p.end = next
		case 2, 3, 4, 5, 7:
			if !p.is(f, protowire.BytesType, i, "the value of a metric") || !p.readValue(f) {
				return false
			}
		case 6:
			if !p.is(f, protowire.VarintType, i, "a timestamp") {
				return false
			}
			p.ts, p.hasTS = int64(f.num), f.num != 0
		}
		i = next
	}
	m.base = mix(m.hash, maphash.Bytes(p.seed, p.b[p.start:p.end]))
	m.checked = false
	m.fields, m.sample = 0, whole
	return !m.isHistogram() || p.checkHistogram()
}

// protoSample goes on to the next sample of the metric; None if there is none left, or p.broken.
func (p *Parser) protoSample() Kind {
	m := &p.msg
	if m.sample == noParts && m.fields == 0 {
		return None // before the first metric
	}
	m.sample, m.index, p.value = m.part(p.options, m.fields)
	if m.sample == noParts {
		return None
	}
	m.fields++
	key := uint64(m.sample)
	if m.sample == piece {
		key = mix(uint64(piece), math.Float64bits(m.bound(m.index)))
	}
	m.current = mix(m.base, key)
	if p.expectLen == p.end-p.start && p.expectHash == m.current {
		p.expected = true
	} else if !m.checked && !p.checkLabels() {
		return None
	}
	p.expectLen = -1
	if m.sample == native {
		if !p.makeHistogram() {
			return None
		}
		return Histogram
	}
	return Series
}
