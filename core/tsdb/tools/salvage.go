package tools

import (
	"context"
	"errors"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// salvage writes the samples of the damaged part in from that can be read into a part in to. It returns what
// that part has; no samples if there is nothing to be had, and then no part either.
func salvage(ctx context.Context, fsys vfs.FS, from, to string) (block.Meta, error) {
	b, err := block.Open(fsys, from)
	if err != nil {
		return block.Meta{}, ignoreDamage(err)
	}
	defer b.Close() // it was only read
	var groups []storage.Columns
	samples := 0
	for g := range b.Groups() {
		if err := ctx.Err(); err != nil {
			return block.Meta{}, err
		}
		c, err := b.Group(g)
		if err != nil {
			if err := ignoreDamage(err); err != nil {
				return block.Meta{}, err
			}
			continue
		}
		p := patched{c}
		if err := eachSeries(p, func(_ int, ts []int64, _ []float64) error { samples += len(ts); return nil }); err != nil {
			return block.Meta{}, err
		}
		groups = append(groups, p)
	}
	if samples == 0 {
		return block.Meta{}, nil
	}
	return block.Write(fsys, to, b.Meta().MinTime, b.Meta().MaxTime, groups)
}

// ignoreDamage returns what is no damage of err.
func ignoreDamage(err error) error {
	if errors.Is(err, block.ErrCorrupt) {
		return nil
	}
	return err
}

// patched are columns of a damaged part: where values cannot be read there is no sample.
type patched struct{ storage.Columns }

const pieceRows = 128 // that are tried as one where not all can be read

// Values implements storage.Columns.
func (p patched) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	vals, err := p.Columns.Values(i, lo, hi, dst)
	if err == nil || !errors.Is(err, block.ErrCorrupt) {
		return vals, err
	}
	vals = dst[:0]
	var piece []float64
	for at := lo; at < hi; at += pieceRows {
		end := min(hi, at+pieceRows)
		piece, err = p.Columns.Values(i, at, end, piece)
		if err := ignoreDamage(err); err != nil {
			return nil, err
		}
		if err == nil {
			vals = append(vals, piece...)
			continue
		}
		for range end - at {
			vals = append(vals, storage.Absent)
		}
	}
	return vals, nil
}
