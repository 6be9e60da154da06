package scrape

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// exemplarLog is a storage of exemplars that shows what it was given.
type exemplarLog struct{ got []string }

func (l *exemplarLog) AppendExemplars(ls labels.Labels, es []exemplar.Exemplar) error {
	for _, e := range es {
		l.got = append(l.got, fmt.Sprintf("%s %s %v at %d", ls.Get("__name__"), e.Labels, e.Value, e.Ts))
	}
	return nil
}

func TestExemplarsAreHandedOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bodies []string
		want   []string
	}{
		{"with a time of their own", []string{"# TYPE a counter\na_total 1 # {t=\"x\"} 2 0.5\n# EOF\n"}, []string{`a_total {t="x"} 2 at 500`}},
		{"without one they have that of the sample", []string{"a 1 0.7 # {t=\"x\"} 2\nb 1 # {t=\"y\"} 3\n# EOF\n"}, []string{`a {t="x"} 2 at 700`, `b {t="y"} 3 at 1000`}},
		{"the same again is not new", []string{"a 1 # {t=\"x\"} 2\n# EOF\n", "a 2 # {t=\"x\"} 2\n# EOF\n", "a 3 # {t=\"z\"} 2\n# EOF\n"},
			[]string{`a {t="x"} 2 at 1000`, `a {t="z"} 2 at 3000`}},
		{"a series that moves keeps its place", []string{"a 1 # {t=\"x\"} 2\nb 1\n# EOF\n", "b 2\na 2 # {t=\"x\"} 2\n# EOF\n"}, []string{`a {t="x"} 2 at 1000`}},
		{"a scrape that fails has none", []string{"a 1 # {t=\"x\"} 2\n?\n# EOF\n"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, nil)
			var log exemplarLog
			e.manager.env.exemplars = &log
			for i, body := range tt.bodies {
				e.say(body)
				e.scrape(int64(1000 * (i + 1)))
			}
			if fmt.Sprint(log.got) != fmt.Sprint(tt.want) {
				t.Errorf("got %q, want %q", log.got, tt.want)
			}
		})
	}
}

func TestExemplarsOfNativeHistogramsAreHandedOver(t *testing.T) {
	e := expose(t, histogramJob(true, false, true, nil))
	var log exemplarLog
	e.manager.env.exemplars = &log
	e.say("# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {t=\"x\"} 0.5 0.7\nh_bucket{le=\"+Inf\"} 2 # {t=\"y\"} 5 0.6\nh_count 2\nh_sum 5\n# EOF\n")
	e.scrape(1000)
	e.scrape(2000)
	if want := []string{`h {t="y"} 5 at 600`, `h {t="x"} 0.5 at 700`}; fmt.Sprint(log.got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", log.got, want)
	}
}
