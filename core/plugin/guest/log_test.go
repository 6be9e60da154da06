package guest

import (
	"strings"
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "GET /metrics took 5ms, żółć €", "GET /metrics took 5ms, żółć €"},
		{"line ends are escaped", "a\nlevel=ERROR msg=b\r", `a\nlevel=ERROR msg=b\r`},
		{"terminals are not steered", "\x1b]0;title\x07", `\x1b]0;title\a`},
		{"nor is the direction of writing", "a\u202eb", `a\u202eb`},
		{"what is no UTF-8 is shown", "a\xff\xc3", `a\xff\xc3`},
		{"long text is cut", strings.Repeat("x", MaxLine+1), strings.Repeat("x", MaxLine) + " ..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Printable([]byte(tt.in)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLinesAreCutAndJoined(t *testing.T) {
	var got []string
	l := Lines{Max: 5, Line: func(line []byte) { got = append(got, string(line)) }}
	for _, part := range []string{"a", "b\n\n  \nc", "d\r\n", "1234", "56789\nend"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("write %q: %d, %v", part, n, err)
		}
	}
	l.Flush()
	l.Flush()
	if want := "ab|cd|123456|end"; strings.Join(got, "|") != want {
		t.Errorf("lines %q, want %s", got, want)
	}
}

func TestTheRateFillsAgain(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := NewRate(func() time.Time { return now })
	count := func() (n int) {
		for r.MayLog() {
			n++
		}
		return n
	}
	if n := count(); n != Burst {
		t.Errorf("%d lines at once", n)
	}
	now = now.Add(3*Every + Every/2)
	if n := count(); n != 3 {
		t.Errorf("%d lines after three more became allowed", n)
	}
	now = now.Add(time.Hour)
	if n := count(); n != Burst {
		t.Errorf("%d lines after an hour", n)
	}
	if !r.MayReport() || r.MayReport() {
		t.Error("lines that were dropped are reported once")
	}
	if now = now.Add(reporting); !r.MayReport() {
		t.Error("and again later")
	}
}
