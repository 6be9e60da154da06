package tools

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/hearth-project/hearth/core/storage"
)

// The formats of Dump.
const (
	OpenMetrics = "openmetrics" // name{labels} value seconds; without staleness markers, which it has no word for
	Text        = "text"        // {labels} value milliseconds; "stale" for a staleness marker; histograms as upstream writes them
	JSON        = "json"        // one object a series
)

// escaped is what the exposition formats do to text in quotes.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// ErrIncomplete marks a dump that lacks samples because they are damaged; it is wrapped with the places.
var ErrIncomplete = errors.New("samples are missing from the dump")

// Dump writes the samples in mint..maxt of the series that one of the selectors names to w, in order of metric
// names, then labels; no selector means all. Damage in one series does not keep it from writing the others, nor does a part
// that cannot be read keep it from writing what others have; it is told in the error.
func Dump(ctx context.Context, db storage.Queryable, w io.Writer, format string, mint, maxt int64, selectors ...[]*labels.Matcher) error {
	var d dumper
	switch format {
	case OpenMetrics:
		d.write = d.openMetrics
	case Text:
		d.write = d.text
	case JSON:
		d.write = d.json
	default:
		return fmt.Errorf("format %q: must be %s, %s or %s", format, OpenMetrics, Text, JSON)
	}
	q, err := db.Querier(mint, maxt)
	if err != nil {
		return err
	}
	defer q.Close()
	var damage []error
	if s, ok := q.(interface{ SkipDamaged(func(error)) }); ok {
		s.SkipDamaged(func(err error) {
			err = fmt.Errorf("%w: %w", ErrIncomplete, err)
			if !slices.ContainsFunc(damage, func(d error) bool { return d.Error() == err.Error() }) { // for each selector
				damage = append(damage, err)
			}
		})
	}
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	type series struct {
		labels labels.Labels
		c      storage.Columns
		i      int
	}
	var all []series
	for _, ms := range selectors {
		cs, err := q.Select(ctx, mint, maxt, ms...)
		if err != nil {
			return err
		}
		for _, c := range cs {
			for i := range c.Len() {
				all = append(all, series{c.Labels(i), c, i})
			}
		}
	}
	slices.SortFunc(all, func(a, b series) int {
		if k := strings.Compare(a.labels.Get(pmodel.MetricNameLabel), b.labels.Get(pmodel.MetricNameLabel)); k != 0 {
			return k
		}
		return labels.Compare(a.labels, b.labels)
	})
	all = slices.CompactFunc(all, func(a, b series) bool { return labels.Equal(a.labels, b.labels) }) // of two selectors
	d.w = bufio.NewWriterSize(w, 1<<16)
	for _, s := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		lo, hi := s.c.Rows(s.i)
		if d.vals, err = s.c.Values(s.i, lo, hi, d.vals); err != nil {
			damage = append(damage, fmt.Errorf("%w: %s: %w", ErrIncomplete, s.labels, err))
			continue
		}
		d.native = nil
		if c, ok := s.c.(storage.HistogramColumns); ok && c.HasHistograms(s.i) {
			if err = c.Histograms(s.i, lo, hi, &d.hists); err != nil {
				damage = append(damage, fmt.Errorf("%w: %s: %w", ErrIncomplete, s.labels, err))
				continue
			}
			d.native = &d.hists
			if format == OpenMetrics {
				damage = append(damage, fmt.Errorf("%w: %s has native histograms, which this format has no words for: take %s or %s", ErrIncomplete, s.labels, Text, JSON))
			}
		}
		if err := d.write(s.labels, s.c.Times()[lo:hi]); err != nil {
			return err
		}
	}
	if format == OpenMetrics {
		if _, err := d.w.WriteString("# EOF\n"); err != nil {
			return err
		}
	}
	return errors.Join(append(damage, d.w.Flush())...)
}

type dumper struct {
	w     *bufio.Writer
	write func(ls labels.Labels, ts []int64) error
	vals  []float64 // beside ts
	buf   []byte

	native *storage.Histograms // beside ts, of a series that has histograms
	hists  storage.Histograms
}

// histogram returns the histogram in a row, nil if there is none.
func (d *dumper) histogram(row int) *histogram.FloatHistogram {
	if d.native == nil {
		return nil
	}
	return d.native.At(row)
}

func (d *dumper) openMetrics(ls labels.Labels, ts []int64) error {
	name := metricName(ls)
	for r, t := range ts {
		if v := d.vals[r]; !storage.IsAbsent(v) && !value.IsStaleNaN(v) {
			d.buf = append(append(d.buf[:0], name...), ' ')
			d.buf = appendValue(d.buf, v)
			d.buf = append(d.buf, ' ')
			d.buf = strconv.AppendFloat(d.buf, float64(t)/1000, 'f', 3, 64)
			d.buf = append(d.buf, '\n')
			if _, err := d.w.Write(d.buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// metricName writes a series as the exposition formats do: name{label="value",...}, or {"name",...} if the name is
// no plain word.
func metricName(ls labels.Labels) string {
	name := ls.Get(pmodel.MetricNameLabel)
	var list []string
	if !plainName(name) && name != "" {
		list = append(list, `"`+escaped.Replace(name)+`"`)
		name = ""
	}
	ls.Range(func(l labels.Label) {
		if l.Name == pmodel.MetricNameLabel {
			return
		}
		n := l.Name
		if !plainName(n) {
			n = `"` + escaped.Replace(n) + `"`
		}
		list = append(list, n+`="`+escaped.Replace(l.Value)+`"`)
	})
	if len(list) == 0 {
		return name
	}
	return name + "{" + strings.Join(list, ",") + "}"
}

func plainName(s string) bool {
	for i, c := range []byte(s) {
		if c != '_' && c != ':' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (d *dumper) text(ls labels.Labels, ts []int64) error {
	name := ls.String()
	for r, t := range ts {
		v, h := d.vals[r], d.histogram(r)
		if h == nil && storage.IsAbsent(v) {
			continue
		}
		d.buf = append(append(d.buf[:0], name...), ' ')
		switch {
		case h != nil:
			d.buf = append(d.buf, h.String()...)
		case value.IsStaleNaN(v):
			d.buf = append(d.buf, "stale"...)
		default:
			d.buf = appendValue(d.buf, v)
		}
		d.buf = append(d.buf, ' ')
		d.buf = strconv.AppendInt(d.buf, t, 10)
		d.buf = append(d.buf, '\n')
		if _, err := d.w.Write(d.buf); err != nil {
			return err
		}
	}
	return nil
}

// appendValue writes a value as the exposition formats do.
func appendValue(b []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsNaN(v):
		return append(b, "NaN"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func (d *dumper) json(ls labels.Labels, ts []int64) error {
	one := struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"` // milliseconds, the value as text; null for a staleness marker

		Histograms [][2]any `json:"histograms,omitempty"` // milliseconds, the histogram as text
	}{Metric: ls.Map(), Values: [][2]any{}}
	for r, t := range ts {
		switch v, h := d.vals[r], d.histogram(r); {
		case h != nil:
			one.Histograms = append(one.Histograms, [2]any{t, h.String()})
		case storage.IsAbsent(v):
		case value.IsStaleNaN(v):
			one.Values = append(one.Values, [2]any{t, nil})
		default:
			one.Values = append(one.Values, [2]any{t, string(appendValue(nil, v))})
		}
	}
	return json.NewEncoder(d.w).Encode(one)
}
