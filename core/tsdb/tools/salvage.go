package tools

import (
	"context"
	"errors"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// salvage writes the samples of the damaged part in from that can be read into a part in to. It returns what
// that part has; no samples if there is nothing to be had, and then no part either.
func salvage(ctx context.Context, fsys vfs.FS, from, to string) (block.Meta, error) {
	b, err := block.Open(fsys, from)
	if err != nil {
		return block.Meta{}, ignoreDamage(err)
	}
	defer b.Close() // it was only read
	m := b.Meta()
	var lists [][]storage.Columns // in each a label set occurs once
	samples := 0
	for g := range b.Groups() {
		if err := ctx.Err(); err != nil {
			return block.Meta{}, err
		}
		ps, err := pieces(b, g, m.MinTime, m.MaxTime, max(leastPiece, (m.MaxTime-m.MinTime)/1024))
		if err != nil {
			return block.Meta{}, err
		}
		for k, p := range ps {
			if err := eachSeries(p, func(_ int, ts []int64, _ []float64) error { samples += len(ts); return nil }); err != nil {
				return block.Meta{}, err
			}
			if k == len(lists) {
				lists = append(lists, nil)
			}
			lists[k] = append(lists[k], p)
		}
	}
	switch {
	case samples == 0:
		return block.Meta{}, nil
	case len(lists) == 1:
		return block.Write(fsys, to, m.MinTime, m.MaxTime, lists[0])
	}
	return block.Write(fsys, to, m.MinTime, m.MaxTime, compact.MergeColumns(lists...))
}

// leastPiece is the time below which a range that cannot be read is not halved, milliseconds.
const leastPiece = 10 * 60 * 1000

// pieces returns what can be read of a group in mint..maxt: all of it, or of each half what can be.
func pieces(b *block.Block, g int, mint, maxt, least int64) ([]storage.Columns, error) {
	c, err := b.GroupIn(g, mint, maxt)
	switch {
	case err == nil && c == nil:
		return nil, nil
	case err == nil:
		return []storage.Columns{patched{c}}, nil
	case !errors.Is(err, block.ErrCorrupt):
		return nil, err
	case maxt-mint < least:
		return nil, nil
	}
	mid := mint + (maxt-mint)/2
	early, err := pieces(b, g, mint, mid, least)
	if err != nil {
		return nil, err
	}
	late, err := pieces(b, g, mid+1, maxt, least)
	return append(early, late...), err
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
