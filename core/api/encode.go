package api

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// The result of a query is the one large answer, so it is written without reflection. Each function appends the JSON
// of its argument to b, formatted as upstream formats it.

// value writes a result, flushing on the way.
func (s *stream) value(v model.Value) {
	switch v := v.(type) {
	case model.Vector:
		s.b = append(s.b, '[')
		for i := range v {
			if i > 0 {
				s.b = append(s.b, ',')
			}
			s.b = append(s.b, `{"metric":`...)
			s.b = appendLabels(s.b, v[i].Labels)
			s.b = append(s.b, `,"value":`...)
			s.b = appendSample(s.b, v[i].T, v[i].V)
			s.b = append(s.b, '}')
			s.flush(flushAt)
		}
		s.b = append(s.b, ']')
	case model.Matrix:
		s.b = append(s.b, '[')
		for i := range v {
			if i > 0 {
				s.b = append(s.b, ',')
			}
			s.series(&v[i])
		}
		s.b = append(s.b, ']')
	case model.Scalar:
		s.b = append(s.b, '[')
		s.b = appendPlain(s.b, float64(v.T)/1000)
		s.b = append(s.b, ',', '"')
		s.b = appendPlain(s.b, v.V)
		s.b = append(s.b, '"', ']')
	case model.String:
		s.b = append(s.b, '[')
		s.b = appendPlain(s.b, float64(v.T)/1000)
		s.b = append(s.b, ',')
		s.b = appendString(s.b, v.V)
		s.b = append(s.b, ']')
	default:
		s.b = append(s.b, "null"...)
	}
}

func (s *stream) series(r *model.Series) {
	s.b = append(s.b, `{"metric":`...)
	s.b = appendLabels(s.b, r.Labels)
	s.b = append(s.b, `,"values":[`...)
	for i, p := range r.Samples {
		if i > 0 {
			s.b = append(s.b, ',')
		}
		s.b = appendSample(s.b, p.T, p.V)
		s.flush(flushAt)
	}
	s.b = append(s.b, `]}`...)
}

func appendSample(b []byte, t int64, v float64) []byte {
	b = append(b, '[')
	b = appendTime(b, t)
	b = append(b, ',', '"')
	b = appendFloat(b, v)
	return append(b, '"', ']')
}

// appendTime writes Unix milliseconds as seconds with three decimals, or none.
func appendTime(b []byte, t int64) []byte {
	if t < 0 {
		b = append(b, '-')
		t = -t
	}
	b = strconv.AppendInt(b, t/1000, 10)
	if ms := t % 1000; ms != 0 {
		b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
	return b
}

// appendFloat writes the shortest text that reads back to v; exponents only for very small and very large ones.
func appendFloat(b []byte, v float64) []byte {
	if a := math.Abs(v); a < 1e15 && v == math.Trunc(v) && (v != 0 || !math.Signbit(v)) {
		return strconv.AppendInt(b, int64(v), 10)
	}
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

// appendPlain writes v without an exponent and with no more digits than needed: so are scalars, and the times of
// scalars and strings, other than those of vectors.
func appendPlain(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'f', -1, 64) }

func appendLabels(b []byte, ls labels.Labels) []byte {
	b = append(b, '{')
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, l.Name)
		b = append(b, ':')
		b = appendString(b, l.Value)
	})
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, err := json.Marshal(s)
			if err != nil { // a string always marshals
				panic(err)
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
