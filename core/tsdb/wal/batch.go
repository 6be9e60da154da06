package wal

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/s2"
)

// A batch is the records that one write puts into a segment: FORMAT.md, section 3. They are framed and
// checked together, and compressed if that makes them shorter.

const (
	batchPlain = 1
	batchS2    = 2

	batchSize = 1 << 20 // bytes of records from which on another batch is begun
	maxPrefix = 2*binary.MaxVarintLen32 + 1
)

var errBatch = errors.New("malformed batch")

// appendInner appends a record as it lies in a batch.
func appendInner(dst []byte, typ byte, data []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	dst = append(dst, typ)
	return append(dst, data...)
}

// appendBatch appends a batch of records, the first of which is at offset of the segment. scratch is grown and
// returned.
func appendBatch(dst, scratch []byte, segment uint64, offset int64, records []byte) (batch, grown []byte) {
	scratch = binary.AppendUvarint(scratch[:0], uint64(offset))
	scratch = binary.AppendUvarint(scratch, uint64(len(records)))
	n := len(scratch)
	if need := n + s2.MaxEncodedLen(len(records)); cap(scratch) < need {
		scratch = append(make([]byte, 0, need), scratch...)
	}
	typ := byte(batchS2)
	packed := s2.Encode(scratch[n:cap(scratch)], records)
	if len(packed) < len(records) {
		scratch = scratch[:n+len(packed)]
	} else {
		typ = batchPlain
		scratch = append(scratch[:n], records...)
	}
	return AppendRecord(dst, segment, typ, scratch), scratch
}

// batchReader takes batches apart.
type batchReader struct{ buf []byte }

// read calls f for each record of a batch; its data is valid during the call.
func (r *batchReader) read(segment uint64, typ byte, data []byte, f func(typ byte, pos Pos, data []byte) error) error {
	offset, k := binary.Uvarint(data)
	if k <= 0 || offset > 1<<31 {
		return errBatch
	}
	data = data[k:]
	size, k := binary.Uvarint(data)
	if k <= 0 || size > MaxRecord+batchSize+maxPrefix {
		return errBatch
	}
	data = data[k:]
	switch typ {
	case batchPlain:
	case batchS2:
		if n, err := s2.DecodedLen(data); err != nil || uint64(n) != size {
			return errBatch
		}
		if cap(r.buf) < int(size) {
			r.buf = make([]byte, size, size+size/4)
		}
		var err error
		if data, err = s2.Decode(r.buf[:size], data); err != nil {
			return errBatch
		}
	default:
		return errBatch
	}
	if uint64(len(data)) != size {
		return errBatch
	}
	for len(data) > 0 {
		n, k := binary.Uvarint(data)
		if k <= 0 || n >= uint64(len(data)-k) {
			return errBatch
		}
		end := k + 1 + int(n)
		offset += uint64(end)
		if err := f(data[k], MakePos(segment, int64(offset)), data[k+1:end]); err != nil {
			return err
		}
		data = data[end:]
	}
	return nil
}
