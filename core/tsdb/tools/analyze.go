package tools

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"time"

	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// ended is how much older than the newest sample of all the last one of a series is that has ended.
const ended = 10 * time.Minute

// Metric is what the series of one metric name take.
type Metric struct {
	Name    string `json:"name"`
	Series  int    `json:"series"`
	Ended   int    `json:"ended"` // of them: they get no samples any more
	Samples int64  `json:"samples"`
	Bytes   int64  `json:"bytes"` // in parts
}

// Label is how much a label name has to do with the number of series.
type Label struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // that differ
	Series int    `json:"series"` // that have it
	Ended  int    `json:"ended"`  // of them
	Most   string `json:"most"`   // the value most series have
	Share  int    `json:"share"`  // how many that are
}

// Range is what came and stayed in one part, or in the head.
type Range struct {
	Name    string `json:"name"` // of the part; "head"
	MinTime int64  `json:"min_time"`
	MaxTime int64  `json:"max_time"`
	Series  int    `json:"series"`
	New     int    `json:"new"` // series that no earlier range has
	Samples int64  `json:"samples"`
	Bytes   int64  `json:"bytes"` // of the part's files; 0 for the head
}

// Analysis is what takes the space of a database.
type Analysis struct {
	Dir       string   `json:"dir"`
	MinTime   int64    `json:"min_time"`
	MaxTime   int64    `json:"max_time"`
	Series    int      `json:"series"`
	Ended     int      `json:"ended"`
	Samples   int64    `json:"samples"`
	PartBytes int64    `json:"part_bytes"`
	Index     int64    `json:"index_bytes"`  // of PartBytes
	Shared    int64    `json:"shared_bytes"` // of PartBytes: times and directories of groups
	InParts   int64    `json:"samples_in_parts"`
	Metrics   []Metric `json:"metrics"` // most bytes first, then most series
	Labels    []Label  `json:"labels"`  // most values first
	Ranges    []Range  `json:"ranges"`  // in order of time
	Problems  []string `json:"problems,omitempty"`
}

// PerSample returns the bytes of parts for each sample in them.
func (a *Analysis) PerSample() float64 {
	if a.InParts == 0 {
		return 0
	}
	return float64(a.PartBytes) / float64(a.InParts)
}

// Analyze reads all labels and samples of the database in dir and says what they cost. Top is how many metrics
// and labels are returned; 0 means all. Parts that do not open are left out and told of.
func Analyze(ctx context.Context, fsys vfs.FS, dir string, top int) (out Analysis, err error) {
	err = frozen(fsys, dir, func(view vfs.FS) (bool, error) {
		a := analyzer{
			out:    Analysis{Dir: dir, MinTime: math.MaxInt64, MaxTime: math.MinInt64},
			series: map[uint64]*seen{}, metrics: map[string]*Metric{},
		}
		err := a.analyze(ctx, view)
		if err == nil {
			a.finish(top)
		}
		out = a.out
		return len(out.Problems) == 0, err
	})
	return out, err
}

// seen is a series that was met. Series are told apart by a 64-bit hash of their labels: of ten million, two are
// taken for one with a chance of 3 in a million.
type seen struct {
	labels labels.Labels
	last   int64
	in     *Range // the last one that it was met in
}

type analyzer struct {
	out     Analysis
	series  map[uint64]*seen
	metrics map[string]*Metric
}

func (a *analyzer) analyze(ctx context.Context, fsys vfs.FS) error {
	dirs, damaged, err := directories(fsys, a.out.Dir)
	if err != nil {
		return err
	}
	if damaged != nil {
		a.out.Problems = append(a.out.Problems, damaged.Error())
	}
	var parts []*block.Block
	defer func() {
		for _, b := range parts {
			b.Close() // they were only read
		}
	}()
	names := map[*block.Block]directory{}
	for _, d := range dirs {
		if d.state != Live && d.state != Damaged {
			continue
		}
		b, err := d.open(fsys)
		switch {
		case err == nil:
			parts = append(parts, b)
			names[b] = d
		case errors.Is(err, block.ErrCorrupt) || errors.Is(err, fs.ErrNotExist):
			a.out.Problems = append(a.out.Problems, err.Error())
		default:
			return err
		}
	}
	slices.SortStableFunc(parts, func(x, y *block.Block) int { return cmp.Compare(x.Meta().MinTime, y.Meta().MinTime) })
	for _, b := range parts {
		if err := a.part(ctx, fsys, names[b], b); err != nil {
			if !errors.Is(err, block.ErrCorrupt) {
				return err
			}
			a.out.Problems = append(a.out.Problems, err.Error())
		}
	}
	return a.head(ctx, fsys)
}

