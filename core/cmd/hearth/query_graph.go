package main

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// maxLegend is the most series a legend names.
const maxLegend = 20

// graph draws the series of a range over each other, with the values at the left, the times below, and a legend that
// has the course of each series by itself.
func (o *output) graph(r ranged) error {
	low, high := bounds(r.Matrix)
	if math.IsNaN(low) {
		_, err := fmt.Fprintln(o.remarks, "no series has a value to draw in that range")
		return err
	}
	height := min(max(o.height, 3), 500)
	axis := axisLabels(low, high, height)
	margin := 0
	for _, a := range axis {
		margin = max(margin, utf8.RuneCountInString(a))
	}
	c := newCanvas(min(max(o.width-margin-2, 20), 2000), height)
	for i, s := range r.Matrix {
		c.line(i, s.Values, r, low, high)
	}
	var b strings.Builder
	for y := range height {
		joint := '│'
		if axis[y] != "" {
			joint = '┤'
		}
		fmt.Fprintf(&b, "%*s %c%s\n", margin, axis[y], joint, c.row(y, o.colors))
	}
	fmt.Fprintf(&b, "%*s └%s\n", margin, "", strings.Repeat("─", c.width))
	fmt.Fprintf(&b, "%*s  %s\n", margin, "", timeAxis(r.asked.Start, r.asked.End, c.width))
	for i, s := range r.Matrix {
		if i == maxLegend {
			fmt.Fprintf(&b, "and %d more series: narrow the expression, or sum it up\n", len(r.Matrix)-i)
			break
		}
		st := statsOf(s.Values)
		fmt.Fprintf(&b, "%s %s  min %s  avg %s  max %s  last %s  %s\n", colored("━━", i, o.colors), spark(s.Values, r, sparkWidth),
			short(st.min), short(st.avg), short(st.max), short(st.last), s.Metric)
	}
	_, err := fmt.Fprint(o.w, b.String())
	return err
}

// bounds returns the least and the greatest finite value, apart from each other; NaN if there is none.
func bounds(m model.Matrix) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	for _, s := range m {
		for _, p := range s.Values {
			v := float64(p.Value)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			if !(v >= low) {
				low = v
			}
			if !(v <= high) {
				high = v
			}
		}
	}
	if low == high {
		d := max(math.Abs(low)/10, 1e-300)
		if low == 0 {
			d = 1
		}
		return low - d, high + d
	}
	return low, high
}

// axisLabels returns what stands left of each line: the ends, and values between them every four lines or so.
func axisLabels(low, high float64, height int) []string {
	axis := make([]string, height)
	digits := 4
	if more := math.Ceil(math.Log10(max(math.Abs(low), math.Abs(high)) / (high - low))); more > 2 && more < 15 {
		digits = int(more) + 2 // so that neighbours differ
	}
	steps := max((height-1)/4, 1)
	for i := range steps + 1 {
		y := (height - 1) * i / steps
		axis[y] = fmt.Sprintf("%.*g", digits, high+(low-high)*(float64(y)/float64(height-1)))
	}
	return axis
}

// timeAxis puts round times below width columns, each beginning where it is.
func timeAxis(start, end time.Time, width int) string {
	span := end.Sub(start)
	n := len(clockOf(start, span))
	step := roundStep(span, max(width/(n+6), 1))
	line := []byte(strings.Repeat(" ", width+n))
	for t := start.Truncate(step); !t.After(end); t = t.Add(step) {
		if at := int(float64(width) * float64(t.Sub(start)) / float64(max(span, 1))); !t.Before(start) && at < width {
			copy(line[at:], clockOf(t, span))
		}
	}
	return strings.TrimRight(string(line), " ") + " UTC"
}

// canvas is drawn on with dots, two by four in a character (the Braille patterns of Unicode, U+2800 to U+28FF).
type canvas struct {
	width, height int // characters
	dots          []rune
	owner         []int // the series that drew last in a character
}

func newCanvas(width, height int) *canvas {
	return &canvas{width, height, make([]rune, width*height), make([]int, width*height)}
}

// set draws the dot x of 2*width, y of 4*height from the top.
func (c *canvas) set(x, y, series int) {
	if x < 0 || y < 0 || x >= 2*c.width || y >= 4*c.height {
		return
	}
	bits := [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}
	i := y/4*c.width + x/2
	c.dots[i] |= bits[y%4][x%2]
	c.owner[i] = series
}

// line draws a series, broken where a sample is missing.
func (c *canvas) line(series int, values []model.SamplePair, r ranged, low, high float64) {
	span := max(float64(r.asked.End.Sub(r.asked.Start)), 1)
	right, bottom := float64(2*c.width-1), float64(4*c.height-1)
	var lastX, lastY int
	var last model.Time
	joined := false
	for _, p := range values {
		share := (float64(p.Value)/2 - low/2) / (high/2 - low/2) // halves, as the whole may be more than a float64 holds
		if math.IsNaN(share) || math.IsInf(share, 0) {
			joined = false
			continue
		}
		x := int(math.Round(right * float64(p.Timestamp.Time().Sub(r.asked.Start)) / span))
		y := int(math.Round(bottom * (1 - share)))
		if joined && p.Timestamp.Sub(last) <= r.asked.Step*3/2 {
			c.segment(lastX, lastY, x, y, series)
		} else {
			c.set(x, y, series)
		}
		lastX, lastY, last, joined = x, y, p.Timestamp, true
	}
}

// segment draws a straight line between two dots.
func (c *canvas) segment(x0, y0, x1, y1, series int) {
	n := max(x1-x0, y1-y0, y0-y1, 1)
	for i := range n + 1 {
		c.set(x0+(x1-x0)*i/n, y0+int(math.Round(float64((y1-y0)*i)/float64(n))), series)
	}
}

// row returns the characters of line y.
func (c *canvas) row(y int, colors bool) string {
	var b strings.Builder
	for i := y * c.width; i < (y+1)*c.width; i++ {
		if c.dots[i] == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteString(colored(string('\u2800'+c.dots[i]), c.owner[i], colors))
	}
	return strings.TrimRight(b.String(), " ")
}

// colored is text in the color of a series: one of six that can be read on light and dark.
func colored(text string, series int, colors bool) string {
	if !colors {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", [...]int{32, 33, 36, 35, 34, 31}[series%6], text)
}
