package exposition

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

const excerptLen = 60 // bytes of a body that an error shows at most

// Error says what is wrong with a body, and where.
type Error struct {
	Line, Column int    // from 1; the column counts bytes
	Message      string // what is wrong
	Excerpt      string // what stands there, quoted and short
}

func (e *Error) Error() string {
	if e.Excerpt == `""` {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s: %s", e.Line, e.Column, e.Message, e.Excerpt)
}

// fail returns an error about position at, and ends the walk.
func (p *Parser) fail(at int, format string, args ...any) (Kind, error) {
	return None, p.errorAt(at, format, args...)
}

func (p *Parser) errorAt(at int, format string, args ...any) error {
	at = min(at, len(p.b))
	before := p.b[:at]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	e := &Error{
		Line:    bytes.Count(before, []byte{'\n'}) + 1,
		Column:  at - lineStart + 1,
		Message: fmt.Sprintf(format, args...),
		Excerpt: p.excerpt(lineStart, at),
	}
	p.pos = len(p.b)
	p.format = Text // so that a further Next finds the end
	return e
}

// excerpt returns the line from lineStart, cut to what surrounds at.
func (p *Parser) excerpt(lineStart, at int) string {
	lo, hi := lineStart, p.line(at)
	head, tail := "", ""
	if at-lo > excerptLen/2 {
		lo, head = at-excerptLen/2, "..."
	}
	if hi-lo > excerptLen {
		hi, tail = lo+excerptLen, "..."
	}
	for head != "" && lo < at && !utf8.RuneStart(p.b[lo]) {
		lo++
	}
	for tail != "" && hi > at && !utf8.RuneStart(p.b[hi]) {
		hi--
	}
	return head + fmt.Sprintf("%q", p.b[lo:hi]) + tail
}