func (a *analyzer) part(ctx context.Context, fsys vfs.FS, d directory, b *block.Block) error {
	m := b.Meta()
	r := Range{Name: d.name, MinTime: m.MinTime, MaxTime: m.MaxTime, Bytes: size(fsys, d.path)}
	a.out.PartBytes += r.Bytes
	if st, err := fsys.Stat(d.path + "/index"); err == nil {
		a.out.Index += st.Size()
	}
	err := b.Sizes(ctx, func(ls labels.Labels, s block.Size) error {
		a.out.InParts += a.add(&r, ls, s)
		a.out.Shared += s.Shared
		return nil
	})
	a.out.Ranges = append(a.out.Ranges, r)
	return err
}

func (a *analyzer) head(ctx context.Context, fsys vfs.FS) error {
	h, notes, err := openHead(fsys, a.out.Dir)
	if err != nil {
		return err
	}
	defer h.Close() // nothing was written
	a.out.Problems = append(a.out.Problems, notes...)
	if h.Stats().Empty {
		return nil
	}
	r := Range{Name: "head", MinTime: h.MinTime(), MaxTime: h.MaxTime()}
	err = eachHeadSeries(ctx, h, func(c storage.Columns, i int, ts []int64, _ []float64) error {
		if len(ts) > 0 {
			a.add(&r, c.Labels(i), block.Size{Samples: int64(len(ts)), First: ts[0], Last: ts[len(ts)-1]})
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.out.Ranges = append(a.out.Ranges, r)
	return nil
}

// add counts the samples that a range has of a series, and returns how many they are to users: the columns of a histogram
// are the bytes of one series.
func (a *analyzer) add(r *Range, ls labels.Labels, s block.Size) int64 {
	ls, samples := facet.Split(ls)
	if !samples {
		s.Samples = 0
	}
	m := a.metrics[ls.Get(pmodel.MetricNameLabel)]
	if m == nil {
		m = &Metric{Name: ls.Get(pmodel.MetricNameLabel)}
		a.metrics[m.Name] = m
	}
	k := ls.Hash()
	was := a.series[k]
	if was == nil {
		was = &seen{labels: ls, last: s.Last}
		a.series[k] = was
		m.Series++
		r.New++
	}
	was.last = max(was.last, s.Last)
	if was.in != r {
		was.in = r
		r.Series++
	}
	r.Samples += s.Samples
	m.Samples += s.Samples
	m.Bytes += s.Bytes + s.Shared
	a.out.Samples += s.Samples
	a.out.MinTime, a.out.MaxTime = min(a.out.MinTime, s.First), max(a.out.MaxTime, s.Last)
	return s.Samples
}

// finish counts labels and what has ended, and sorts.
func (a *analyzer) finish(top int) {
	type name struct {
		Label
		values map[string]int
	}
	names := map[string]*name{}
	a.out.Series = len(a.series)
	for _, s := range a.series {
		over := 0
		if s.last < a.out.MaxTime-ended.Milliseconds() {
			over = 1
		}
		a.out.Ended += over
		a.metrics[s.labels.Get(pmodel.MetricNameLabel)].Ended += over
		s.labels.Range(func(l labels.Label) {
			n := names[l.Name]
			if n == nil {
				n = &name{Label: Label{Name: l.Name}, values: map[string]int{}}
				names[l.Name] = n
			}
			n.Series++
			n.Ended += over
			n.values[l.Value]++
		})
	}
	for _, n := range names {
		n.Values = len(n.values)
		for v, k := range n.values {
			if k > n.Share || k == n.Share && v < n.Most {
				n.Most, n.Share = v, k
			}
		}
		a.out.Labels = append(a.out.Labels, n.Label)
	}
	for _, m := range a.metrics {
		a.out.Metrics = append(a.out.Metrics, *m)
	}
	slices.SortFunc(a.out.Labels, func(x, y Label) int {
		return cmp.Or(cmp.Compare(y.Values, x.Values), cmp.Compare(y.Series, x.Series), cmp.Compare(x.Name, y.Name))
	})
	slices.SortFunc(a.out.Metrics, func(x, y Metric) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(y.Series, x.Series), cmp.Compare(x.Name, y.Name))
	})
	if top > 0 {
		a.out.Labels = a.out.Labels[:min(top, len(a.out.Labels))]
		a.out.Metrics = a.out.Metrics[:min(top, len(a.out.Metrics))]
	}
	if a.out.Series == 0 {
		a.out.MinTime, a.out.MaxTime = 0, 0
	}
}
