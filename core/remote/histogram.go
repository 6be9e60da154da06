package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/model"
)

// maxBuckets is how many buckets or spans of them a histogram may have in a message; the storage takes fewer.
const maxBuckets = 1 << 16

// rawHistogram is the fields of a Histogram message, which are the same in both versions.
type rawHistogram struct {
	floats                         bool // the count is one
	count, zeros                   uint64
	countFloat, zerosFloat         float64
	sum, threshold                 float64
	schema                         int32
	hint                           histogram.CounterResetHint
	negative, positive             []histogram.Span
	negativeDeltas, positiveDeltas []int64
	negativeCounts, positiveCounts []float64
	custom                         []float64
	t, start                       int64
}

// decodeHistogram decodes a Histogram message, and its start timestamp, 0 if it has none.
func decodeHistogram(b []byte) (h model.Histogram, start int64, err error) {
	var r rawHistogram
	for i := 0; i < len(b); {
		field, wire, at, err := tag(b, i)
		if err != nil {
			return h, 0, err
		}
		if i, err = r.field(b, at, field, wire); err != nil {
			return h, 0, err
		}
	}
	if !r.floats {
		return model.Histogram{T: r.t, H: &histogram.Histogram{
			CounterResetHint: r.hint, Schema: r.schema, ZeroThreshold: r.threshold, ZeroCount: r.zeros, Count: r.count, Sum: r.sum,
			PositiveSpans: r.positive, PositiveBuckets: r.positiveDeltas, NegativeSpans: r.negative, NegativeBuckets: r.negativeDeltas,
			CustomValues: r.custom,
		}}, r.start, nil
	}
	return model.Histogram{T: r.t, FH: &histogram.FloatHistogram{
		CounterResetHint: r.hint, Schema: r.schema, ZeroThreshold: r.threshold, ZeroCount: r.zerosFloat, Count: r.countFloat, Sum: r.sum,
		PositiveSpans: r.positive, PositiveBuckets: r.positiveCounts, NegativeSpans: r.negative, NegativeBuckets: r.negativeCounts,
		CustomValues: r.custom,
	}}, r.start, nil
}

// field takes the value at b[at:] and returns where the next field begins.
func (r *rawHistogram) field(b []byte, at, field, wire int) (next int, err error) {
	number := func(v *uint64) { next, err = varintField(b, at, field, wire, v) }
	float := func(v *float64) { next, err = doubleField(b, at, field, wire, v) }
	var v uint64
	switch field {
	case 1:
		number(&r.count)
		r.floats, r.countFloat = false, 0
	case 2:
		float(&r.countFloat)
		r.floats, r.count = true, 0
	case 3:
		float(&r.sum)
	case 4:
		number(&v)
		r.schema = zigzag32(v)
	case 5:
		float(&r.threshold)
	case 6:
		number(&r.zeros)
		r.zerosFloat = 0
	case 7:
		float(&r.zerosFloat)
		r.zeros = 0
	case 8:
		r.negative, next, err = appendSpan(r.negative, b, at, wire)
	case 9:
		r.negativeDeltas, next, err = appendVarints(r.negativeDeltas, b, at, wire)
	case 10:
		r.negativeCounts, next, err = appendDoubles(r.negativeCounts, b, at, wire)
	case 11:
		r.positive, next, err = appendSpan(r.positive, b, at, wire)
	case 12:
		r.positiveDeltas, next, err = appendVarints(r.positiveDeltas, b, at, wire)
	case 13:
		r.positiveCounts, next, err = appendDoubles(r.positiveCounts, b, at, wire)
	case 14:
		number(&v)
		r.hint = histogram.CounterResetHint(min(v, 255))
		if r.hint > histogram.GaugeType {
			r.hint = histogram.UnknownCounterReset
		}
	case 15:
		number(&v)
		r.t = int64(v)
	case 16:
		r.custom, next, err = appendDoubles(r.custom, b, at, wire)
	case 17:
		number(&v)
		r.start = int64(v)
	default:
		return skip(b, at, wire)
	}
	return next, err
}

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func zigzag32(v uint64) int32 { return int32(uint32(v)>>1) ^ -int32(v&1) }

func varintField(b []byte, at, field, wire int, v *uint64) (next int, err error) {
	if wire != wireVarint {
		return 0, fmt.Errorf("%w: field %d", errMalformed, field)
	}
	*v, next, err = uvarint(b, at)
	return next, err
}

func doubleField(b []byte, at, field, wire int, v *float64) (next int, err error) {
	if wire != wireFixed64 {
		return 0, fmt.Errorf("%w: field %d", errMalformed, field)
	}
	if len(b)-at < 8 {
		return 0, errTruncated
	}
	*v = math.Float64frombits(binary.LittleEndian.Uint64(b[at:]))
	return at + 8, nil
}

var errTooMany = fmt.Errorf("%w: a histogram of more than %d buckets", errMalformed, maxBuckets)

// appendSpan appends a BucketSpan.
func appendSpan(to []histogram.Span, b []byte, at, wire int) (_ []histogram.Span, next int, err error) {
	if wire != wireBytes {
		return nil, 0, fmt.Errorf("%w: spans", errMalformed)
	}
	if len(to) == maxBuckets {
		return nil, 0, errTooMany
	}
	part, next, err := chunk(b, at)
	if err != nil {
		return nil, 0, err
	}
	var s histogram.Span
	for i := 0; i < len(part); {
		field, wire, at, err := tag(part, i)
		if err != nil {
			return nil, 0, err
		}
		var v uint64
		switch field {
		case 1:
			i, err = varintField(part, at, field, wire, &v)
			s.Offset = zigzag32(v)
		case 2:
			i, err = varintField(part, at, field, wire, &v)
			s.Length = uint32(v)
		default:
			i, err = skip(part, at, wire)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return append(to, s), next, nil
}

// appendVarints appends signed integers, packed or one.
func appendVarints(to []int64, b []byte, at, wire int) (_ []int64, next int, err error) {
	err = packed(b, at, wire, wireVarint, &next, func(b []byte, at int) (int, error) {
		v, at, err := uvarint(b, at)
		if len(to) == maxBuckets {
			return 0, errTooMany
		}
		to = append(to, zigzag(v))
		return at, err
	})
	return to, next, err
}

// appendDoubles appends floats, packed or one.
func appendDoubles(to []float64, b []byte, at, wire int) (_ []float64, next int, err error) {
	err = packed(b, at, wire, wireFixed64, &next, func(b []byte, at int) (int, error) {
		if len(b)-at < 8 {
			return 0, errTruncated
		}
		if len(to) == maxBuckets {
			return 0, errTooMany
		}
		to = append(to, math.Float64frombits(binary.LittleEndian.Uint64(b[at:])))
		return at + 8, nil
	})
	return to, next, err
}

// errPacked refuses packed numbers that end in the middle of one; upstream reads on, into what comes after them.
var errPacked = fmt.Errorf("%w: packed numbers end in the middle of one", errMalformed)

// packed calls f for each value of a repeated field whose values are of the type elem: all of them, or the one here.
func packed(b []byte, at, wire, elem int, next *int, f func(b []byte, at int) (int, error)) (err error) {
	switch wire {
	case elem:
		*next, err = f(b, at)
		return err
	case wireBytes:
		part, end, err := chunk(b, at)
		*next = end
		for i := 0; err == nil && i < len(part); {
			i, err = f(part, i)
		}
		if errors.Is(err, errTruncated) {
			return errPacked
		}
		return err
	}
	return fmt.Errorf("%w: repeated numbers of wire type %d", errMalformed, wire)
}
