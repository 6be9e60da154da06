package wasm

import (
	"context"
	"io"
	"log/slog"

	"github.com/hearth-project/hearth/core/plugin/guest"
)

const (
	maxLogCall  = 64 << 10 // bytes of log a call, as the ABI has it
	stdoutLevel = slog.LevelInfo
	stderrLevel = slog.LevelWarn
)

// guestLog writes what one guest says to hearth's log, within limits, with nothing in it that could pretend to be another
// line or steer a terminal.
type guestLog struct {
	logger *slog.Logger
	rate   *guest.Rate

	left    int         // bytes of this call
	dropped int         // lines
	out     guest.Lines // standard output
	err     guest.Lines // standard error
	recent  []byte      // the last line of standard error in this call
	reason  []byte      // the line that says why the guest breaks off; what comes after it is its stack
}

func newGuestLog(logger *slog.Logger, rate *guest.Rate) *guestLog {
	l := &guestLog{logger: logger, rate: rate, left: maxLogCall}
	l.out.Line = func(line []byte) { l.said(stdoutLevel, line) }
	l.err.Line = func(line []byte) { l.said(stderrLevel, line) }
	return l
}

// printed is where a guest prints to, until its call is over: one write may be as long as its memory.
type printed struct {
	i  *instance
	to io.Writer
}

const printedAtOnce = 64 << 10 // bytes between two looks at the deadline

func (p printed) Write(b []byte) (int, error) {
	for at := 0; at < len(b); {
		if err := p.i.ctx.Err(); err != nil {
			return at, err
		}
		n, err := p.to.Write(b[at:min(len(b), at+printedAtOnce)])
		if at += n; err != nil {
			return at, err
		}
	}
	return len(b), nil
}

// begin starts a call.
func (l *guestLog) begin() {
	l.left, l.dropped, l.recent, l.reason = maxLogCall, 0, l.recent[:0], l.reason[:0]
}

// end writes unfinished lines and says how many were dropped.
func (l *guestLog) end() {
	l.out.Flush()
	l.err.Flush()
	if l.dropped > 0 && l.rate.MayReport() {
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
	if len(text) > l.left || !l.rate.MayLog() {
		l.dropped++
		return
	}
	l.left -= len(text)
	l.logger.Log(ctx, level, guest.Printable(text))
}

// lastWords returns the reason the guest gave on standard error before it broke off, or else what it said last.
func (l *guestLog) lastWords() string {
	l.err.Flush()
	if len(l.reason) > 0 {
		return guest.Printable(l.reason)
	}
	return guest.Printable(l.recent)
}

// said takes a line of standard output or error. What follows the reason of a crash is its stack.
func (l *guestLog) said(level slog.Level, line []byte) {
	if level == stderrLevel {
		l.recent = append(l.recent[:0], line...)
		switch {
		case len(l.reason) > 0:
			level = slog.LevelDebug
		case guest.IsReason(string(line)):
			l.reason = append(l.reason, line...)
		}
	}
	l.line(level, line)
}
