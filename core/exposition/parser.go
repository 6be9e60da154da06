// Package exposition reads what targets expose: the Prometheus text format 0.0.4 (with the quoted UTF-8 names of
// 1.0.0), OpenMetrics 1.0 and 2.0, and the Prometheus protobuf format with native histograms.
//
// A Parser walks over one body and yields entries: types, helps, units, comments and series. Walking allocates
// nothing. The labels of a series are only checked; they are resolved when asked for, because a scrape knows
// nearly all series by their raw bytes already. A caller that knows which series comes next can say so (Expect)
// and spare even the check.
//
// What is accepted, and what it means, follows upstream's model/textparse, with these deviations:
//   - in OpenMetrics, a unit is that of its own family only; upstream adds the last one as a label to what follows, too;
//   - a NUL byte is accepted inside quotes, helps and comments only; upstream ends the body without a word, or
//     takes it for part of what stands before it;
//   - white space before a metric name is skipped, as the format's description says; upstream makes it part of the name;
//   - escapes in the labels of exemplars are resolved;
//   - every NaN of a protobuf body is the ordinary one, as in the text formats, and all native histograms of a family
//     have their exemplars; upstream reads those of the first only.
package exposition

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Format is an exposition format.
type Format uint8

// The formats this package reads.
const (
	Text         Format = iota + 1 // Prometheus text 0.0.4 and 1.0.0
	OpenMetrics                    // OpenMetrics text 0.0.1 and 1.0.0
	Protobuf                       // delimited io.prometheus.client.MetricFamily
	OpenMetrics2                   // OpenMetrics text 2.0.0
)

func (f Format) String() string {
	switch f {
	case Text:
		return "Prometheus text"
	case OpenMetrics:
		return "OpenMetrics"
	case OpenMetrics2:
		return "OpenMetrics 2.0"
	case Protobuf:
		return "Prometheus protobuf"
	}
	return "unknown format"
}

// Kind is the kind of an entry.
type Kind uint8

// What Next finds.
const (
	None      Kind = iota
	Type           // Name, MetricType
	Help           // Name, Text
	Unit           // Name, Text; OpenMetrics and protobuf only
	Comment        // Text; text format only
	Series         // Raw, Value, Timestamp, Labels, Exemplars
	Histogram      // Raw, Histogram, Timestamp, Labels, Exemplars; of protobuf, or converted
)

// Parser walks over a body. The zero Parser is an empty body; Reset gives it one. Not safe for concurrent use.
type Parser struct {
	b      []byte
	pos    int // of the next entry
	format Format
	seed   maphash.Seed

	// the current entry
	name, text []byte
	textIsHelp bool
	metricType model.MetricType // as of the last TYPE line, whichever family it was for
	start      int              // of the series; b[start:end] are its raw bytes
	end        int
	value      float64
	ts         int64
	hasTS      bool
	exemplar   span // its labels, braces included
	exValue    float64
	exTS       int64
	exHasTS    bool

	// the expected series
	expectLen  int
	expectHash uint64
	expected   bool // the current series is the expected one

	// of protobuf bodies
	options   Options
	msg       message
	broken    error // what is wrong at the current place
	converter converter

	classic classic // of text bodies whose classic histograms are converted
	created created // of OpenMetrics bodies, if start timestamps are asked for
	om      omLine  // of OpenMetrics 2.0 bodies

	unit     []byte // of OpenMetrics, of the family at hand
	identity uint64 // hash of type and unit, if they are labels

	offsets []int
	builder labels.ScratchBuilder
	ready   bool // builder and seed are set up
}

type span struct{ lo, hi int }

// maxLabels is how many bytes of a body may be name and labels of one series, or of an exemplar; of protobuf, one of them.
// labels.Labels hold no string above 16 MiB: they panic. No storage takes nearly as much.
const maxLabels = 8 << 20

// Reset makes the parser read body, from its start. Entries refer into body: it must not change while they are used.
func (p *Parser) Reset(body []byte, f Format) {
	if !p.ready {
		p.builder = labels.NewScratchBuilder(16)
		p.seed = maphash.MakeSeed()
		p.ready = true
	}
	p.b, p.pos, p.format = body, 0, f
	p.name, p.text, p.metricType = nil, nil, ""
	p.start, p.end, p.expectLen, p.expected, p.hasTS, p.exemplar = 0, 0, -1, false, false, span{}
	p.classic.on = p.options.ConvertClassic && (f == Text || f == OpenMetrics)
	p.classic.collecting, p.classic.waiting, p.classic.emitting, p.classic.family = false, false, false, ""
	p.msg.head, p.msg.fields, p.msg.sample, p.broken = 0, 0, noParts, nil
	p.created = created{lo: -1, hi: -1}
	p.unit, p.identity = nil, 0
	p.om.family, p.om.parts, p.om.next = nil, p.om.parts[:0], 0
}

// SetSeed sets the seed that Hash and Expect use. Without it each parser has its own.
func (p *Parser) SetSeed(s maphash.Seed) { p.Reset(nil, p.format); p.seed = s }

