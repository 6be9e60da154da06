package metric

import "fmt"

// Family is one metric of a Writer: a name with its kind, help and label names. Its methods add samples.
type Family struct {
	w        *Writer
	kind     Kind
	name     string
	labels   []string
	prefixes []string // what stands before each label value: `{cpu="`, `",mode="`
	head     []byte   // the HELP and TYPE lines
	buf      []byte   // the samples' lines
}

// Sample adds a value of a counter, gauge or untyped family. values belong to the family's label names, in order.
// An empty value is the same as no label, so it is left out of the line.
func (f *Family) Sample(v float64, values ...string) {
	if f.kind == KindHistogram || f.kind == KindSummary {
		f.w.fail("%s is a %s and takes no plain sample", f.name, f.kind)
		return
	}
	if !f.check(values) {
		return
	}
	start := len(f.buf)
	f.open("", values)
	f.close(v)
	f.grown(start)
}

// check tells whether a sample with these label values can be added.
func (f *Family) check(values []string) bool {
	if len(values) != len(f.labels) {
		f.w.fail("%s: %d values for the %d labels %v", f.name, len(values), len(f.labels), f.labels)
		return false
	}
	if f.w.size > MaxSize {
		f.w.err = fmt.Errorf("metric: %s: %w: at most %d bytes are allowed", f.name, ErrTooLarge, MaxSize)
		return false
	}
	return true
}

func (f *Family) grown(start int) { f.w.size += len(f.buf) - start }

// open begins a line: name, suffix and labels, without the closing brace. It reports whether a brace is open.
func (f *Family) open(suffix string, values []string) {
	f.buf = append(f.buf, f.name...)
	f.buf = append(f.buf, suffix...)
	first := true
	for i, v := range values {
		if v == "" {
			continue
		}
		p := f.prefixes[i]
		if first {
			f.buf = append(f.buf, '{')
			p = p[len(`",`):]
			first = false
		}
		f.buf = append(f.buf, p...)
		f.buf = appendLabelValue(f.buf, v)
	}
	if !first {
		f.buf = append(f.buf, '"', '}')
	}
}

// extra adds one more label to a line that open began.
func (f *Family) extra(name string, v float64) {
	if n := len(f.buf) - 1; f.buf[n] == '}' {
		f.buf[n] = ','
	} else {
		f.buf = append(f.buf, '{')
	}
	f.buf = append(f.buf, name...)
	f.buf = append(f.buf, '=', '"')
	f.buf = appendBound(f.buf, v, f.w.format)
	f.buf = append(f.buf, '"', '}')
}

func (f *Family) close(v float64) {
	f.buf = append(f.buf, ' ')
	f.buf = appendFloat(f.buf, v)
	f.buf = append(f.buf, '\n')
}

func prefixes(labels []string) []string {
	p := make([]string, len(labels))
	for i, l := range labels {
		p[i] = `",` + l + `="`
	}
	return p
}

// header renders the HELP and TYPE lines. In OpenMetrics a counter's family is called without _total, and a
// counter that does not end in it can't be one.
func (f *Family) header(help string) []byte {
	name, kind := f.name, f.kind.String()
	if f.w.format == OpenMetrics {
		switch {
		case f.kind == KindUntyped:
			kind = "unknown"
		case f.kind == KindCounter && len(name) > len("_total") && name[len(name)-len("_total"):] == "_total":
			name = name[:len(name)-len("_total")]
		case f.kind == KindCounter:
			kind = "unknown"
		}
	}
	var b []byte
	if help != "" {
		b = append(b, "# HELP "...)
		b = append(b, name...)
		b = append(b, ' ')
		b = appendHelp(b, help, f.w.format)
		b = append(b, '\n')
	}
	b = append(b, "# TYPE "...)
	b = append(b, name...)
	b = append(b, ' ')
	b = append(b, kind...)
	return append(b, '\n')
}
