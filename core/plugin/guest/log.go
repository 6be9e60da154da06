package guest

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Limits of what one plugin may say.
const (
	MaxLine   = 4 << 10         // bytes of one line
	Burst     = 200             // lines at once,
	Every     = time.Second / 5 // and one more each
	reporting = time.Minute     // between two lines about lines that were dropped
)

// Printable returns text in which everything that can't be seen is escaped, and at most MaxLine bytes of it: it can
// neither pretend to be another line nor steer a terminal.
func Printable(text []byte) string {
	cut := ""
	if len(text) > MaxLine {
		text, cut = text[:MaxLine], " ..."
	}
	b := make([]byte, 0, len(text)+len(cut))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\x`...)
			b = append(b, "0123456789abcdef"[text[0]>>4], "0123456789abcdef"[text[0]&15])
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			q := strconv.AppendQuoteRune(nil, r)
			b = append(b, q[1:len(q)-1]...)
		}
		text = text[n:]
	}
	return string(b) + cut
}

// IsReason tells whether a line is what the runtimes of Go and Rust say before they print where they were.
func IsReason(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: out of memory") ||
		strings.HasPrefix(line, "thread ") && strings.Contains(line, " panicked at ")
}

// Lines cuts what is written into lines and hands each to its function, without white space around it and without the
// empty ones. A line is kept up to a little more than Max bytes.
type Lines struct {
	Max     int // bytes; 0 means MaxLine
	Line    func(line []byte)
	partial []byte
}

// Write takes everything: a guest is not to fail because nobody reads what it says.
func (l *Lines) Write(p []byte) (int, error) {
	longest := l.Max
	if longest == 0 {
		longest = MaxLine
	}
	n := len(p)
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		l.partial = append(l.partial, line[:min(len(line), longest+1-min(len(l.partial), longest+1))]...)
		if whole {
			l.Flush()
		}
		p = rest
	}
	return n, nil
}

// Flush hands on a line that has not ended.
func (l *Lines) Flush() {
	line := bytes.TrimSpace(l.partial)
	l.partial = l.partial[:0]
	if len(line) > 0 {
		l.Line(line)
	}
}

// Rate is a token bucket of log lines that all instances of a plugin share.
type Rate struct {
	now func() time.Time

	mu struct {
		sync.Mutex
		tokens   int
		since    time.Time // when tokens was right
		reported time.Time
	}
}

// NewRate returns a full bucket.
func NewRate(now func() time.Time) *Rate {
	r := &Rate{now: now}
	r.mu.tokens, r.mu.since = Burst, now()
	return r
}

// MayLog takes one line of what is allowed and tells whether there was one.
func (r *Rate) MayLog() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := int(min(r.now().Sub(r.mu.since)/Every, Burst)); n > 0 {
		r.mu.since = r.mu.since.Add(time.Duration(n) * Every)
		if r.mu.tokens += n; r.mu.tokens >= Burst {
			r.mu.tokens, r.mu.since = Burst, r.now()
		}
	}
	if r.mu.tokens == 0 {
		return false
	}
	r.mu.tokens--
	return true
}

// MayReport tells whether it is time to say that lines were dropped.
func (r *Rate) MayReport() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.mu.reported.IsZero() && now.Sub(r.mu.reported) < reporting {
		return false
	}
	r.mu.reported = now
	return true
}
