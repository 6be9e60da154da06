package remote

import (
	"encoding/binary"
	"fmt"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// Version 2.0 of remote write (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/): the strings of a request
// stand in a table, and labels are numbers of its entries. They are written out as version 1.0 has them, so that
// everything after the walk is the same for both, and a series that changes its sender's version keeps its name.

// What an exemplar may have in a message, so that a short one cannot stand for a long one; the storage takes less.
const (
	maxExemplarLabels = 32
	maxExemplarBytes  = 4096
)

var errExemplar = fmt.Errorf("%w: exemplar", errMalformed)

// walker2 steps through the series of an io.prometheus.write.v2.Request.
type walker2 struct {
	b       []byte
	i       int
	symbols []symbol
	labels  []byte // of all series, as in version 1.0
	limit   int    // of labels
	refs    []uint32

	statements
	known map[symbolic]struct{} // what was said
	last  symbolic
}

// symbol is where in the message a string is.
type symbol struct{ lo, hi uint32 }

// newWalker2 finds the symbols of a request. The labels of all series may take limit bytes.
func newWalker2(b, labels []byte, limit int) (*walker2, error) {
	w := &walker2{b: b, labels: labels[:0], limit: limit}
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return nil, err
		}
		if field != 4 {
			if i, err = skip(b, at, wire); err != nil {
				return nil, err
			}
			continue
		}
		if wire != wireBytes {
			return nil, fmt.Errorf("%w: symbols", errMalformed)
		}
		s, next, err := chunk(b, at)
		if err != nil {
			return nil, err
		}
		w.symbols = append(w.symbols, symbol{uint32(next - len(s)), uint32(next)})
		i = next
	}
	if len(w.symbols) > 0 && w.symbols[0].lo != w.symbols[0].hi {
		return nil, fmt.Errorf("%w: the first symbol is not the empty string", errMalformed)
	}
	return w, nil
}

func (w *walker2) text() []byte { return w.labels }

func (w *walker2) next(samples *[]model.Sample) (s rawSeries, more bool, err error) {
	for w.i < len(w.b) {
		field, wire, i, err := tag(w.b, w.i)
		if err != nil {
			return s, false, err
		}
		if field != 5 {
			if w.i, err = skip(w.b, i, wire); err != nil {
				return s, false, err
			}
			continue
		}
		if wire != wireBytes {
			return s, false, fmt.Errorf("%w: timeseries", errMalformed)
		}
		var message []byte
		if message, w.i, err = chunk(w.b, i); err != nil {
			return s, false, err
		}
		s.firstSample = len(*samples)
		err = w.series(&s, message, samples)
		return s, err == nil, err
	}
	return s, false, nil
}

func (w *walker2) series(s *rawSeries, b []byte, samples *[]model.Sample) error {
	refs := w.refs[:0]
	var said []byte
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return err
		}
		if field > 1 && field <= 5 && wire != wireBytes {
			return fmt.Errorf("%w: field %d of a series", errMalformed, field)
		}
		var part []byte
		switch field {
		case 1:
			err = packed(b, at, wire, wireVarint, &at, func(b []byte, at int) (int, error) {
				v, at, err := uvarint(b, at)
				refs = append(refs, uint32(v))
				return at, err
			})
		case 2:
			if part, at, err = chunk(b, at); err == nil {
				err = takeSample(s, part, samples)
			}
		case 3:
			if part, at, err = chunk(b, at); err == nil {
				var h model.Histogram
				var start int64
				h, start, err = decodeHistogram(part)
				s.histograms = append(s.histograms, h)
				if start != 0 {
					s.starts = append(s.starts, model.Start{T: h.T, ST: start})
				}
			}
		case 4:
			if part, at, err = chunk(b, at); err == nil {
				var e exemplar.Exemplar
				e, err = w.exemplar(part)
				s.exemplars = append(s.exemplars, e)
			}
		case 5:
			if part, at, err = chunk(b, at); said == nil {
				said = part
			} else { // two of them are one with the fields of both
				said = append(said[:len(said):len(said)], part...)
			}
		default:
			at, err = skip(b, at, wire)
		}
		if err != nil {
			return err
		}
		i = at
	}
	s.named, w.refs = true, refs
	var err error
	if s.lo, s.hi, err = w.write(refs); err != nil || said == nil {
		return err
	}
	return w.says(said, refs)
}

