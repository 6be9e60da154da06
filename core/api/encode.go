package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// The result of a query is the one large answer, so it is written without reflection. Each function appends the JSON
// of its argument to b, formatted as upstream formats it.

// value writes a result, flushing on the way. It stops where the client is gone.
func (s *stream) value(v model.Value) {
	switch v := v.(type) {
	case model.Vector:
		s.b = append(s.b, '[')
		for i := range v {
			s.vectorSample(&v[i], i == 0)
			if s.flush(); s.err != nil {
				return
			}
		}
		s.b = append(s.b, ']')
	case model.Matrix:
		s.b = append(s.b, '[')
		for i := range v {
			if i > 0 {
				s.b = append(s.b, ',')
			}
			if s.series(&v[i]); s.err != nil {
				return
			}
		}
		s.b = append(s.b, ']')
	case *model.Columns:
		s.b = append(s.b, '[')
		for i, c := range v.Series {
			if i > 0 {
				s.b = append(s.b, ',')
			}
			s.samples = v.Samples(i, s.samples[:0])
			if s.series(&model.Series{Labels: c.Labels, Samples: s.samples, Histograms: c.Histograms}); s.err != nil {
				return
			}
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

func (s *stream) vectorSample(v *model.VectorSample, first bool) {
	if !first {
		s.b = append(s.b, ',')
	}
	s.b = append(s.b, `{"metric":`...)
	s.b = appendLabels(s.b, v.Labels)
	if v.H != nil {
		s.b = append(s.b, `,"histogram":`...)
		s.b = append(appendHistogramPoint(s.b, v.T, v.H), '}')
		return
	}
	s.b = append(s.b, `,"value"`...)
	at := len(s.b)
	s.points.next = 0 // the time is that of the element before
	s.b = s.points.appendSamples(slices.Grow(s.b, maxSample), []model.Sample{v.Sample})
	s.b[at] = ':' // in place of the comma
	s.b = append(s.b, '}')
}

func (s *stream) series(r *model.Series) {
	s.b = append(s.b, `{"metric":`...)
	s.b = appendLabels(s.b, r.Labels)
	if len(r.Samples) > 0 || len(r.Histograms) == 0 {
		s.b = append(s.b, `,"values":[`...)
	}
	at := len(s.b) - 1
	s.points.next = 0
	for i := 0; i < len(r.Samples); i += samplesAHand {
		hand := r.Samples[i:min(i+samplesAHand, len(r.Samples))]
		if i == 0 {
			s.b = s.b[:at]
		}
		s.b = s.points.appendSamples(slices.Grow(s.b, len(hand)*maxSample), hand)
		if i == 0 {
			s.b[at] = '[' // in place of the comma
		}
		if s.flush(); s.err != nil {
			return
		}
	}
	if len(r.Samples) > 0 || len(r.Histograms) == 0 {
		s.b = append(s.b, ']')
	}
	if len(r.Histograms) > 0 {
		if s.histograms(r.Histograms); s.err != nil {
			return
		}
	}
	s.b = append(s.b, '}')
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
		b = appendLabel(b, l.Name)
		b = append(b, ':')
		b = appendLabel(b, l.Value)
	})
	return append(b, '}')
}

// appendLabel writes a name or value of a label set, where upstream escapes what JSON demands and nothing for the sake of
// HTML. What is not UTF-8 is replaced: upstream writes it as it is, which is no JSON.
func appendLabel(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(append(b, s[from:]...), '"')
}

// appendString writes a string that is not a label's: a result, a remark, an element of a list.
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
