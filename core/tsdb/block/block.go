// Package block is the immutable part of the database: a directory with the samples of a time range, written
// once and then only read, where it lies, mapped into memory.
//
// Samples are stored as they are written: group by group, a group being the series that share a timestamp
// column, and column by column, each cut into blocks of up to 1024 rows. A query reads the columns it needs.
// FORMAT.md beside this file gives the bytes, and what is checked when.
package block

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// ErrCorrupt marks a part with bytes that fail their checksum or make no sense. It is wrapped with the file and
// the place.
var ErrCorrupt = errors.New("damaged part")

// The files of a part.
const (
	metaName  = "meta.json"
	indexName = "index"
	dataName  = "data"
)

// Block is an open part. Safe for concurrent use until closed.
type Block struct {
	dir   string
	meta  Meta
	data  *pages
	pages *pages // of the index
	index *index.Index
	decs  sync.Pool // of *scratch
}

// Open opens the part in dir. It reads what the files end with; the rest is verified when it is first used.
func Open(fs vfs.FS, dir string) (_ *Block, err error) {
	b := &Block{dir: dir, decs: sync.Pool{New: func() any { return new(scratch) }}}
	defer func() {
		if err != nil {
			b.Close() // why it does not open matters more
		}
	}()
	if b.meta, err = readMeta(fs, filepath.Join(dir, metaName)); err != nil {
		return nil, err
	}
	if b.data, err = openPages(fs, filepath.Join(dir, dataName), b.meta.Data); err != nil {
		return nil, err
	}
	if b.pages, err = openPages(fs, filepath.Join(dir, indexName), b.meta.Index); err != nil {
		return nil, err
	}
	if b.index, err = index.Open(b.pages); err != nil {
		return nil, b.indexError(err)
	}
	if b.index.Series() != b.meta.Series || b.index.Groups() != b.meta.Groups {
		return nil, b.pages.corrupt("%d series in %d groups, %s says %d in %d", b.index.Series(), b.index.Groups(),
			metaName, b.meta.Series, b.meta.Groups)
	}
	return b, nil
}

// indexError makes an error of the index one of this package.
func (b *Block) indexError(err error) error {
	if errors.Is(err, index.ErrCorrupt) {
		return b.pages.corrupt("%v", err)
	}
	return err
}

// Meta returns what is known of the part without reading it.
func (b *Block) Meta() Meta { return b.meta }

// Close unmaps the files: nothing selected may be read any more. It may be called twice.
func (b *Block) Close() error {
	var errs []error
	for _, p := range []**pages{&b.data, &b.pages} {
		if *p != nil {
			errs = append(errs, (*p).close())
			*p = nil
		}
	}
	return errors.Join(errs...)
}

// Select returns the series that satisfy all matchers and have samples in mint..maxt, as storage.Querier does.
func (b *Block) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	ids, err := b.index.SelectContext(ctx, ms...)
	if err != nil {
		return nil, b.indexError(err)
	}
	var out []storage.Columns
	take := storage.BudgetOf(ctx)
	err = b.eachGroup(ctx, ids, func(g index.Group, slots []uint32) error {
		c, err := b.columns(g, slots, mint, maxt)
		if err != nil || c == nil {
			return err
		}
		out = append(out, c)
		return take(c.size())
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachGroup calls f with the groups that the series are in, and their slots, which f may keep and change.
func (b *Block) eachGroup(ctx context.Context, ids []uint32, f func(g index.Group, slots []uint32) error) error {
	for n := -1; len(ids) > 0; {
		err := ctx.Err()
		if err != nil {
			return err
		}
		var g index.Group
		if n >= 0 && n+1 < b.index.Groups() { // mostly the next one
			if g, err = b.index.Group(n + 1); err != nil {
				return b.indexError(err)
			}
		}
		if n++; ids[0] < g.First || ids[0]-g.First >= g.Len {
			if n, err = b.index.GroupOf(ids[0]); err == nil {
				g, err = b.index.Group(n)
			}
			if err != nil {
				return b.indexError(err)
			}
		}
		k := 0
		for k < len(ids) && ids[k]-g.First < g.Len {
			ids[k] -= g.First
			k++
		}
		if k == 0 {
			return b.pages.corrupt("series %d is in no group", ids[0])
		}
		if err := f(g, ids[:k:k]); err != nil {
			return err
		}
		ids = ids[k:]
	}
	return nil
}

// LabelNames returns the sorted names of the labels on series that satisfy all matchers.
func (b *Block) LabelNames(ctx context.Context, ms ...*labels.Matcher) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := b.index.LabelNames(ms...)
	return names, b.indexError(err)
}

// LabelValues returns the sorted values of the label on series that satisfy all matchers.
func (b *Block) LabelValues(ctx context.Context, name string, ms ...*labels.Matcher) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values, err := b.index.LabelValues(name, ms...)
	return values, b.indexError(err)
}

// Groups returns the number of groups.
func (b *Block) Groups() int { return b.index.Groups() }

// GroupLabels returns the common labels of group i, and the sorted names of the labels that its series have
// besides, or instead.
func (b *Block) GroupLabels(i int) (common labels.Labels, own []string, err error) {
	g, err := b.index.Group(i)
	return g.Common, g.OwnNames, b.indexError(err)
}

// Group returns all of group i.
func (b *Block) Group(i int) (storage.Columns, error) {
	g, err := b.index.Group(i)
	if err != nil {
		return nil, b.indexError(err)
	}
	slots := make([]uint32, g.Len)
	for s := range slots {
		slots[s] = uint32(s)
	}
	c, err := b.columns(g, slots, b.meta.MinTime, b.meta.MaxTime)
	if err == nil && c == nil {
		err = fmt.Errorf("%w: %s: group %d has no samples", ErrCorrupt, b.dir, i)
	}
	return c, err
}

// Verify reads all bytes of the part and returns the first damage met.
func (b *Block) Verify(ctx context.Context) error {
	for _, p := range []*pages{b.data, b.pages} {
		for off := uint64(0); off < p.Len(); off += pageSize {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := p.Slice(off, min(pageSize, p.Len()-off)); err != nil {
				return err
			}
		}
	}
	return nil
}
