package wasm

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
)

func TestLinesOfALog(t *testing.T) {
	now := time.Unix(1e9, 0)
	var out bytes.Buffer
	l := newGuestLog(slog.New(slog.NewTextHandler(&out, nil)), guest.NewRate(func() time.Time { return now }))
	lines := func() int { return strings.Count(out.String(), "\n") }

	fmt.Fprint(&l.err, "first\n", "half a ")
	fmt.Fprint(&l.err, "line\n\npanic: why\n\ngoroutine 1 [running]:\n\tmain.go:1\nunfinished")
	l.end()
	if lines() != 3 || !strings.Contains(out.String(), "half a line") || !strings.Contains(out.String(), "panic: why") {
		t.Errorf("log:\n%s", out.String())
	}
	if got := l.lastWords(); got != "panic: why" {
		t.Errorf("last words %q", got)
	}

	out.Reset()
	l.begin()
	for range 1000 {
		l.line(slog.LevelInfo, bytes.Repeat([]byte("x"), 100))
	}
	l.end()
	if n := lines(); n != guest.Burst-3+1 || !strings.Contains(out.String(), "lines=803") {
		t.Errorf("%d lines of 1000: %s", n, out.String()[out.Len()-120:])
	}

	out.Reset()
	now = now.Add(10 * guest.Every)
	l.begin()
	for range 100 {
		l.line(slog.LevelInfo, []byte("x"))
	}
	l.end()
	if n := lines(); n != 10 {
		t.Errorf("%d lines after ten more became allowed", n)
	}

	out.Reset()
	now = now.Add(time.Hour)
	l.begin()
	for range 100 { // few lines, too long ones
		l.line(slog.LevelInfo, bytes.Repeat([]byte("x"), 2000))
	}
	l.end()
	if n := lines(); n != maxLogCall/2000+1 {
		t.Errorf("%d long lines", n)
	}

	out.Reset()
	l.begin()
	for range 1000 { // below the level of the log: neither written nor counted
		l.line(slog.LevelDebug, []byte("x"))
	}
	l.line(slog.Level(-1<<31), []byte("x"))
	l.line(slog.Level(1<<30), []byte("last"))
	l.end()
	if n := lines(); n != 1 || !strings.Contains(out.String(), "level=ERROR msg=last") {
		t.Errorf("log:\n%s", out.String())
	}
}
