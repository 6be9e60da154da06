package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// The wire format of protocol buffers, as far as remote write needs it; messages are in prompb/remote.proto and
// prompb/types.proto of github.com/prometheus/prometheus. What it accepts, upstream's generated code accepts too,
// with the same meaning, except that skipped parts are not looked into.

var (
	errTruncated = errors.New("protobuf: message ends too early")
	errMalformed = errors.New("protobuf: malformed message")
)

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireStart   = 3 // of a group, which nobody sends
	wireEnd     = 4
	wireFixed32 = 5
)

// uvarint reads a varint at b[i:].
func uvarint(b []byte, i int) (v uint64, next int, err error) {
	for shift := uint(0); shift < 64; shift += 7 {
		if i >= len(b) {
			return 0, 0, errTruncated
		}
		c := b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i, nil
		}
	}
	return 0, 0, errMalformed
}

// tag reads the number and the type of a field.
func tag(b []byte, i int) (field, wire, next int, err error) {
	v, i, err := uvarint(b, i)
	if err != nil {
		return 0, 0, 0, err
	}
	field, wire = int(int32(v>>3)), int(v&7)
	if field <= 0 || wire == wireEnd {
		return 0, 0, 0, errMalformed
	}
	return field, wire, i, nil
}

// chunk returns the bytes of a field of type bytes, string or message.
func chunk(b []byte, i int) (part []byte, next int, err error) {
	n, i, err := uvarint(b, i)
	if err != nil {
		return nil, 0, err
	}
	if n > uint64(len(b)-i) {
		return nil, 0, errTruncated
	}
	return b[i : i+int(n)], i + int(n), nil
}

// skip steps over the value of a field.
func skip(b []byte, i, wire int) (next int, err error) {
	for depth := 0; ; {
		switch wire {
		case wireVarint:
			_, i, err = uvarint(b, i)
		case wireFixed64:
			i += 8
		case wireBytes:
			_, i, err = chunk(b, i)
		case wireStart:
			depth++
		case wireEnd:
			depth--
		case wireFixed32:
			i += 4
		default:
			return 0, errMalformed
		}
		if err != nil {
			return 0, err
		}
		if i > len(b) {
			return 0, errTruncated
		}
		if depth == 0 {
			return i, nil
		}
		var v uint64
		if v, i, err = uvarint(b, i); err != nil {
			return 0, err
		}
		wire = int(v & 7)
	}
}

// walker steps through the series of a request.
type walker interface {
	// next decodes the samples of the next series onto samples. It returns false at the end.
	next(samples *[]model.Sample) (s rawSeries, more bool, err error)

	// text is the bytes that raw labels lie in, once all series were walked.
	text() []byte

	// metadata is what was said of metrics, once all series were walked.
	metadata() *statements
}

// rawSeries is one series: where its labels are, and its samples.
type rawSeries struct {
	lo, hi      int  // where in the text its labels are, in the encoding of version 1, or a message with them
	named       bool // the text at lo..hi is the labels alone, so that it names the series
	firstSample int  // index of its first sample in what next was given
	histograms  []model.Histogram
	exemplars   []exemplar.Exemplar
	starts      []model.Start // of any of its samples
}

// native tells whether the series has more than numbers.
func (s *rawSeries) native() bool { return len(s.histograms)+len(s.starts) > 0 }

// walker1 steps through the series of a WriteRequest, version 1.0.
type walker1 struct {
	b []byte
	i int
	statements
}

func (w *walker1) text() []byte { return w.b }

func (w *walker1) next(samples *[]model.Sample) (s rawSeries, more bool, err error) {
	for w.i < len(w.b) {
		field, wire, i, err := tag(w.b, w.i)
		if err != nil {
			return s, false, err
		}
		switch field {
		case 1: // timeseries
			if wire != wireBytes {
				return s, false, fmt.Errorf("%w: timeseries", errMalformed)
			}
			var message []byte
			message, w.i, err = chunk(w.b, i)
			if err != nil {
				return s, false, err
			}
			s.lo, s.hi, s.firstSample = w.i-len(message), w.i, len(*samples)
			err = w.series(&s, message, samples)
			return s, err == nil, err
		case 3: // metadata
			if wire != wireBytes {
				return s, false, fmt.Errorf("%w: metadata", errMalformed)
			}
			var message []byte
			if message, w.i, err = chunk(w.b, i); err != nil {
				return s, false, err
			}
			said, err := decodeMetadata(message)
			if err != nil {
				return s, false, err
			}
			w.add(said)
			continue
		}
		if w.i, err = skip(w.b, i, wire); err != nil {
			return s, false, err
		}
	}
	return s, false, nil
}

