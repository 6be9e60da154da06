// Package chunk encodes the columns of the database: the values of one series over up to 1024 rows, and the
// timestamps that the series of a group share.
//
// A column of values comes back bit for bit, whatever the bits: payloads of NaN, the staleness marker, minus
// zero and storage.Absent included. Most metrics are integers or decimals with a few digits, so a column is
// turned into integers first (v = n / 10^e, checked value by value) and then stored as the cheapest of: one
// value; a few changes; a bitmap of changes; differences in bit-packed runs of 128. What does not fit (NaN, one
// odd value) is patched in from a list. Columns of full-mantissa floats are packed as integers that sort like
// the floats, or as a decimal and a small error where they come from sums of decimals.
//
// Encoder and Decoder belong to one goroutine each; Stats reads what a header tells without decoding. The
// column does not carry its row count or a checksum: both are the business of the tile or block that holds it.
// FORMAT.md beside this file gives the bytes.
package chunk

//go:generate go run ./internal/kernels -o kernels_gen.go

import (
	"errors"
	"fmt"
)

// MaxRows is the longest column.
const MaxRows = 1024

// ErrCorrupt is wrapped by what decoding returns when the bytes are not a column of that many rows.
var ErrCorrupt = errors.New("column corrupt")

// MaxLen returns the most bytes Encode appends for a column of rows values.
func MaxLen(rows int) int { return 1 + 8*rows }

// corrupt wraps ErrCorrupt with what is wrong.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// checkRows panics if a caller asks for a column that cannot be.
func checkRows(n int) {
	if n < 1 || n > MaxRows {
		panic(fmt.Sprintf("chunk: a column of %d rows, want 1..%d", n, MaxRows))
	}
}