// exemplar decodes an Exemplar message.
func (w *walker2) exemplar(b []byte) (e exemplar.Exemplar, err error) {
	var refs []uint32
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return e, err
		}
		if field != 1 {
			if i, err = skip(b, at, wire); err != nil {
				return e, err
			}
			continue
		}
		err = packed(b, at, wire, wireVarint, &i, func(b []byte, at int) (int, error) {
			v, at, err := uvarint(b, at)
			refs = append(refs, uint32(v))
			return at, err
		})
		if err != nil {
			return e, err
		}
	}
	if len(refs)%2 != 0 || len(refs) > 2*maxExemplarLabels {
		return e, fmt.Errorf("%w: %d numbers of symbols", errExemplar, len(refs))
	}
	var ls labels.ScratchBuilder
	for i := 0; i < len(refs); i += 2 {
		name, err := w.symbol(refs[i])
		if err != nil {
			return e, err
		}
		value, err := w.symbol(refs[i+1])
		if err != nil {
			return e, err
		}
		if len(name)+len(value) > maxExemplarBytes {
			return e, fmt.Errorf("%w: a label of %d bytes", errExemplar, len(name)+len(value))
		}
		ls.Add(string(name), string(value))
	}
	ls.Sort()
	e.Labels = ls.Labels()
	return e, exemplarNumbers(b, &e)
}

// symbol returns the text of a number.
func (w *walker2) symbol(ref uint32) ([]byte, error) {
	if int64(ref) >= int64(len(w.symbols)) {
		return nil, fmt.Errorf("%w: symbol %d of %d", errMalformed, ref, len(w.symbols))
	}
	return w.b[w.symbols[ref].lo:w.symbols[ref].hi], nil
}

// write writes the labels that the refs name, and returns where.
func (w *walker2) write(refs []uint32) (lo, hi int, err error) {
	if len(refs)%2 != 0 {
		return 0, 0, fmt.Errorf("%w: a series with %d numbers of symbols, names and values", errMalformed, len(refs))
	}
	lo = len(w.labels)
	for i := 0; i < len(refs); i += 2 {
		var pair [2][]byte
		for k := range pair {
			if pair[k], err = w.symbol(refs[i+k]); err != nil {
				return 0, 0, err
			}
		}
		name, value := pair[0], pair[1]
		size := 2 + uvarintLen(len(name)) + len(name) + uvarintLen(len(value)) + len(value)
		if len(w.labels)+size+6 > w.limit {
			return 0, 0, fmt.Errorf("the labels of all series take more than %d bytes when written out: send fewer series at once", w.limit)
		}
		w.labels = append(w.labels, 1<<3|wireBytes)
		w.labels = binary.AppendUvarint(w.labels, uint64(size))
		for field, text := range pair {
			w.labels = append(w.labels, byte(field+1)<<3|wireBytes)
			w.labels = append(binary.AppendUvarint(w.labels, uint64(len(text))), text...)
		}
	}
	return lo, len(w.labels), nil
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

// takeSample decodes a Sample message, which has a start timestamp beside what version 1.0 has.
func takeSample(s *rawSeries, b []byte, samples *[]model.Sample) error {
	sample, err := decodeSample(b)
	if err != nil {
		return err
	}
	*samples = append(*samples, sample)
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return err
		}
		if field != 3 {
			if i, err = skip(b, at, wire); err != nil {
				return err
			}
			continue
		}
		var v uint64
		if i, err = varintField(b, at, field, wire, &v); err != nil {
			return err
		}
		if v != 0 {
			s.starts = append(s.starts, model.Start{T: sample.T, ST: int64(v)})
		}
	}
	return nil
}
