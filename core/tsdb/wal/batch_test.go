package wal

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzBatch takes any bytes for a batch: it must neither panic nor ask for more memory than a batch may have.
func FuzzBatch(f *testing.F) {
	records := appendInner(appendInner(nil, 3, bytes.Repeat([]byte("ab"), 100)), 4, nil)
	whole, _ := appendBatch(nil, nil, 1, 20, records)
	f.Add(byte(batchS2), whole[HeaderSize:])
	plain := binary.AppendUvarint(binary.AppendUvarint(nil, 20), uint64(len(records)))
	f.Add(byte(batchPlain), append(plain, records...))
	f.Fuzz(func(t *testing.T, typ byte, data []byte) {
		var r batchReader
		last := Pos(0)
		_ = r.read(1, typ, data, func(_ byte, pos Pos, _ []byte) error {
			if pos <= last {
				t.Errorf("a record at %d after one at %d", pos, last)
			}
			last = pos
			return nil
		})
	})
}
