// Package metric writes metrics in the formats Prometheus reads: families with a type and a help text, samples with
// labels. It is for code that reads numbers somewhere and passes them on; it keeps no counts of its own.
//
//	w := metric.NewWriter(metric.Text)
//	temp := w.Gauge("room_temperature_celsius", "Temperature of the air.", "room")
//	temp.Sample(21.5, "kitchen")
//	body, err := w.AppendTo(nil)
//
// Families may be asked for again and written to in any order; they come out whole and sorted by name.
package metric

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format is an exposition format.
type Format uint8

// The formats a Writer knows.
const (
	Text        Format = iota // Prometheus text format 0.0.4
	OpenMetrics               // OpenMetrics text format 1.0.0
)

// ContentType returns the format's media type for HTTP.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// Kind is the type of a family.
type Kind uint8

// The kinds of families.
const (
	KindUntyped Kind = iota
	KindCounter
	KindGauge
	KindHistogram
	KindSummary
)

func (k Kind) String() string {
	return [...]string{"untyped", "counter", "gauge", "histogram", "summary"}[k]
}

// MaxSize is the largest exposition a Writer makes, in bytes: what the plugin ABI lets pass.
const MaxSize = 16 << 20

// ErrTooLarge is wrapped by the error of a Writer that was given more than MaxSize.
var ErrTooLarge = errors.New("exposition too large")

// Writer collects families and renders them. The first mistake of its user (a bad name, a wrong number of label
// values, one name with two kinds) is remembered and returned by AppendTo. Not safe for concurrent use.
type Writer struct {
	format   Format
	families map[string]*Family
	order    []*Family // scratch of AppendTo
	size     int       // bytes of samples so far
	err      error
}

// NewWriter returns an empty Writer.
func NewWriter(f Format) *Writer {
	return &Writer{format: f, families: make(map[string]*Family)}
}

// Format returns the format the Writer was made for.
func (w *Writer) Format() Format { return w.format }

// Counter returns the family of a value that only grows; its name should end in _total.
func (w *Writer) Counter(name, help string, labels ...string) *Family {
	return w.Family(KindCounter, name, help, labels...)
}

// Gauge returns the family of a value that may go up and down.
func (w *Writer) Gauge(name, help string, labels ...string) *Family {
	return w.Family(KindGauge, name, help, labels...)
}

// Untyped returns the family of a value of which nothing is known.
func (w *Writer) Untyped(name, help string, labels ...string) *Family {
	return w.Family(KindUntyped, name, help, labels...)
}

// Histogram returns the family of a distribution in buckets; write to it with Family.Histogram.
func (w *Writer) Histogram(name, help string, labels ...string) *Family {
	return w.Family(KindHistogram, name, help, labels...)
}

// Summary returns the family of a distribution in quantiles; write to it with Family.Summary.
func (w *Writer) Summary(name, help string, labels ...string) *Family {
	return w.Family(KindSummary, name, help, labels...)
}

// Family returns the family of that name, new or, when asked for again with the same kind and labels, the one there is.
func (w *Writer) Family(kind Kind, name, help string, labels ...string) *Family {
	f, ok := w.families[name]
	if ok {
		if f.kind == kind && slices.Equal(f.labels, labels) {
			return f
		}
		if len(f.buf) > 0 {
			w.fail("%s is a %s with labels (%s) and cannot be a %s with labels (%s) as well",
				name, f.kind, strings.Join(f.labels, ","), kind, strings.Join(labels, ",")) // joined: labels must not escape
			return &Family{w: w, kind: kind, name: name, labels: slices.Clone(labels), prefixes: prefixes(labels)} // goes nowhere
		}
	}
	if !validName(name, true) {
		w.fail("%q is not a metric name", name)
	}
	for i, l := range labels {
		if !validName(l, false) || strings.HasPrefix(l, "__") || slices.Contains(labels[:i], l) ||
			(kind == KindHistogram && l == "le") || (kind == KindSummary && l == "quantile") {
			w.fail("%s: %q cannot be the name of a label", name, l)
		}
	}
	f = &Family{w: w, kind: kind, name: name, labels: slices.Clone(labels), prefixes: prefixes(labels)}
	f.head = f.header(help)
	w.families[name] = f
	return f
}

// AppendTo appends the exposition to dst. Families without samples are left out.
func (w *Writer) AppendTo(dst []byte) ([]byte, error) {
	if w.err != nil {
		return dst, w.err
	}
	w.order = w.order[:0]
	size := 0
	for _, f := range w.families {
		if len(f.buf) > 0 {
			w.order = append(w.order, f)
			size += len(f.head) + len(f.buf)
		}
	}
	if size > MaxSize {
		return dst, fmt.Errorf("metric: %w: %d bytes, at most %d are allowed", ErrTooLarge, size, MaxSize)
	}
	slices.SortFunc(w.order, func(a, b *Family) int { return strings.Compare(a.name, b.name) })
	dst = slices.Grow(dst, size+len("# EOF\n"))
	for _, f := range w.order {
		dst = append(dst, f.head...)
		dst = append(dst, f.buf...)
	}
	if w.format == OpenMetrics {
		dst = append(dst, "# EOF\n"...)
	}
	return dst, nil
}

// Reset empties the Writer for the next exposition. It keeps the buffers of families that were just in use; their
// handles may be used on, others must be asked for again.
func (w *Writer) Reset() {
	for name, f := range w.families {
		if len(f.buf) == 0 {
			delete(w.families, name)
		}
		f.buf = f.buf[:0]
	}
	w.size, w.err = 0, nil
}

func (w *Writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("metric: "+format, args...)
	}
}

// Bool is the value of something that is or is not.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
