package chunk

import (
	"encoding/binary"
	"math"

	"github.com/hearth-project/hearth/core/storage"
)

// What an exception is: FORMAT.md, section 2.4. The values that monitoring data is full of take no bytes.
const (
	excRaw   = iota // 8 bytes follow
	excAgain        // the bits of the exception before
	excAbsent
	excStale
	excNaN
	excMinusZero
	excInf
	excMinusInf
)

var exceptionBits = [...]uint64{
	excAbsent:    storage.AbsentBits,
	excStale:     0x7ff0000000000002,
	excNaN:       0x7ff8000000000001,
	excMinusZero: 1 << 63,
	excInf:       0x7ff << 52,
	excMinusInf:  0xfff << 52,
}

// isSpecial tells whether no integer stands for v: NaN, an infinity or minus zero.
func isSpecial(v float64) bool {
	b := math.Float64bits(v)
	return b&(0x7ff<<52) == 0x7ff<<52 || b == 1<<63
}

// appendExceptions appends the values at rows, of which there is at least one, as runs of equal bits.
func appendExceptions(dst []byte, vals []float64, rows []int) []byte {
	runs := 0
	for k := 0; k < len(rows); k = exceptionRun(vals, rows, k) {
		runs++
	}
	dst = binary.AppendUvarint(dst, uint64(runs))
	end := 0 // of the run before
	var last uint64
	for k := 0; k < len(rows); {
		next := exceptionRun(vals, rows, k)
		b := math.Float64bits(vals[rows[k]])
		code := exceptionCode(b)
		if code == excRaw && k > 0 && b == last {
			code = excAgain
		}
		last = b
		n := next - k
		token := uint64(rows[k]-end)<<4 | uint64(code)<<1
		if n > 1 {
			token |= 1
		}
		dst = binary.AppendUvarint(dst, token)
		if n > 1 {
			dst = binary.AppendUvarint(dst, uint64(n-2))
		}
		if code == excRaw {
			dst = binary.LittleEndian.AppendUint64(dst, b)
		}
		end = rows[k] + n
		k = next
	}
	return dst
}

// exceptionRun returns the index after the run of adjacent rows with equal bits that begins at k.
func exceptionRun(vals []float64, rows []int, k int) int {
	b := math.Float64bits(vals[rows[k]])
	j := k + 1
	for j < len(rows) && rows[j] == rows[k]+j-k && math.Float64bits(vals[rows[j]]) == b {
		j++
	}
	return j
}

func exceptionCode(b uint64) int {
	for c := excAbsent; c < len(exceptionBits); c++ {
		if exceptionBits[c] == b {
			return c
		}
	}
	return excRaw
}

// patchExceptions reads a list of exceptions into dst.
func patchExceptions(dst []float64, r *reader) error {
	runs := r.uvarint()
	if runs == 0 {
		return corrupt("list of no exceptions")
	}
	row := uint64(0)
	var b uint64
	for ; runs > 0; runs-- {
		token := r.uvarint()
		n := uint64(1)
		if token&1 != 0 {
			n = min(r.uvarint(), MaxRows) + 2
		}
		if gap := min(token>>4, MaxRows); row+gap+n > uint64(len(dst)) || r.short {
			return corrupt("exception after row %d of %d", row, len(dst))
		}
		switch code := token >> 1 & 7; code {
		case excRaw:
			b = r.uint64()
		case excAgain:
		default:
			b = exceptionBits[code]
		}
		row += token >> 4
		v := math.Float64frombits(b)
		for i := range dst[row : row+n] {
			dst[row+uint64(i)] = v
		}
		row += n
	}
	return nil
}
