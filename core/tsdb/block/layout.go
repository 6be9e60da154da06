package block

import (
	"encoding/binary"
	"math/bits"

	"github.com/hearth-project/hearth/core/internal/fields"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// The bytes of the data file: FORMAT.md, section 4.
const (
	maxBlocks = 1 << 20 // of a group: a billion rows
	minRecord = 7       // bytes of a block's record

)

// blockRecord says where a block of a group's rows is.
type blockRecord struct {
	rows       int
	mint, maxt int64
	times      uint64 // where the times are; other groups' blocks may have the same ones
	timesLen   uint64
	start      uint64 // of the columns
	dir        uint64 // of the directory, behind the columns
	dirLen     uint64
}

// append appends the record; at is where the records of the group begin, prev the last time of the block before.
func (r *blockRecord) append(dst []byte, at uint64, prev int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(r.rows-1))
	dst = binary.AppendVarint(dst, r.mint-prev)
	dst = binary.AppendUvarint(dst, uint64(r.maxt)-uint64(r.mint))
	dst = binary.AppendUvarint(dst, at-r.start)
	dst = binary.AppendUvarint(dst, r.start-r.times)
	dst = binary.AppendUvarint(dst, r.timesLen)
	dst = binary.AppendUvarint(dst, r.dir-r.start)
	return binary.AppendUvarint(dst, r.dirLen)
}

// records reads where the blocks of a group are.
func (b *Block) records(g index.Group) ([]blockRecord, error) {
	size := b.data.Len()
	if g.Data > size {
		return nil, b.data.corrupt("records of a group at %d, it has %d bytes", g.Data, size)
	}
	raw, err := b.data.Slice(g.Data, min(size-g.Data, binary.MaxVarintLen64))
	if err != nil {
		return nil, err
	}
	n := fields.Reader{B: raw}
	count, length := n.Uint(), n.Uint()
	if n.Bad || count == 0 || count > maxBlocks || length > size || length < count*minRecord {
		return nil, b.data.corrupt("%d blocks in %d bytes of the group at %d", count, length, g.Data)
	}
	if n.B, err = b.data.Slice(g.Data+uint64(len(raw)-len(n.B)), length); err != nil {
		return nil, err
	}
	out := make([]blockRecord, count)
	prev := int64(0)
	for i := range out {
		r := &out[i]
		rows := n.Uint() + 1
		r.mint = prev + n.Int()
		r.maxt = int64(uint64(r.mint) + n.Uint())
		back, times := n.Uint(), n.Uint()
		r.start = g.Data - back
		r.times = r.start - times
		r.timesLen = n.Uint()
		cols := n.Uint()
		r.dir = r.start + cols
		r.dirLen = n.Uint()
		if n.Bad || rows < 1 || rows > chunk.MaxRows || r.mint > r.maxt || i > 0 && prev >= r.mint ||
			back > g.Data || times > r.start || r.timesLen > times || cols > back || r.dirLen > back-cols {
			return nil, b.data.corrupt("block %d of the group at %d", i, g.Data)
		}
		r.rows, prev = int(rows), r.maxt
	}
	if len(n.B) > 0 {
		return nil, b.data.corrupt("%d bytes after the records of the group at %d", len(n.B), g.Data)
	}
	return out, nil
}

// A block's directory tells of every 16 slots, a stride: where their columns begin and where the directory goes
// on about them; there a byte with the width of their lengths and two flags, then what the flags announce, then
// the lengths.
const (
	stride      = 16
	strideHead  = 4 + 2
	allDense    = 1 << 7 // else two bytes follow, a bit each: the slot has a sample in every row
	allPlain    = 1 << 6 // else four bytes follow, two bits each: its kind
	widthMask   = 0x0f
	maxWidth    = 14 // bits of a length: chunk.MaxLen(chunk.MaxRows) < 1<<14
	tailPadding = 8  // bytes behind the last length, so that eight bytes can be loaded anywhere
)

// kind is how the bytes of a slot in a block are to be read.
type kind uint8

const (
	asIs    kind = iota // a column
	sameAs              // the uvarint of an earlier slot, whose column is this one's as well
	aboveOf             // the varint of what another slot is further, and the column as the difference to that slot's
	belowOf             // likewise, to what that slot's has with the other sign
)

// entry is what a directory has of a slot.
type entry struct {
	length uint16 // of its bytes; 0: no sample
	kind   kind
	dense  bool // a sample in every row
}