// Next finds the next entry. The error is io.EOF at the end of the body, else an *Error,
// or a *MessageError of a protobuf body; after it the parser is done.
func (p *Parser) Next() (Kind, error) {
	p.expected = false
	switch {
	case p.classic.on:
		return p.nextConverted()
	case p.format == Text:
		return p.nextText()
	case p.format == OpenMetrics:
		return p.nextOpenMetrics()
	case p.format == Protobuf:
		return p.nextProtobuf()
	case p.format == OpenMetrics2:
		return p.nextOpenMetrics2()
	}
	return None, io.EOF // not reset yet
}

// Expect says that the next series has n raw bytes with the hash h. If so, its labels are not looked at again, and
// Expected tells. It holds for one series.
func (p *Parser) Expect(n int, h uint64) { p.expectLen, p.expectHash = n, h }

// Expected tells whether the current series is the one that Expect named.
func (p *Parser) Expected() bool { return p.expected }

// meetsExpectation tells whether the series at position i is the expected one, and sets start and end if so.
func (p *Parser) meetsExpectation(i int) bool {
	n := p.expectLen
	p.expectLen = 0
	e := i + n
	// One blank and then a value: whatever else may follow a series takes the long way.
	if n <= 0 || e+1 >= len(p.b) || p.b[e] != ' ' || p.b[e+1] <= ' ' || p.b[e+1] == '{' {
		return false
	}
	if p.identify(p.b[i:e]) != p.expectHash {
		return false
	}
	p.start, p.end, p.expected = i, e, true
	return true
}

// Name returns the name in a Type, Help or Unit entry, as it stands there: without quotes, escapes not resolved.
// It is part of the body.
func (p *Parser) Name() []byte { return p.name }

// Text returns the text of a Help or Unit, escapes resolved, or a whole comment. It may be part of the body.
func (p *Parser) Text() []byte {
	if !p.textIsHelp || bytes.IndexByte(p.text, '\\') < 0 {
		return p.text
	}
	return unescape(p.text, p.format != Text)
}

// MetricType returns the type named by the last Type entry; empty before the first.
func (p *Parser) MetricType() model.MetricType { return p.metricType }

// Raw returns the series as it stands in the body: name, braces and what is in them; of protobuf, its labels.
func (p *Parser) Raw() []byte { return p.b[p.start:p.end] }

// Hash returns the hash of Raw, and of what else tells a series of a protobuf body from others.
func (p *Parser) Hash() uint64 {
	if p.expected {
		return p.expectHash
	}
	if p.format == Protobuf || p.classic.emitting || len(p.om.parts) > 0 {
		return p.msg.current
	}
	return p.identify(p.b[p.start:p.end])
}

// identify returns the hash of a series of a text format.
func (p *Parser) identify(raw []byte) uint64 {
	h := maphash.Bytes(p.seed, raw)
	if p.identity != 0 {
		h = mix(h, p.identity)
	}
	return h
}

// Value returns the value of the series. Every NaN is the ordinary one.
func (p *Parser) Value() float64 { return p.value }

// Timestamp returns the timestamp of the series in Unix milliseconds, and whether it has one.
func (p *Parser) Timestamp() (int64, bool) { return p.ts, p.hasTS }

// Offset returns how many bytes of the body have been read.
func (p *Parser) Offset() int { return p.pos }

// setType takes the word of a TYPE line.
func (p *Parser) setType(word []byte) bool {
	t := model.MetricType("")
	switch string(word) {
	case "counter":
		t = model.MetricTypeCounter
	case "gauge":
		t = model.MetricTypeGauge
	case "histogram":
		t = model.MetricTypeHistogram
	case "summary":
		t = model.MetricTypeSummary
	}
	switch {
	case t != "":
	case p.format == Text:
		if string(word) != "untyped" {
			return false
		}
		t = model.MetricTypeUnknown
	default:
		switch string(word) {
		case "gaugehistogram":
			t = model.MetricTypeGaugeHistogram
		case "info":
			t = model.MetricTypeInfo
		case "stateset":
			t = model.MetricTypeStateset
		case "unknown":
			t = model.MetricTypeUnknown
		default:
			return false
		}
	}
	p.metricType = t
	p.setIdentity()
	return true
}

// setIdentity notes that the type or unit may have changed.
func (p *Parser) setIdentity() {
	if p.options.TypeAndUnit {
		p.identity = mix(maphash.String(p.seed, string(p.metricType)), maphash.Bytes(p.seed, p.unit)) | 1
	}
}

// line returns the end of the line that holds position i: of its newline, or of the body.
func (p *Parser) line(i int) int {
	if n := bytes.IndexByte(p.b[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(p.b)
}

// Check reads the whole body and returns the number of samples, or what is wrong.
func Check(body []byte, f Format) (samples int, err error) {
	var p Parser
	p.Reset(body, f)
	for {
		k, err := p.Next()
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if err != nil {
			return samples, err
		}
		if k == Series || k == Histogram {
			samples++
		}
	}
}
