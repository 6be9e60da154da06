package compact

import (
	"context"
	"fmt"
	"math"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// Input is a part to merge, and what of it is not to be seen again.
type Input struct {
	Block *block.Block
	Mask  Mask
}

// Merge writes the part dir with all samples of the parts, oldest data first: of two samples of one series at
// one time that of the later part counts. It goes group by group and holds the index of what it writes, and
// the labels of all groups, but never all samples. It calls yield now and then, which may wait for others to go
// first. block.ErrEmpty tells that nothing is left to write.
func Merge(ctx context.Context, fs vfs.FS, dir string, parts []Input, yield func(context.Context) error) (_ block.Meta, err error) {
	type place struct{ part, group int }
	var shapes []Shape
	var places []place
	for k, p := range parts {
		for g := range p.Block.Groups() {
			common, own, err := p.Block.GroupLabels(g)
			if err != nil {
				return block.Meta{}, fmt.Errorf("merge: %w", err)
			}
			shapes = append(shapes, Shape{Common: common, Own: own})
			places = append(places, place{k, g})
		}
	}
	w, err := block.NewWriter(fs, dir, archive(parts))
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
		if err := yield(ctx); err != nil {
			return block.Meta{}, err
		}
		lists := make([][]storage.Columns, len(parts))
		for _, i := range set {
			p := &parts[places[i].part]
			c, err := p.Block.Group(places[i].group)
			if err != nil {
				return block.Meta{}, err
			}
			cs, err := p.Mask.Apply([]storage.Columns{c})
			if err != nil {
				return block.Meta{}, err
			}
			lists[places[i].part] = append(lists[places[i].part], cs...)
		}
		if err := w.Add(MergeColumns(lists...)); err != nil {
			return block.Meta{}, err
		}
	}
	return w.Finish()
}

func archive(parts []Input) bool {
	span := block.Meta{MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	for _, p := range parts {
		span.MinTime, span.MaxTime = min(span.MinTime, p.Block.Meta().MinTime), max(span.MaxTime, p.Block.Meta().MaxTime)
	}
	return span.Archived()
}
