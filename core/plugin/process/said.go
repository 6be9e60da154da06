package process

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
)

const (
	maxStructured = 64 << 10 // bytes of a line that is JSON; what of it is logged is less
	saidASecond   = 1 << 20  // bytes that are read of a child; it waits if it says more
)

// said writes what a child says to hearth's log. A line is JSON as hclog and the SDK write it, or just text.
type said struct {
	logger *slog.Logger
	rate   *guest.Rate
	ended  <-chan struct{} // there is no use in slowing down a child that is gone

	mu struct {
		sync.Mutex
		dropped int
		recent  string // the last line of standard error
		reason  string // the line that says why the child breaks off; what comes after it is its stack
		second  time.Time
		bytes   int // since then
	}
}

// stream returns where one stream of the child's goes. A stream is written by one goroutine.
func (s *said) stream(level slog.Level) *stream {
	return &stream{said: s, lines: guest.Lines{Max: maxStructured, Line: func(line []byte) { s.line(level, line) }}}
}

type stream struct {
	said  *said
	lines guest.Lines
}

// Write takes everything, slowly if it is too much: the pipe fills, and the child waits.
func (s *stream) Write(p []byte) (int, error) {
	if wait := s.said.count(len(p)); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.said.ended:
		}
	}
	return s.lines.Write(p)
}

// count takes n bytes and returns how long to wait before the next.
func (s *said) count(n int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.mu.second) >= time.Second {
		s.mu.second, s.mu.bytes = now, 0
	}
	if s.mu.bytes += n; s.mu.bytes < saidASecond {
		return 0
	}
	return s.mu.second.Add(time.Second).Sub(now)
}

// line logs one line. Text on standard error comes with a warning, as a module's does.
func (s *said) line(level slog.Level, line []byte) {
	text := string(line)
	if l, structured, ok := parseLine(line); ok {
		level, text = l, structured
	}
	s.mu.Lock()
	if level >= slog.LevelWarn {
		s.mu.recent = text
		switch {
		case s.mu.reason != "":
			level = slog.LevelDebug
		case guest.IsReason(text):
			s.mu.reason = text
		}
	}
	s.mu.Unlock()
	ctx := context.Background()
	if !s.logger.Enabled(ctx, level) {
		return
	}
	s.mu.Lock()
	may := s.rate.MayLog()
	if !may {
		s.mu.dropped++
	}
	dropped := s.mu.dropped
	report := dropped > 0 && s.rate.MayReport()
	if report {
		s.mu.dropped = 0
	}
	s.mu.Unlock()
	if may {
		s.logger.Log(ctx, level, guest.Printable([]byte(text)))
	}
	if report {
		s.logger.Warn("the plugin says too much: lines were dropped", "lines", dropped)
	}
}

// lastWords returns the reason the child gave before it broke off, or else what it said last.
func (s *said) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.reason != "" {
		return guest.Printable([]byte(s.mu.reason))
	}
	return guest.Printable([]byte(s.mu.recent))
}

// parseLine reads a line of hclog's JSON form: its level, and the message with the other members as key=value.
func parseLine(line []byte) (slog.Level, string, bool) {
	var members map[string]json.RawMessage
	if line[0] != '{' || json.Unmarshal(line, &members) != nil {
		return 0, "", false
	}
	text := func(key string) string {
		var s string
		if json.Unmarshal(members[key], &s) != nil {
			return ""
		}
		return s
	}
	message, name := text("@message"), text("@level")
	if message == "" && name == "" {
		return 0, "", false
	}
	level, ok := map[string]slog.Level{"trace": slog.LevelDebug, "debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}[name]
	if !ok {
		level = slog.LevelInfo
	}
	b := []byte(message)
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if strings.HasPrefix(key, "@") {
			continue
		}
		b = append(b, ' ')
		b = append(b, key...)
		b = append(b, '=')
		value := string(members[key])
		if s := text(key); s != "" && !strings.ContainsAny(s, " \"=\n\t") {
			value = s
		} else if s != "" {
			value = strconv.Quote(s)
		}
		b = append(b, value...)
	}
	return level, string(b), true
}

// end tells of lines that were dropped and not spoken of yet.
func (s *said) end() {
	s.mu.Lock()
	dropped := s.mu.dropped
	s.mu.dropped = 0
	s.mu.Unlock()
	if dropped > 0 {
		s.logger.Warn("the plugin said too much: lines were dropped", "lines", dropped)
	}
}
