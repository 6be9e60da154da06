package process

import (
	"strings"
	"testing"
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
