package exposition

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// labels.Labels panic on strings of more than 16 MiB: one target must not end the server with one.
func TestWhatIsTooLongForLabelsIsAnError(t *testing.T) {
	long := strings.Repeat("y", 17<<20)
	gauge := func(fields ...[]byte) []byte { return message1(4, append(fields, message1(2, float(1, 1)))...) }
	for _, tt := range []struct {
		name   string
		body   []byte
		format Format
		want   string // "": read all the same
	}{
		{"the value of a label", []byte("a 1\nm{a=\"" + long + "\"} 1\n"), Text, "line 2, column 1: the name and the labels of a series: 17825799 bytes, more than 8388608"},
		{"the name of a label", []byte("m{" + long + "=\"b\"} 1\n"), Text, "the labels of a series"},
		{"the name of a series", []byte(long + " 1\n"), Text, "line 1, column 1: the name of a series"},
		{"a quoted name", []byte("{\"" + long + "\"} 1\n"), Text, "the labels of a series"},
		{"a help", []byte("# HELP m " + long + "\nm 1\n"), Text, ""},
		{"a label of OpenMetrics", []byte("m{a=\"" + long + "\"} 1\n# EOF\n"), OpenMetrics, "the labels of a series"},
		{"an exemplar", []byte("m_total 1 # {a=\"" + long + "\"} 1\n# EOF\n"), OpenMetrics, "line 1, column 13: the labels of an exemplar"},
		{"a unit", []byte("# UNIT m_" + long + " " + long + "\nm 1\n# EOF\n"), OpenMetrics, "a unit"},
		{"a label of OpenMetrics 2.0", []byte("m{a=\"" + long + "\"} 1\n# EOF\n"), OpenMetrics2, "the labels of a series"},
		{"an exemplar of OpenMetrics 2.0", []byte("m 1 # {a=\"" + long + "\"} 1 1\n# EOF\n"), OpenMetrics2, "the labels of an exemplar"},
		{"a label of protobuf", delimited(text(1, "m"), number(3, protoGauge), gauge(label("a", long))), Protobuf, "a label of 17825800 bytes, more than 8388608"},
		{"the name of a family", delimited(text(1, long), number(3, protoGauge), gauge()), Protobuf, "a name of 17825792 bytes"},
		{"the unit of a family", delimited(text(1, "m"), number(3, protoGauge), text(5, long), gauge()), Protobuf, "a unit of 17825792"},
		{"an exemplar of protobuf", delimited(text(1, "m"), number(3, protoCounter),
			message1(4, message1(3, float(1, 1), message1(2, message1(1, text(1, "a"), text(2, long)), float(2, 1))))), Protobuf, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p Parser
			p.SetOptions(Options{TypeAndUnit: true})
			p.Reset(bytes.Clone(tt.body), tt.format)
			for {
				k, err := p.Next()
				if errors.Is(err, io.EOF) {
					if tt.want != "" {
						t.Errorf("it is read, want %q", tt.want)
					}
					return
				}
				if err != nil {
					if tt.want == "" || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("%.300v, want %q", err, tt.want)
					}
					return
				}
				if k == Series {
					_, _ = p.Labels(), p.Exemplars(nil)
				}
			}
		})
	}
}
