package exposition

import (
	"bytes"
	"hash/maphash"

	"github.com/prometheus/common/model"
)

// created finds start timestamps in OpenMetrics 1.0, where they are series of their own: NAME_created{...}, in seconds.
// As upstream has it, the start of a series is what the first such line after it in its family says, if that has the
// same labels; series of the same labels that follow share it.
type created struct {
	lo, hi int // positions: the first _created line from lo on is at hi; there is none in the family if not found
	found  bool
	id     uint64 // of the labels of that line
	st     int64  // Unix milliseconds

	last   uint64 // of the labels of the last series that has a start
	lastST int64
}

var createdSuffix = []byte("_created")

// StartTimestamp returns the time since which the current counter, summary or histogram counts, Unix milliseconds; 0
// if the exposition does not say. In OpenMetrics 1.0 it is found only if asked for by the options.
func (p *Parser) StartTimestamp() int64 {
	switch {
	case p.classic.emitting:
		return p.classic.st
	case p.format == Protobuf:
		return p.msg.start
	case p.format == OpenMetrics2:
		return p.om.st
	case p.format == OpenMetrics && p.options.StartTimestamps:
		return p.createdTime()
	}
	return 0
}

// counts tells whether a metric of the type counts since some time.
func counts(t model.MetricType) bool {
	return t == model.MetricTypeCounter || t == model.MetricTypeHistogram || t == model.MetricTypeSummary
}

func (p *Parser) createdTime() int64 {
	c := &p.created
	if !counts(p.metricType) {
		c.last = 0
		return 0
	}
	p.record(p.start, false)
	lo, hi := p.offsets[0], p.offsets[0]+len(p.name) // the name of the family
	if hi > p.offsets[1] {
		c.last = 0
		return 0
	}
	id := p.createdID(p.b[lo:hi])
	if id == c.last && c.lastST > 0 {
		return c.lastST
	}
	if p.pos < c.lo || p.pos > c.hi {
		p.findCreated()
	}
	if !c.found || id != c.id {
		c.last = 0
		return 0
	}
	c.last, c.lastST = id, c.st
	return c.st
}

// createdID returns what identifies the series of a family that share a start: the name of the family and the recorded
// labels but for that of buckets or quantiles.
func (p *Parser) createdID(family []byte) uint64 {
	id := maphash.Bytes(p.seed, family)
	for i := 2; i < len(p.offsets); i += 4 {
		name, value := p.b[p.offsets[i]:p.offsets[i+1]], p.b[p.offsets[i+2]:p.offsets[i+3]]
		if p.metricType == model.MetricTypeSummary && string(name) == model.QuantileLabel ||
			p.metricType == model.MetricTypeHistogram && string(name) == model.BucketLabel {
			continue
		}
		id = mix(id^maphash.Bytes(p.seed, name), maphash.Bytes(p.seed, value))
	}
	return id | 1 // never 0
}

// findCreated looks for the first _created line in the rest of the family. What is broken on the way will be told when
// it is read.
func (p *Parser) findCreated() {
	c := &p.created
	start, end, pos, format := p.start, p.end, p.pos, p.format
	defer func() { p.start, p.end, p.pos, p.format = start, end, pos, format }()
	c.lo, c.found = pos, false
	for c.hi = pos; c.hi < len(p.b) && p.b[c.hi] != '#'; {
		if k := p.b[c.hi]; k != '{' && class[k]&nameStart == 0 || p.head(c.hi) != nil {
			return
		}
		p.record(c.hi, false)
		name := p.b[p.offsets[0]:p.offsets[1]]
		if family, ok := bytes.CutSuffix(name, createdSuffix); ok {
			v, _, err := p.number(p.end, "the value", true)
			c.found, c.id, c.st = err == nil, p.createdID(family), int64(v*1000)
			return
		}
		c.hi = p.line(p.end) + 1
	}
}

// isCreated tells whether the current series, which was walked over, is the start timestamp of others.
func (p *Parser) isCreated() bool {
	if !counts(p.metricType) {
		return false
	}
	i := p.start
	if class[p.b[i]]&nameStart != 0 {
		return bytes.HasSuffix(p.b[i:p.run(i, nameByte)], createdSuffix)
	}
	p.record(i, false)
	return bytes.HasSuffix(p.b[p.offsets[0]:p.offsets[1]], createdSuffix)
}
