package metric

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendFloat writes v so that it reads back to the same number; NaN payloads are not kept.
func appendFloat(b []byte, v float64) []byte {
	switch {
	case v == math.Trunc(v) && math.Abs(v) < 1e15 && (v != 0 || !math.Signbit(v)):
		return strconv.AppendInt(b, int64(v), 10) // most values, and much cheaper
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	case v != v:
		return append(b, "NaN"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// appendBound writes the value of le or quantile. OpenMetrics wants 1.0 where the text format has 1.
func appendBound(b []byte, v float64, f Format) []byte {
	start := len(b)
	b = appendFloat(b, v)
	if f == OpenMetrics && !strings.ContainsAny(string(b[start:]), ".eIN") {
		b = append(b, ".0"...)
	}
	return b
}

// appendLabelValue escapes backslash, quote and line feed, and replaces what is not UTF-8 by U+FFFD.
func appendLabelValue(b []byte, s string) []byte { return appendEscaped(b, s, true) }

func appendHelp(b []byte, s string, f Format) []byte { return appendEscaped(b, s, f == OpenMetrics) }

func appendEscaped(b []byte, s string, quotes bool) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && c != '\\' && c != '\n' && (c != '"' || !quotes) {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch c {
		case '\\':
			b = append(b, `\\`...)
		case '\n':
			b = append(b, `\n`...)
		case '"':
			b = append(b, `\"`...)
		default:
			b = append(b, "\uFFFD"...)
		}
		i += n
		start = i
	}
	return append(b, s[start:]...)
}

func validName(s string, colons bool) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || colons && c == ':' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return true
}
