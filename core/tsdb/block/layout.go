package block

import (
	"encoding/binary"

	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// The bytes of the data file: FORMAT.md, section 4.
const (
	recordSize = 2 + 2 + 4 + 8 + 8 + 8 + 8
	maxBlocks  = 1 << 20 // of a group: a billion rows

	stride = 16      // slots that share a base offset
	sameAs = 1 << 15 // flag of a length: the bytes are the number of an earlier slot with the same column
)

// blockRecord says where a block of a group's rows is.
type blockRecord struct {
	rows       int
	timesLen   uint32
	mint, maxt int64
	start      uint64 // of the times, with the columns behind them
	dir        uint64 // of the lengths
}

func (r *blockRecord) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(r.rows))
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, r.timesLen)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.mint))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.maxt))
	dst = binary.LittleEndian.AppendUint64(dst, r.start)
	return binary.LittleEndian.AppendUint64(dst, r.dir)
}

// records reads where the blocks of a group are.
func (b *Block) records(g index.Group) ([]blockRecord, error) {
	head, err := b.data.Slice(g.Data, 4)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head)
	if n == 0 || n > maxBlocks {
		return nil, b.data.corrupt("%d blocks of the group at %d", n, g.Data)
	}
	raw, err := b.data.Slice(g.Data+4, uint64(n)*recordSize)
	if err != nil {
		return nil, err
	}
	out := make([]blockRecord, n)
	for i := range out {
		e := raw[i*recordSize:]
		r := blockRecord{
			rows: int(binary.LittleEndian.Uint16(e)), timesLen: binary.LittleEndian.Uint32(e[4:]),
			mint: int64(binary.LittleEndian.Uint64(e[8:])), maxt: int64(binary.LittleEndian.Uint64(e[16:])),
			start: binary.LittleEndian.Uint64(e[24:]), dir: binary.LittleEndian.Uint64(e[32:]),
		}
		if size := b.data.Len(); r.rows < 1 || r.rows > chunk.MaxRows || r.start > size || r.dir > size || r.mint > r.maxt ||
			i > 0 && out[i-1].maxt >= r.mint {
			return nil, b.data.corrupt("block %d of the group at %d", i, g.Data)
		}
		out[i] = r
	}
	return out, nil
}

// A block's directory: for every 16 slots where their columns begin, for each slot the length of its column,
// and a bit for each that has a sample in every row.

func directorySize(slots uint32) uint64 {
	n := uint64(slots)
	return (n+stride-1)/stride*4 + n*2 + (n+7)/8
}

func appendDirectory(dst []byte, lengths []uint16, dense []bool) []byte {
	at := uint32(0)
	for i, n := range lengths {
		if i%stride == 0 {
			dst = binary.LittleEndian.AppendUint32(dst, at)
		}
		at += uint32(n &^ sameAs)
	}
	for _, n := range lengths {
		dst = binary.LittleEndian.AppendUint16(dst, n)
	}
	bits := make([]byte, (len(dense)+7)/8)
	for i, d := range dense {
		if d {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return append(dst, bits...)
}

// lengths returns the part of the directory that has them.
func (s *span) lengths() []byte { return s.directory[(s.slots+stride-1)/stride*4:] }

// length returns the length of the column of a slot, with sameAs; 0 if it has no sample.
func (s *span) length(slot uint32) uint16 { return binary.LittleEndian.Uint16(s.lengths()[2*slot:]) }

// dense tells whether the slot has a sample in every row.
func (s *span) dense(slot uint32) bool { return s.lengths()[2*s.slots+slot/8]&(1<<(slot%8)) != 0 }

// place returns where the column of a slot begins behind the times, and its length.
func (s *span) place(slot uint32) (off uint64, n uint16) {
	off = uint64(binary.LittleEndian.Uint32(s.directory[slot/stride*4:]))
	for k := slot &^ (stride - 1); k < slot; k++ {
		off += uint64(s.length(k) &^ sameAs)
	}
	return off, s.length(slot)
}
