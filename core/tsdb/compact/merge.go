package compact

import (
	"context"
	"fmt"
	"math"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// Merge writes the part dir with all samples of the blocks, oldest data first: of two samples of one series at
// one time that of the later block counts. It goes group by group and holds the index of what it writes, and
// the labels of all groups, but never all samples.
func Merge(ctx context.Context, fs vfs.FS, dir string, blocks []*block.Block) (_ block.Meta, err error) {
	type place struct{ block, group int }
	var shapes []Shape
	var places []place
	for k, b := range blocks {
		for g := range b.Groups() {
			common, own, err := b.GroupLabels(g)
			if err != nil {
				return block.Meta{}, fmt.Errorf("merge: %w", err)
			}
			shapes = append(shapes, Shape{Common: common, Own: own})
			places = append(places, place{k, g})
		}
	}
	w, err := block.NewWriter(fs, dir, archive(blocks))
	if err != nil {
		return block.Meta{}, err
	}
	defer func() {
		if err != nil {
			w.Abort()
			err = fmt.Errorf("merge: %w", err)
		}
	}()
	for _, set := range Components(shapes) {
		if err := ctx.Err(); err != nil {
			return block.Meta{}, err
		}
		lists := make([][]storage.Columns, len(blocks))
		for _, i := range set {
			c, err := blocks[places[i].block].Group(places[i].group)
			if err != nil {
				return block.Meta{}, err
			}
			lists[places[i].block] = append(lists[places[i].block], c)
		}
		if err := w.Add(MergeColumns(lists...)); err != nil {
			return block.Meta{}, err
		}
	}
	return w.Finish()
}

// archiveSpan is the time, in milliseconds, from which on a part is kept long and read in pieces only: it is
// encoded smaller, and slower to decode.
const archiveSpan = 12 * 60 * 60 * 1000

func archive(blocks []*block.Block) bool {
	mint, maxt := int64(math.MaxInt64), int64(math.MinInt64)
	for _, b := range blocks {
		mint, maxt = min(mint, b.Meta().MinTime), max(maxt, b.Meta().MaxTime)
	}
	return maxt-mint >= archiveSpan
}
