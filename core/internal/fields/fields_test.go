package fields

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestFieldsComeBackInOrder(t *testing.T) {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	b = append(binary.AppendUvarint(b, 0), 7)
	r := Reader{B: b}
	if r.Uint() != math.MaxUint64 || r.Int() != math.MinInt64 || string(r.Bytes()) != "abc" || len(r.Bytes()) != 0 || r.Bad || len(r.B) != 1 {
		t.Errorf("bad %v, %d bytes left", r.Bad, len(r.B))
	}
}

func TestMalformedFieldsAreZeroAndStayBad(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		take func(*Reader) bool // whether it came as zero
	}{
		{"a number that ends early", []byte{0x80}, func(r *Reader) bool { return r.Uint() == 0 }},
		{"a number of more than 64 bits", []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 1}, func(r *Reader) bool { return r.Uint() == 0 }},
		{"a signed number that ends early", []byte{0xff}, func(r *Reader) bool { return r.Int() == 0 }},
		{"more things than bytes", []byte{3, 1, 1}, func(r *Reader) bool { return r.Count() == 0 }},
		{"more bytes than there are", []byte{3, 1, 1}, func(r *Reader) bool { return len(r.Bytes()) == 0 }},
		{"nothing", nil, func(r *Reader) bool { return r.Uint() == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Reader{B: tt.in}
			if !tt.take(&r) || !r.Bad || r.Uint() != 0 || r.Int() != 0 || len(r.Bytes()) != 0 || !r.Bad {
				t.Errorf("%+v", r)
			}
		})
	}
}