func (w *walker1) series(s *rawSeries, b []byte, samples *[]model.Sample) error {
	labelEnd, together := 0, true // as all senders write them
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return err
		}
		if field <= 4 && wire != wireBytes {
			return fmt.Errorf("%w: field %d of a series", errMalformed, field)
		}
		var part []byte
		switch field {
		case 1:
			_, at, err = chunk(b, at)
			together = together && i == labelEnd
			labelEnd = at
		case 2:
			if part, at, err = chunk(b, at); err == nil {
				var sample model.Sample
				sample, err = decodeSample(part)
				*samples = append(*samples, sample)
			}
		case 3:
			if part, at, err = chunk(b, at); err == nil {
				var e exemplar.Exemplar
				e, err = decodeExemplar(part)
				s.exemplars = append(s.exemplars, e)
			}
		case 4:
			if part, at, err = chunk(b, at); err == nil {
				var h model.Histogram
				h, _, err = decodeHistogram(part)
				s.histograms = append(s.histograms, h)
			}
		default:
			at, err = skip(b, at, wire)
		}
		if err != nil {
			return err
		}
		i = at
	}
	if together {
		s.hi, s.named = s.lo+labelEnd, true
	}
	return nil
}

// decodeExemplar decodes an Exemplar message of version 1.0.
func decodeExemplar(b []byte) (e exemplar.Exemplar, err error) {
	text := bytes.Clone(b) // labels are parts of this one copy until the builder is done
	var ls labels.ScratchBuilder
	longest := 0
	if err := eachLabel(text, func(name, value []byte) {
		longest = max(longest, len(name), len(value))
		ls.Add(view(name), view(value))
	}); err != nil {
		return e, err
	}
	if longest > storage.MaxLabel {
		return e, fmt.Errorf("%w: a label of %d bytes", errExemplar, longest)
	}
	ls.Sort()
	e.Labels = ls.Labels()
	return e, exemplarNumbers(b, &e)
}

// exemplarNumbers decodes the value and the time of an Exemplar message, which are the same in both versions.
func exemplarNumbers(b []byte, e *exemplar.Exemplar) error {
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return err
		}
		switch field {
		case 2:
			i, err = doubleField(b, at, field, wire, &e.Value)
		case 3:
			var v uint64
			i, err = varintField(b, at, field, wire, &v)
			e.Ts = int64(v)
		default:
			i, err = skip(b, at, wire)
		}
		if err != nil {
			return err
		}
	}
	e.HasTs = e.Ts != 0
	return nil
}

func decodeSample(b []byte) (s model.Sample, err error) {
	if len(b) > 9 && b[0] == 1<<3|wireFixed64 && b[9] == 2<<3|wireVarint { // as all senders write it
		s.V = math.Float64frombits(binary.LittleEndian.Uint64(b[1:]))
		t, end, err := uvarint(b, 10)
		if err == nil && end == len(b) {
			s.T = int64(t)
			return s, nil
		}
	}
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return s, err
		}
		switch {
		case field == 1 && wire == wireFixed64:
			if len(b)-at < 8 {
				return s, errTruncated
			}
			s.V = math.Float64frombits(binary.LittleEndian.Uint64(b[at:]))
			at += 8
		case field == 2 && wire == wireVarint:
			var t uint64
			if t, at, err = uvarint(b, at); err != nil {
				return s, err
			}
			s.T = int64(t)
		case field <= 2:
			return s, fmt.Errorf("%w: field %d of a sample", errMalformed, field)
		default:
			if at, err = skip(b, at, wire); err != nil {
				return s, err
			}
		}
		i = at
	}
	return s, nil
}

// eachLabel calls f with every label of a TimeSeries message, in order. The slices are of the message.
func eachLabel(message []byte, f func(name, value []byte)) error {
	for i := 0; i < len(message); {
		field, wire, at, err := tag(message, i)
		if err != nil {
			return err
		}
		if field != 1 {
			if i, err = skip(message, at, wire); err != nil {
				return err
			}
			continue
		}
		var part []byte
		if part, i, err = chunk(message, at); err != nil {
			return err
		}
		name, value, err := decodeLabel(part)
		if err != nil {
			return err
		}
		f(name, value)
	}
	return nil
}

func decodeLabel(b []byte) (name, value []byte, err error) {
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return nil, nil, err
		}
		if field > 2 {
			if i, err = skip(b, at, wire); err != nil {
				return nil, nil, err
			}
			continue
		}
		if wire != wireBytes {
			return nil, nil, fmt.Errorf("%w: field %d of a label", errMalformed, field)
		}
		var part []byte
		if part, i, err = chunk(b, at); err != nil {
			return nil, nil, err
		}
		if field == 1 {
			name = part
		} else {
			value = part
		}
	}
	return name, value, nil
}
