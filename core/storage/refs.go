package storage

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
)

// Ref names a series by a number, for senders of single samples that know their series again without labels.
// It is good for one run of the process and never given to another series. 0 is none.
type Ref uint32

// Point is one sample of the series Ref, at T (Unix milliseconds).
type Point struct {
	T   int64
	V   float64
	Ref Ref
}

// RefWriter is the writing side for such senders. Safe for concurrent use.
type RefWriter interface {
	// Refs fills refs[i] with the number of series[i], adding series that are new. Nothing of the labels is
	// kept. A series that cannot be has Ref 0; the error is an AppendError that counts them. Any other error
	// is of the storage as a whole.
	Refs(ctx context.Context, series []labels.Labels, refs []Ref) error

	// AppendPoints stores samples as Writer.Append does, with the same errors and promises. Points whose series
	// left the storage since are not stored: their indices are appended to gone, whatever the error.
	AppendPoints(ctx context.Context, points []Point, gone []int) ([]int, error)
}
