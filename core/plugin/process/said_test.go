package process

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
)

func TestTheLog(t *testing.T) {
	w := newWorld(t)
	p := w.pool(Plugin{})
	w.answers(p, "say break\nout\x1b[31m of this line", "done")
	for _, want := range []string{
		`level=ERROR msg="break\\nout\\x1b[31m of this line key=\"a b\" n=7"`,
		`level=INFO msg="to standard output"`, `level=WARN msg="to standard error"`,
	} {
		w.eventually("the log has "+want, func() bool { return strings.Contains(w.log.String(), want) })
	}
	before := strings.Count(w.log.String(), "\n")
	w.answers(p, "log", "done")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	log := w.log.String()
	if n := strings.Count(log, "\n") - before; n > 400 || !strings.Contains(log, "lines were dropped") {
		t.Errorf("20,000 lines became %d", n)
	}
}

func TestAFloodSlowsDownWhoMakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		s := &said{logger: slog.New(slog.DiscardHandler), rate: guest.NewRate(time.Now), ended: ended}
		w := s.stream(slog.LevelWarn)
		start := time.Now()
		text := bytes.Repeat([]byte("much to say\n"), saidASecond/24) // half a second's
		for range 10 {
			if n, err := w.Write(text); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
		}
		if d := time.Since(start); d < 3*time.Second || d > 5*time.Second {
			t.Errorf("what takes five seconds took %v", d)
		}
		if s.lastWords() != "much to say" {
			t.Errorf("last words %q", s.lastWords())
		}
		close(ended)
		start = time.Now()
		for range 10 {
			_, _ = w.Write(text)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("what is left of one that has ended took %v", d)
		}
	})
}

func TestLinesOfAChild(t *testing.T) {
	for in, want := range map[string]string{
		`{"@level":"warn","@message":"m","b":"x y","a":1,"@timestamp":"t"}`: `WARN m a=1 b="x y"`,
		`{"@level":"trace","@message":"m"}`:                                 "DEBUG m",
		`{"@level":"loud","@message":"m","k":{"x":[1]}}`:                    `INFO m k={"x":[1]}`,
		`{"message":"m"}`: "", `{`: "", `plain`: "",
	} {
		level, text, ok := parseLine([]byte(in))
		got := level.String() + " " + text
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
