package exposition

import (
	"bytes"
	"errors"
	"io"
	"math"
	"unicode/utf8"
)

const noEOF = "the body does not end with # EOF: it was cut, or it is not OpenMetrics"

func (p *Parser) nextOpenMetrics() (Kind, error) {
	for {
		i := p.pos
		if i >= len(p.b) {
			return p.fail(i, noEOF)
		}
		switch c := p.b[i]; {
		case c == '#':
			return p.openMetricsMeta(i)
		case c == '{' || class[c]&nameStart != 0:
			length := p.expectLen
			k, err := p.openMetricsSeries(i)
			if err != nil || p.expected || !p.options.StartTimestamps || !p.isCreated() {
				return k, err
			}
			p.expectLen = length // for the next line
		default:
			return p.fail(i, "expected a metric name, a brace or #")
		}
	}
}

func (p *Parser) openMetricsMeta(i int) (Kind, error) {
	rest := p.b[i+1:]
	if bytes.HasPrefix(rest, []byte(" EOF")) {
		end := i + 5
		if end < len(p.b) && p.b[end] == '\n' {
			end++
		}
		if end < len(p.b) {
			return p.fail(end, "there is more after # EOF")
		}
		p.pos = end
		p.format = Text // a further Next finds the end again
		return None, io.EOF
	}
	if len(rest) < 6 || rest[0] != ' ' || rest[5] != ' ' {
		return p.fail(i, "expected # HELP, # TYPE, # UNIT or # EOF")
	}
	word := rest[1:5]
	kind := None
	switch {
	case bytes.Equal(word, wordHelp):
		kind = Help
	case bytes.Equal(word, wordType):
		kind = Type
	case bytes.Equal(word, wordUnit):
		kind = Unit
	default:
		return p.fail(i, "expected # HELP, # TYPE, # UNIT or # EOF")
	}
	before := p.name
	n, err := p.metaName(i + 7)
	if err != nil {
		return None, err
	}
	if !bytes.Equal(before, p.name) {
		p.unit = nil
		p.setIdentity()
	}
	eol := p.line(n)
	if n >= eol || p.b[n] != ' ' {
		return p.fail(n, "expected a blank and a text after %s and its metric name", word)
	}
	if eol == len(p.b) {
		return p.fail(eol, noEOF)
	}
	p.text = p.b[n+1 : eol]
	p.pos = eol + 1
	p.textIsHelp = kind == Help
	switch kind {
	case Help:
		if !utf8.Valid(p.text) {
			return p.fail(n, "the help text is not valid UTF-8")
		}
	case Type:
		if !p.setType(p.text) {
			return p.fail(n, "not a metric type")
		}
	case Unit:
		base, ok := bytes.CutSuffix(p.name, p.text)
		if p.format == OpenMetrics && len(p.text) > 0 && (!ok || len(base) == 0 || base[len(base)-1] != '_') {
			return p.fail(n, "the unit is not the end of the metric name, after a _")
		}
		if err := p.fits(n+1, eol, "a unit"); err != nil {
			return None, err
		}
		p.unit = p.text
		p.setIdentity()
	}
	return kind, nil
}

func (p *Parser) openMetricsSeries(i int) (Kind, error) {
	if !p.meetsExpectation(i) {
		if err := p.head(i); err != nil {
			return None, err
		}
	}
	p.hasTS, p.exemplar = false, span{}
	i = p.end
	var err error
	if p.value, i, err = p.number(i, "the value", true); err != nil {
		return None, err
	}
	if !p.at(i, '\n') && !bytes.HasPrefix(p.b[i:], []byte(" # {")) {
		var ts float64
		if ts, i, err = p.number(i, "the timestamp", false); err != nil {
			return None, err
		}
		p.ts, p.hasTS = int64(ts*1000), true
	}
	if bytes.HasPrefix(p.b[i:], []byte(" # {")) {
		if i, err = p.readExemplar(i + 3); err != nil {
			return None, err
		}
	}
	if !p.at(i, '\n') {
		if i >= len(p.b) {
			return p.fail(i, noEOF)
		}
		return p.fail(i, "expected the end of the line")
	}
	p.pos = i + 1
	return Series, nil
}

func (p *Parser) at(i int, c byte) bool { return i < len(p.b) && p.b[i] == c }

// readExemplar reads the exemplar whose labels open at i, and returns the position after it.
func (p *Parser) readExemplar(i int) (int, error) {
	next, _, err := p.braces(i, false, true, false)
	if err == nil {
		err = p.fits(i, next, "the labels of an exemplar")
	}
	if err != nil {
		return 0, err
	}
	p.exemplar = span{i, next}
	p.exHasTS = false
	i = next
	if p.exValue, i, err = p.number(i, "the value of the exemplar", true); err != nil {
		return 0, err
	}
	if p.at(i, ' ') {
		var ts float64
		if ts, i, err = p.number(i, "the timestamp of the exemplar", false); err != nil {
			return 0, err
		}
		p.exTS, p.exHasTS = int64(ts*1000), true
	}
	return i, nil
}

var errNotFinite = errors.New("it must be finite")

// number reads a blank and a number at i.
func (p *Parser) number(i int, what string, special bool) (float64, int, error) {
	if !p.at(i, ' ') {
		if i >= len(p.b) {
			return 0, 0, p.errorAt(i, noEOF)
		}
		return 0, 0, p.errorAt(i, "expected a blank and %s", what)
	}
	return p.numberAt(i+1, what, special)
}

// numberAt reads a number at i.
func (p *Parser) numberAt(i int, what string, special bool) (float64, int, error) {
	v, n, ok := leadingFloat(p.b[i:])
	if ok && (p.at(i+n, '\n') || p.at(i+n, ' ')) {
		return v, i + n, nil
	}
	n = 0
	for i+n < len(p.b) && p.b[i+n] != ' ' && p.b[i+n] != '\n' {
		n++
	}
	v, err := parseFloat(p.b[i : i+n])
	if err == nil && !special && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = errNotFinite
	}
	if err != nil {
		return 0, 0, p.errorAt(i, "%s is not a number (%v)", what, err)
	}
	return v, i + n, nil
}