func appendDirectory(dst []byte, slots []entry) []byte {
	strides := (len(slots) + stride - 1) / stride
	var rest []byte
	at := uint32(0)
	for k := range strides {
		some := slots[k*stride : min(len(slots), (k+1)*stride)]
		dst = binary.LittleEndian.AppendUint32(dst, at)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(rest)))
		var dense uint16
		var kinds uint32
		width := 0
		for i, e := range some {
			at += uint32(e.length)
			width = max(width, bits.Len16(e.length))
			kinds |= uint32(e.kind) << (2 * i)
			if e.dense {
				dense |= 1 << i
			}
		}
		head := byte(width)
		if full := uint16(1<<len(some) - 1); dense == full {
			head |= allDense
		}
		if kinds == 0 {
			head |= allPlain
		}
		rest = append(rest, head)
		if head&allDense == 0 {
			rest = binary.LittleEndian.AppendUint16(rest, dense)
		}
		if head&allPlain == 0 {
			rest = binary.LittleEndian.AppendUint32(rest, kinds)
		}
		lengths := make([]byte, (width*len(some)+7)/8+tailPadding)
		for i, e := range some {
			bit := i * width
			v := binary.LittleEndian.Uint64(lengths[bit/8:]) | uint64(e.length)<<(bit%8)
			binary.LittleEndian.PutUint64(lengths[bit/8:], v)
		}
		rest = append(rest, lengths[:len(lengths)-tailPadding]...)
	}
	dst = append(dst, rest...)
	return append(dst, make([]byte, tailPadding)...)
}

// strideOf is a stride of a directory.
type strideOf struct {
	base    uint32
	width   uint
	dense   uint16
	kinds   uint32
	lengths []byte // at least enough for 16 and the padding
}

// checkDirectory tells whether all strides of a directory lie within it, so that they can be read unchecked.
func checkDirectory(dir []byte, slots uint32) bool {
	strides := (int(slots) + stride - 1) / stride
	if len(dir) < strides*strideHead+tailPadding {
		return false
	}
	rest := dir[strides*strideHead:]
	for k := range strides {
		at := int(binary.LittleEndian.Uint16(dir[k*strideHead+4:]))
		if at >= len(rest) {
			return false
		}
		h := rest[at]
		n := min(stride, int(slots)-k*stride)
		need := 1 + (int(h&widthMask)*n+7)/8 + tailPadding
		if h&allDense == 0 {
			need += 2
		}
		if h&allPlain == 0 {
			need += 4
		}
		if h&widthMask > maxWidth || need > len(rest)-at {
			return false
		}
	}
	return true
}

// strideAt reads the stride of a slot.
func (s *span) strideAt(slot uint32) strideOf {
	k := slot / stride
	rest := s.directory[(s.slots+stride-1)/stride*strideHead:]
	e := s.directory[k*strideHead:]
	t := strideOf{base: binary.LittleEndian.Uint32(e), dense: 1<<stride - 1}
	rest = rest[binary.LittleEndian.Uint16(e[4:]):]
	h := rest[0]
	rest = rest[1:]
	t.width = uint(h & widthMask)
	if h&allDense == 0 {
		t.dense = binary.LittleEndian.Uint16(rest)
		rest = rest[2:]
	}
	if h&allPlain == 0 {
		t.kinds = binary.LittleEndian.Uint32(rest)
		rest = rest[4:]
	}
	t.lengths = rest
	return t
}

func (t *strideOf) length(i uint) uint16 {
	bit := i * t.width
	return uint16(binary.LittleEndian.Uint64(t.lengths[bit/8:]) >> (bit % 8) & (1<<t.width - 1))
}

// entry returns what the directory has of slot i of the stride.
func (t *strideOf) entry(i uint) entry {
	return entry{length: t.length(i), kind: kind(t.kinds >> (2 * i) & 3), dense: t.dense>>i&1 != 0}
}

// entry returns what the directory has of a slot.
func (s *span) entry(slot uint32) entry {
	t := s.strideAt(slot)
	return t.entry(uint(slot % stride))
}

// place returns where in the columns the bytes of a slot begin, and what they are.
func (s *span) place(slot uint32) (off uint64, e entry) {
	t := s.strideAt(slot)
	off = uint64(t.base)
	last := uint(slot % stride)
	for i := range last {
		off += uint64(t.length(i))
	}
	return off, entry{length: t.length(last), kind: kind(t.kinds >> (2 * last) & 3)}
}
