package head

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/hearth-project/hearth/core/storage"
)

// What is known of the slots of a group, as it lies in a snapshot: FORMAT.md, section 4.2. So rows of the log go on across
// checkpoints.

var errStates = errors.New("malformed states of slots")

const (
	trendBias = 3      // so that trends are not negative
	lastApart = 1 << 3 // beside the trend: last is not that of the newest open row and is written
)

// lastOf returns the integer of v, which is the slot's newest value, at its scale.
func (s *slotState) lastOf(v float64) (int64, bool) {
	if s.scale == scaleRaw {
		return int64(math.Float64bits(v)), true
	}
	return integer(v, s.scale)
}

// stateCodec writes and reads states; it belongs to one goroutine.
type stateCodec struct {
	raw, packed []byte
	newest      []float64
}

// newestOf returns the value that each of n slots has in the newest of the rows that it has one in; absent if it has none.
// The next call overwrites it.
func (c *stateCodec) newestOf(n, rows int, row func(r int) []float64) []float64 {
	c.newest = slices.Grow(c.newest[:0], n)[:n]
	fillAbsent(c.newest)
	missing := n
	for r := rows - 1; r >= 0 && missing > 0; r-- {
		for s, v := range row(r)[:n] {
			if storage.IsAbsent(c.newest[s]) && !storage.IsAbsent(v) {
				c.newest[s] = v
				missing--
			}
		}
	}
	return c.newest
}

// append appends the states of slots; newest has their newest values.
func (c *stateCodec) append(dst []byte, slots []slotState, newest []float64) []byte {
	n := len(slots)
	b := growBytes(c.raw[:0], 4*n+n*(binary.MaxVarintLen32+binary.MaxVarintLen64))[:4*n]
	for i := range slots {
		s := &slots[i]
		b[i], b[n+i], b[2*n+i], b[3*n+i] = s.scale, s.width, s.still, uint8(s.trend+trendBias)
		b = binary.AppendVarint(b, int64(s.step))
		if s.width == 0 {
			continue
		}
		if last, ok := s.lastOf(newest[i]); !ok || last != s.last {
			b[3*n+i] |= lastApart
			b = binary.AppendVarint(b, s.last)
		}
	}
	c.raw = b
	if need := s2.MaxEncodedLen(len(b)); cap(c.packed) < need {
		c.packed = make([]byte, need)
	}
	packed := s2.Encode(c.packed[:cap(c.packed)], b)
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendUvarint(dst, uint64(len(packed)))
	return append(dst, packed...)
}

// read is the inverse of append: it gets what lies behind the two numbers. slots are zero.
func (c *stateCodec) read(packed []byte, slots []slotState, newest []float64) error {
	n := len(slots)
	size, err := s2.DecodedLen(packed)
	if err != nil || size < 5*n || size > n*(4+binary.MaxVarintLen32+binary.MaxVarintLen64) {
		return errStates
	}
	c.raw = growBytes(c.raw[:0], size)
	b, err := s2.Decode(c.raw[:size], packed)
	if err != nil {
		return errStates
	}
	rest := b[4*n:]
	for i := range slots {
		s := &slots[i]
		trend := b[3*n+i]
		s.scale, s.width, s.still, s.trend = b[i], b[n+i], b[2*n+i], int8(trend&(lastApart-1))-trendBias
		step, k := binary.Varint(rest)
		if k <= 0 || step != int64(int32(step)) || s.scale > scaleRaw {
			return errStates
		}
		rest = rest[k:]
		s.step = int32(step)
		if s.width == 0 {
			continue
		}
		if trend&lastApart != 0 {
			if s.last, k = binary.Varint(rest); k <= 0 {
				return errStates
			}
			rest = rest[k:]
		} else if last, ok := s.lastOf(newest[i]); ok {
			s.last = last
		} else {
			return errStates
		}
	}
	return nil
}
