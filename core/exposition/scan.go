package exposition

import (
	"unicode/utf8"
)

// Classes of bytes.
const (
	nameStart  = 1 << iota // of metric names: letters, _ and :
	nameByte               // nameStart and digits
	labelStart             // letters and _
	labelByte              // labelStart and digits
)

var class = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameStart | nameByte | labelStart | labelByte
		t[c-'a'+'A'] = t[c]
	}
	t['_'] = t['a']
	t[':'] = nameStart | nameByte
	for c := '0'; c <= '9'; c++ {
		t[c] = nameByte | labelByte
	}
	return t
}()

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// blanks returns the position after the white space at i; only the text format has any.
func (p *Parser) blanks(i int) int {
	for i < len(p.b) && isBlank(p.b[i]) {
		i++
	}
	return i
}

func (p *Parser) run(i int, c uint8) int {
	for i < len(p.b) && class[p.b[i]]&c != 0 {
		i++
	}
	return i
}

// quoted returns the position after the closing quote of the string that opens at i, or -1 if it does not close.
// A backslash takes the next byte along, which must not be a newline; a newline itself is taken if newlines.
func (p *Parser) quoted(i int, newlines bool) int {
	b := p.b
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
			if i < len(b) && b[i] == '\n' {
				return -1
			}
		case '\n':
			if !newlines {
				return -1
			}
		}
	}
	return -1
}

// braces walks over the labels after the opening brace at i and returns the position after the closing one. With
// record it notes where names and values are: offsets[0:2] is the metric name in quotes, or -1, then come start and
// end of each label name and value. An exemplar has no metric name.
func (p *Parser) braces(i int, named, isExemplar, record bool) (next int, hasName bool, err error) {
	om := p.format != Text
	hasName = named
	i++
	for {
		if !om {
			i = p.blanks(i)
		}
		if i >= len(p.b) {
			return 0, false, p.errorAt(i, "the braces do not close")
		}
		lo, hi, quotes := i, 0, false
		switch c := p.b[i]; {
		case c == '}':
			return i + 1, hasName, nil
		case c == '"':
			quotes = true
			if i = p.quoted(i, !(om && isExemplar)); i < 0 {
				return 0, false, p.errorAt(lo, "a quoted name does not end")
			}
			lo, hi = lo+1, i-1
		case class[c]&labelStart != 0:
			i = p.run(i, labelByte)
			hi = i
		default:
			return 0, false, p.errorAt(i, "expected the name of a label")
		}
		if !om {
			i = p.blanks(i)
		}
		if quotes && i < len(p.b) && (p.b[i] == ',' || p.b[i] == '}') {
			switch {
			case isExemplar:
				return 0, false, p.errorAt(i, "expected = after the name of a label")
			case hasName:
				return 0, false, p.errorAt(lo-1, "a second metric name")
			}
			hasName = true
			if record {
				p.offsets[0], p.offsets[1] = lo, hi
			}
			if p.b[i] == ',' {
				i++
				continue
			}
			return i + 1, true, nil
		}
		if i >= len(p.b) || p.b[i] != '=' {
			return 0, false, p.errorAt(i, "expected = after the name of a label")
		}
		i++
		if !om {
			i = p.blanks(i)
		}
		if i >= len(p.b) || p.b[i] != '"' {
			return 0, false, p.errorAt(i, "expected the value of a label in double quotes")
		}
		v := i
		if i = p.quoted(i, !om); i < 0 {
			return 0, false, p.errorAt(v, "the value of a label does not end: its closing quote is missing")
		}
		if !utf8.Valid(p.b[v:i]) {
			return 0, false, p.errorAt(v, "the value of a label is not valid UTF-8")
		}
		if record {
			p.offsets = append(p.offsets, lo, hi, v+1, i-1)
		}
		if !om {
			i = p.blanks(i)
		}
		switch {
		case i < len(p.b) && p.b[i] == ',':
			i++
		case om && (i >= len(p.b) || p.b[i] != '}'):
			return 0, false, p.errorAt(i, "expected a comma or a closing brace after the value of a label")
		}
	}
}

// head walks over name and labels of the series at i and sets start and end.
func (p *Parser) head(i int) error {
	p.start = i
	named := class[p.b[i]]&nameStart != 0
	if named {
		i = p.run(i, nameByte)
		p.end = i
		if p.format == Text {
			i = p.blanks(i)
		}
		if i >= len(p.b) || p.b[i] != '{' {
			return p.fits(p.start, p.end, "the name of a series")
		}
	}
	i, hasName, err := p.braces(i, named, false, false)
	if err != nil {
		return err
	}
	if !hasName {
		return p.errorAt(p.start, "a series without a metric name")
	}
	p.end = i
	return p.fits(p.start, p.end, "the name and the labels of a series")
}

// fits refuses b[lo:hi] if it is longer than what labels can be made of.
func (p *Parser) fits(lo, hi int, what string) error {
	if hi-lo > maxLabels {
		return p.errorAt(lo, "%s: %d bytes, more than %d", what, hi-lo, maxLabels)
	}
	return nil
}

// metaName reads the metric name of a HELP, TYPE or UNIT at i and returns the position after it.
func (p *Parser) metaName(i int) (int, error) {
	switch {
	case i < len(p.b) && p.b[i] == '"':
		j := p.quoted(i, true)
		if j < 0 {
			return 0, p.errorAt(i, "a quoted name does not end")
		}
		p.name = p.b[i+1 : j-1]
		return j, nil
	case i < len(p.b) && class[p.b[i]]&nameStart != 0:
		j := p.run(i, nameByte)
		p.name = p.b[i:j]
		return j, nil
	}
	return 0, p.errorAt(i, "expected a metric name")
}
