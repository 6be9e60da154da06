package tools

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/head"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// Part is a directory of parts/.
type Part struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Level   int    `json:"level,omitempty"` // 1 as cut from the head, more the longer the window it is merged for
	MinTime int64  `json:"min_time"`        // Unix milliseconds
	MaxTime int64  `json:"max_time"`
	Series  int    `json:"series"` // of users: native histograms are one each
	Groups  int    `json:"groups"`
	Samples int64  `json:"samples"`
	Bytes   int64  `json:"bytes"`
	Problem string `json:"problem,omitempty"`
}

// Head is what is in memory while a server runs, as its files have it.
type Head struct {
	Snapshot      uint64 `json:"snapshot"` // number of the newest checkpoint; 0 if there is none
	Tiles         int    `json:"tile_files"`
	Segments      int    `json:"log_segments"`
	SnapshotBytes int64  `json:"snapshot_bytes"`
	TilesBytes    int64  `json:"tiles_bytes"`
	LogBytes      int64  `json:"log_bytes"`
	TornBytes     int64  `json:"torn_bytes"` // at the end of the log; a write under way, or one that a crash tore

	Loaded  bool  `json:"loaded"` // the rest is known
	Series  int   `json:"series,omitempty"`
	Samples int64 `json:"samples,omitempty"`
	MinTime int64 `json:"min_time,omitempty"` // meaningless without samples
	MaxTime int64 `json:"max_time,omitempty"`
}

// Listing is what a database consists of.
type Listing struct {
	Dir      string   `json:"dir"`
	Parts    []Part   `json:"parts"`
	Head     Head     `json:"head"`
	Problems []string `json:"problems,omitempty"`
}

// List returns what the database in dir consists of. With load it loads the head, which takes as much memory as
// the server's does, to count what is in it.
func List(ctx context.Context, fsys vfs.FS, dir string, load bool) (out Listing, err error) {
	err = frozen(fsys, dir, func(view vfs.FS) (bool, error) {
		out = Listing{Dir: dir}
		if err := out.list(ctx, view, load); err != nil {
			return false, err
		}
		sure := len(out.Problems) == 0
		for _, p := range out.Parts {
			sure = sure && p.Problem == ""
		}
		return sure, nil
	})
	return out, err
}

func (l *Listing) list(ctx context.Context, fsys vfs.FS, load bool) error {
	dirs, damaged, err := directories(fsys, l.Dir)
	if err != nil {
		return err
	}
	if damaged != nil {
		l.Problems = append(l.Problems, damaged.Error())
	}
	for _, d := range dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := Part{Name: d.name, State: d.state, Bytes: size(fsys, d.path)}
		b, err := d.open(fsys)
		switch {
		case err == nil:
			m := b.Meta()
			p.Level, p.MinTime, p.MaxTime = tsdb.Level(m.MinTime, m.MaxTime), m.MinTime, m.MaxTime
			p.Groups, p.Samples = m.Groups, m.Samples
			p.Series, err = countSeries(ctx, b)
			if cerr := b.Close(); cerr != nil {
				return cerr
			}
			switch {
			case errors.Is(err, block.ErrCorrupt):
				p.Series, p.State, p.Problem = m.Series, Damaged, err.Error()
			case err != nil:
				return err
			}
		case d.state == Unfinished:
		case d.state == SetAside || d.state == Dead:
			p.Problem = err.Error()
		case errors.Is(err, block.ErrCorrupt) || errors.Is(err, fs.ErrNotExist):
			p.State, p.Problem = Damaged, err.Error()
		default:
			return err
		}
		l.Parts = append(l.Parts, p)
	}
	slices.SortStableFunc(l.Parts, func(a, b Part) int { // in order of time; those without one last
		return cmp.Or(cmp.Compare(min(1, b.Samples), min(1, a.Samples)), cmp.Compare(a.MinTime, b.MinTime))
	})
	return l.listHead(ctx, fsys, load)
}

// countSeries returns how many series of users a part has: to the part, native histograms are several each.
func countSeries(ctx context.Context, b *block.Block) (int, error) {
	m := b.Meta()
	cs, err := b.Select(ctx, m.MinTime, m.MaxTime, labels.MustNewMatcher(labels.MatchNotEqual, facet.Name, ""))
	if err != nil || len(cs) == 0 {
		return m.Series, err
	}
	facets, histograms, metrics := 0, map[string]bool{}, map[string]bool{}
	var key []byte
	for _, c := range cs {
		facets += c.Len()
		for i := range c.Len() {
			ls := c.Labels(i)
			if of, samples := facet.Split(ls); samples {
				key = of.Bytes(key[:0])
				histograms[string(key)] = true
				metrics[regexp.QuoteMeta(of.Get(model.MetricNameLabel))] = true
			}
		}
	}
	// Those that have numbers as well are there as plain series, too.
	names := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, strings.Join(slices.Sorted(maps.Keys(metrics)), "|"))
	if cs, err = b.Select(ctx, m.MinTime, m.MaxTime, names, labels.MustNewMatcher(labels.MatchEqual, facet.Name, "")); err != nil {
		return m.Series, err
	}
	for _, c := range cs {
		for i := range c.Len() {
			key = c.Labels(i).Bytes(key[:0])
			delete(histograms, string(key))
		}
	}
	return m.Series - facets + len(histograms), nil
}

func (l *Listing) listHead(ctx context.Context, fsys vfs.FS, load bool) error {
	files, problems, err := head.Check(ctx, fsys, l.Dir)
	if err != nil {
		return err
	}
	for _, p := range problems {
		l.Problems = append(l.Problems, p.Error())
	}
	l.Head = Head{
		Snapshot: files.Snapshot, Tiles: len(files.Tiles), Segments: len(files.Segments),
		SnapshotBytes: files.SnapshotBytes, TilesBytes: files.TilesBytes, LogBytes: files.LogBytes, TornBytes: files.Torn,
	}
	if !load {
		return nil
	}
	h, notes, err := openHead(fsys, l.Dir)
	if err != nil {
		return err
	}
	defer h.Close() // nothing was written
	if len(problems) == 0 {
		l.Problems = append(l.Problems, notes...)
	}
	series, err := h.Labels(ctx, math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	s := h.Stats()
	l.Head.Loaded, l.Head.Series, l.Head.MinTime, l.Head.MaxTime = true, len(index.Sort(series)), s.MinTime, s.MaxTime
	return eachHeadSeries(ctx, h, func(_ storage.Columns, _ int, _ []int64, vals []float64) error {
		l.Head.Samples += int64(len(vals))
		return nil
	})
}
