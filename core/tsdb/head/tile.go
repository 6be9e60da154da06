package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// The bytes of a tile: FORMAT.md, section 4.1.
const (
	tileHeader  = 12
	tileStride  = 64  // slots that share one base offset
	maxTileRows = 127 // so that the columns of a stride end within the 16 bits that say where
)

const _ = uint16(tileStride * (1 + 8*maxTileRows)) // chunk.MaxLen of each: this compiles only if it fits

var errTile = errors.New("malformed tile")

// tile is a run of sealed rows of a group: every column encoded, never changed again.
type tile struct {
	mint, maxt int64
	rows       int
	blob       []byte
	file       *tileFile // that blob lies in; nil while it is on the heap
}

// column returns the encoded column of the slot, empty if the slot has no sample in the tile.
func (t *tile) column(slot uint32) []byte {
	b := t.blob
	n := binary.LittleEndian.Uint32(b[4:])
	if slot >= n {
		return nil
	}
	blocks := (n + tileStride - 1) / tileStride
	data := tileHeader + blocks*4 + n*2
	ends := b[tileHeader+blocks*4:]
	at := data + binary.LittleEndian.Uint32(b[8:]) + binary.LittleEndian.Uint32(b[tileHeader+slot/tileStride*4:])
	lo := at
	if slot%tileStride != 0 {
		lo += uint32(binary.LittleEndian.Uint16(ends[(slot-1)*2:]))
	}
	return b[lo : at+uint32(binary.LittleEndian.Uint16(ends[slot*2:]))]
}

// times decodes the timestamps into dst, which has one element a row.
func (t *tile) times(dst []int64) error {
	n := binary.LittleEndian.Uint32(t.blob[4:])
	lo := tileHeader + (n+tileStride-1)/tileStride*4 + n*2
	return chunk.DecodeTimes(dst, t.blob[lo:lo+binary.LittleEndian.Uint32(t.blob[8:])])
}

// nextTime returns the first time at or after t, which is not after maxt.
func (t *tile) nextTime(at int64) int64 {
	ts := make([]int64, t.rows)
	if t.times(ts) != nil {
		return at // the cut meets the damage and tells
	}
	i, _ := slices.BinarySearch(ts, at)
	return ts[i]
}

// slots returns the number of columns.
func (t *tile) slots() int { return int(binary.LittleEndian.Uint32(t.blob[4:])) }

// parseTile checks the frame of an encoded tile, so that column and times stay within it whatever the bytes.
func parseTile(b []byte) (tile, error) {
	if len(b) < tileHeader {
		return tile{}, errTile
	}
	rows := int(binary.LittleEndian.Uint16(b))
	n := int(binary.LittleEndian.Uint32(b[4:]))
	tl := int(binary.LittleEndian.Uint32(b[8:]))
	if rows < 1 || rows > maxTileRows || n > maxSlots {
		return tile{}, errTile
	}
	blocks := (n + tileStride - 1) / tileStride
	data := tileHeader + blocks*4 + n*2 + tl
	if data > len(b) {
		return tile{}, errTile
	}
	at := 0
	for k := range blocks {
		if int(binary.LittleEndian.Uint32(b[tileHeader+k*4:])) != at {
			return tile{}, errTile
		}
		last := 0
		for s := k * tileStride; s < min(n, (k+1)*tileStride); s++ {
			end := int(binary.LittleEndian.Uint16(b[tileHeader+blocks*4+s*2:]))
			if end < last {
				return tile{}, errTile
			}
			last = end
		}
		at += last
	}
	if data+at != len(b) {
		return tile{}, errTile
	}
	t := tile{rows: rows, blob: b}
	ts := make([]int64, rows)
	if err := t.times(ts); err != nil {
		return tile{}, fmt.Errorf("%w: %w", errTile, err)
	}
	for i := 1; i < rows; i++ {
		if ts[i] <= ts[i-1] {
			return tile{}, errTile
		}
	}
	t.mint, t.maxt = ts[0], ts[rows-1]
	return t, nil
}

// sealer encodes tiles; it belongs to one goroutine.
type sealer struct {
	enc  chunk.Encoder
	buf  []byte
	cols [8][]float64
}

// seal encodes rows of slots columns: ts are their times, row(r) their values by slot, in rows at least slots
// long.
func (s *sealer) seal(ts []int64, slots int, row func(r int) []float64) tile {
	b := s.encode(ts, slots, row)
	return tile{mint: ts[0], maxt: ts[len(ts)-1], rows: len(ts), blob: append([]byte(nil), b...)}
}

// encode returns the bytes of a tile, which the next call overwrites.
func (s *sealer) encode(ts []int64, slots int, row func(r int) []float64) []byte {
	n := len(ts)
	blocks := (slots + tileStride - 1) / tileStride
	head := tileHeader + blocks*4 + slots*2
	b := growBytes(s.buf[:0], head)[:head]
	binary.LittleEndian.PutUint16(b, uint16(n))
	binary.LittleEndian.PutUint16(b[2:], 0)
	binary.LittleEndian.PutUint32(b[4:], uint32(slots))
	b = chunk.EncodeTimes(b, ts)
	data := len(b)
	binary.LittleEndian.PutUint32(b[8:], uint32(data-head))
	for i := range s.cols {
		if cap(s.cols[i]) < n {
			s.cols[i] = make([]float64, n)
		}
		s.cols[i] = s.cols[i][:n]
	}
	base := data
	for c := 0; c < slots; c += len(s.cols) { // a few columns at a time, for the cache
		m := min(len(s.cols), slots-c)
		var any [8]bool
		for r := range n {
			for j, v := range row(r)[c : c+m] {
				s.cols[j][r] = v
				any[j] = any[j] || !storage.IsAbsent(v)
			}
		}
		if c%tileStride == 0 {
			base = len(b)
			binary.LittleEndian.PutUint32(b[tileHeader+c/tileStride*4:], uint32(base-data))
		}
		for j := range m {
			if any[j] {
				b = s.enc.Encode(b, s.cols[j])
			}
			binary.LittleEndian.PutUint16(b[tileHeader+blocks*4+(c+j)*2:], uint16(len(b)-base))
		}
	}
	s.buf = b
	return b
}

// decoder decodes columns of tiles; it belongs to one goroutine. What it returns is overwritten by its next
// call.
type decoder struct {
	dec    chunk.Decoder
	ts     []int64
	vals   []float64
	joiner index.Joiner
}

// decode returns the times and values of a slot, or ok false if it has no sample or its bytes are damaged.
func (d *decoder) decode(t *tile, slot uint32) (ts []int64, vals []float64, ok bool) {
	col := t.column(slot)
	if len(col) == 0 {
		return nil, nil, false
	}
	d.ts = slices.Grow(d.ts[:0], t.rows)[:t.rows]
	d.vals = slices.Grow(d.vals[:0], t.rows)[:t.rows]
	if t.times(d.ts) != nil || d.dec.Decode(d.vals, col) != nil {
		return nil, nil, false
	}
	return d.ts, d.vals, true
}

// values decodes the values of a slot that has samples in the tile.
func (d *decoder) values(t *tile, slot uint32) ([]float64, error) {
	d.vals = slices.Grow(d.vals[:0], t.rows)[:t.rows]
	return d.vals, d.dec.Decode(d.vals, t.column(slot))
}
