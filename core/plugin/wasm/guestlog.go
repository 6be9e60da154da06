package wasm

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxLogCall  = 64 << 10 // bytes of log a call, as the ABI has it
	maxLogLine  = 4 << 10  // bytes of one line
	logBurst    = 200      // lines of a pool at once,
	logEvery    = time.Second / 5
	logReport   = time.Minute // between two lines about lines that were dropped
	stdoutLevel = slog.LevelInfo
	stderrLevel = slog.LevelWarn
)

// guestLog writes what one guest says to hearth's log, within limits, with nothing in it that could pretend to be another
// line or steer a terminal.
type guestLog struct {
	logger *slog.Logger
	rate   *lineRate

	left    int    // bytes of this call
	dropped int    // lines
	out     writer // standard output
	err     writer // standard error
	recent  []byte // the last line of standard error in this call
	reason  []byte // the line that says why the guest breaks off; what comes after it is its stack
}

func newGuestLog(logger *slog.Logger, rate *lineRate) *guestLog {
	l := &guestLog{logger: logger, rate: rate, left: maxLogCall}
	l.out = writer{l: l, level: stdoutLevel}
	l.err = writer{l: l, level: stderrLevel, keep: true}
	return l
}

// begin starts a call.
func (l *guestLog) begin() {
	l.left, l.dropped, l.recent, l.reason = maxLogCall, 0, l.recent[:0], l.reason[:0]
}

// end writes unfinished lines and says how many were dropped.
func (l *guestLog) end() {
	l.out.flush()
	l.err.flush()
	if l.dropped > 0 && l.rate.mayReport() {
		l.logger.Warn("the plugin says too much: lines were dropped", "lines", l.dropped)
	}
}

// line writes one line.
func (l *guestLog) line(level slog.Level, text []byte) {
	ctx := context.Background()
	level = max(slog.LevelDebug, min(level, slog.LevelError))
	if !l.logger.Enabled(ctx, level) {
		return
	}
	if len(text) > l.left || !l.rate.mayLog() {
		l.dropped++
		return
	}
	l.left -= len(text)
	l.logger.Log(ctx, level, printable(text))
}

// printable returns text in which everything that can't be seen is escaped, and at most maxLogLine bytes of it.
func printable(text []byte) string {
	cut := ""
	if len(text) > maxLogLine {
		text, cut = text[:maxLogLine], " ..."
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

// lastWords returns the reason the guest gave on standard error before it broke off, or else what it said last.
func (l *guestLog) lastWords() string {
	l.err.flush()
	if len(l.reason) > 0 {
		return printable(l.reason)
	}
	return printable(l.recent)
}

// isReason tells whether a line is what the runtimes of Go and Rust say before they print where they were.
func isReason(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: out of memory") ||
		strings.HasPrefix(line, "thread ") && strings.Contains(line, " panicked at ")
}

// writer is standard output or error of a guest: each line is a line of the log.
type writer struct {
	l       *guestLog
	level   slog.Level
	keep    bool
	partial []byte
}

// Write takes everything: a guest is not to fail because nobody reads what it says.
func (w *writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		w.partial = append(w.partial, line[:min(len(line), maxLogLine+1-min(len(w.partial), maxLogLine+1))]...)
		if whole {
			w.flush()
		}
		p = rest
	}
	return n, nil
}

func (w *writer) flush() {
	line := bytes.TrimSpace(w.partial)
	w.partial = w.partial[:0]
	if len(line) == 0 {
		return
	}
	level := w.level
	if w.keep {
		w.l.recent = append(w.l.recent[:0], line...)
		switch {
		case len(w.l.reason) > 0:
			level = slog.LevelDebug
		case isReason(string(line)):
			w.l.reason = append(w.l.reason, line...)
		}
	}
	w.l.line(level, line)
}

// lineRate is a token bucket of log lines that all instances of a pool share.
type lineRate struct {
	now func() time.Time

	mu struct {
		sync.Mutex
		tokens   int
		since    time.Time // when tokens was right
		reported time.Time
	}
}

func newLineRate(now func() time.Time) *lineRate {
	r := &lineRate{now: now}
	r.mu.tokens, r.mu.since = logBurst, now()
	return r
}

func (r *lineRate) mayLog() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := int(min(r.now().Sub(r.mu.since)/logEvery, logBurst)); n > 0 {
		r.mu.since = r.mu.since.Add(time.Duration(n) * logEvery)
		if r.mu.tokens += n; r.mu.tokens >= logBurst {
			r.mu.tokens, r.mu.since = logBurst, r.now()
		}
	}
	if r.mu.tokens == 0 {
		return false
	}
	r.mu.tokens--
	return true
}

func (r *lineRate) mayReport() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.mu.reported.IsZero() && now.Sub(r.mu.reported) < logReport {
		return false
	}
	r.mu.reported = now
	return true
}
