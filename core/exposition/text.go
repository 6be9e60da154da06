package exposition

import (
	"bytes"
	"io"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

func (p *Parser) nextText() (Kind, error) {
	i := p.pos
	for {
		i = p.blanks(i)
		if i >= len(p.b) {
			p.pos = i
			return None, io.EOF
		}
		switch c := p.b[i]; {
		case c == '\n':
			i++
		case c == '#':
			return p.textComment(i)
		case c == '{' || class[c]&nameStart != 0:
			return p.textSeries(i)
		default:
			return p.fail(i, "expected a metric name, a brace or a comment")
		}
	}
}

func (p *Parser) textSeries(i int) (Kind, error) {
	if !p.meetsExpectation(i) {
		if err := p.head(i); err != nil {
			return None, err
		}
	}
	i = p.blanks(p.end)
	v, n, ok := leadingFloat(p.b[i:])
	if !ok || i+n < len(p.b) && p.b[i+n] > ' ' {
		n = 0
		for i+n < len(p.b) && p.b[i+n] != '{' && !isBlank(p.b[i+n]) && p.b[i+n] != '\n' {
			n++
		}
		if n == 0 {
			return p.fail(i, "expected a value after the series")
		}
		var err error
		if v, err = parseFloat(p.b[i : i+n]); err != nil {
			return p.fail(i, "the value is not a number (%v)", err)
		}
	}
	p.value, p.hasTS = v, false
	i += n
	if i < len(p.b) && p.b[i] == '\n' {
		p.pos = i + 1
		return Series, nil
	}
	return p.textTimestamp(p.blanks(i))
}

// textTimestamp reads what follows a value: an optional timestamp in milliseconds and the end of the line.
func (p *Parser) textTimestamp(i int) (Kind, error) {
	lo := i
	for i < len(p.b) && p.b[i]-'0' <= 9 {
		i++
	}
	if i > lo {
		ts, err := strconv.ParseInt(unsafe.String(&p.b[lo], i-lo), 10, 64)
		if err != nil {
			return p.fail(lo, "the timestamp is out of range")
		}
		p.ts, p.hasTS = ts, true
		i = p.blanks(i)
	}
	switch {
	case i >= len(p.b):
		p.pos = i
	case p.b[i] == '\n':
		p.pos = i + 1
	case p.hasTS:
		return p.fail(i, "expected the end of the line after the timestamp")
	default:
		return p.fail(i, "expected a timestamp or the end of the line after the value")
	}
	return Series, nil
}

var (
	wordHelp = []byte("HELP")
	wordType = []byte("TYPE")
	wordUnit = []byte("UNIT")
)

func (p *Parser) textComment(i int) (Kind, error) {
	p.textIsHelp = false
	eol := p.line(i)
	w := p.blanks(i + 1)
	isMeta := w > i+1 && w+4 < len(p.b) && isBlank(p.b[w+4]) &&
		(bytes.Equal(p.b[w:w+4], wordHelp) || bytes.Equal(p.b[w:w+4], wordType))
	if !isMeta {
		p.text = p.b[i:eol]
		p.pos = min(eol+1, len(p.b))
		return Comment, nil
	}
	n, err := p.metaName(p.blanks(w + 4))
	if err != nil {
		return None, err
	}
	eol = p.line(n) // a quoted name may hold newlines
	p.text = nil
	if p.blanks(n) < eol {
		p.text = p.b[n+1 : eol]
	}
	p.pos = min(eol+1, len(p.b))
	if p.b[w] == 'H' {
		if !utf8.Valid(p.text) {
			return p.fail(n, "the help text is not valid UTF-8")
		}
		p.textIsHelp = true
		return Help, nil
	}
	if !p.setType(p.text) {
		return p.fail(n, "not a metric type")
	}
	return Type, nil
}
