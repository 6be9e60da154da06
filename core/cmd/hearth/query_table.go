package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// tableOf is the answer as a table for people: as flat has it, but one row a series for a range, and no time where all
// have the same.
func tableOf(v any) sheet {
	var s sheet
	switch v := v.(type) {
	case ranged:
		s = summary(v)
	case model.Vector:
		s = labelled(v, func(e *model.Sample) model.Metric { return e.Metric }, "VALUE")
		for i, e := range v {
			s.rows[i] = append(s.rows[i], valueOf(e.Value, e.Histogram))
		}
		s.right = 1
		s.empty = "no series has a value at that time"
	default:
		s = flat(v)
		for i, name := range s.head {
			if i == len(s.head)-2 && name == "time" {
				s.head[i], s.head[i+1], s.right = "TIME", "VALUE", 1
			}
		}
		s.empty = "nothing found"
	}
	return s
}

// sparkWidth is how wide the course of a series is in a table.
const sparkWidth = 24

// summary has a row for each series of a range: how it went and its numbers.
func summary(r ranged) sheet {
	s := labelled(r.Matrix, func(e *model.SampleStream) model.Metric { return e.Metric }, "COURSE", "POINTS", "MIN", "AVG", "MAX", "LAST")
	s.right = 5
	s.empty = "no series has a value in that range"
	for i, e := range r.Matrix {
		st := statsOf(e.Values)
		s.rows[i] = append(s.rows[i], spark(e.Values, r, sparkWidth), strconv.Itoa(len(e.Values)+len(e.Histograms)),
			short(st.min), short(st.avg), short(st.max), short(st.last))
	}
	return s
}

// stats are the numbers of a series; NaN where it has none.
type stats struct{ min, avg, max, last float64 }

func statsOf(values []model.SamplePair) stats {
	st := stats{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	sum, n := 0.0, 0
	for _, p := range values {
		v := float64(p.Value)
		st.last = v
		if math.IsNaN(v) {
			continue
		}
		if n == 0 {
			st.min, st.max = v, v
		}
		st.min, st.max = min(st.min, v), max(st.max, v)
		sum += v
		n++
	}
	if n > 0 {
		st.avg = sum / float64(n)
	}
	return st
}

// short prints a number with six digits.
func short(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case v == math.Trunc(v) && math.Abs(v) < 1e9:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// spark draws a series in one line of n blocks, lowest to highest; blank where it has no sample.
func spark(values []model.SamplePair, r ranged, n int) string {
	st := statsOf(values)
	cells := make([]float64, n)
	for i := range cells {
		cells[i] = math.NaN()
	}
	span := r.asked.End.Sub(r.asked.Start)
	for _, p := range values {
		i := 0
		if span > 0 {
			i = int(float64(n) * float64(p.Timestamp.Time().Sub(r.asked.Start)) / float64(span+1))
		}
		cells[min(max(i, 0), n-1)] = float64(p.Value) // the last of a cell
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range cells {
		switch at := (v - st.min) / (st.max - st.min); {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case math.IsNaN(at): // it never changes, or is infinite
			b.WriteRune(blocks[0])
		default:
			b.WriteRune(blocks[min(max(int(at*8), 0), 7)])
		}
	}
	return b.String()
}

// table prints a sheet with its columns side by side. Cells are not cut: a label that is not whole cannot be copied.
func (o *output) table(s sheet) error {
	if len(s.rows) == 0 && s.empty != "" {
		_, err := fmt.Fprintln(o.remarks, s.empty)
		return err
	}
	widths := make([]int, len(s.head))
	rows := append([][]string{s.head}, s.rows...)
	for _, r := range rows {
		for i, c := range r {
			c = visible(c)
			r[i] = c
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i < len(r)-s.right {
				b.WriteString(c + pad)
			} else {
				b.WriteString(pad + c)
			}
		}
		if _, err := fmt.Fprintln(o.w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// visible escapes what a terminal would obey instead of showing it: label values may come from anywhere.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
