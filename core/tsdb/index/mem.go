package index

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Mem is an index in memory. One goroutine at a time adds; any number selects meanwhile. Readers hold the lock
// for moments: they look up where a set is, and work on it afterwards.
type Mem struct {
	mu     sync.RWMutex
	labels map[string]*label
	series growing
}

// label is one label name. The writer changes it under the lock.
type label struct {
	values  map[string]*value
	order   []*value // as they came: what a reader has taken never changes
	present growing  // the series that have the label
	sorted  atomic.Pointer[[]*value]
}

type value struct {
	text string
	growing
}

// NewMem returns an empty index.
func NewMem() *Mem { return &Mem{labels: map[string]*label{}} }

// Set is the postings of the labels of a set, found once for many series.
type Set struct {
	of   *Mem
	sets []*growing
}

// Of tells whether s was found in x.
func (s *Set) Of(x *Mem) bool { return s.of == x }

// Find finds the postings of ls in s, whose memory it uses. It makes those that are missing; nothing of ls is kept.
// It is the writer's.
func (x *Mem) Find(s *Set, ls labels.Labels) {
	s.of, s.sets = x, s.sets[:0]
	ls.Range(func(l labels.Label) {
		n := x.labels[l.Name] // nobody else writes: reading needs no lock
		var v *value
		if n != nil {
			v = n.values[l.Value]
		}
		if v == nil {
			x.mu.Lock()
			if n == nil {
				n = &label{values: map[string]*value{}}
				x.labels[strings.Clone(l.Name)] = n
			}
			v = &value{text: strings.Clone(l.Value)}
			n.values[v.text] = v
			n.order = append(n.order, v)
			x.mu.Unlock()
		}
		s.sets = append(s.sets, &n.present, &v.growing)
	})
}

// Add adds the series id, greater than all before, with its labels.
func (x *Mem) Add(id uint32, ls labels.Labels) {
	var s Set
	x.Find(&s, ls)
	x.AddSets(id, &s)
}

// AddSets adds the series id, greater than all before, with the labels of sets, which must not have a name twice.
func (x *Mem) AddSets(id uint32, sets ...*Set) {
	x.mu.Lock()
	x.series.add(id)
	for _, s := range sets {
		for _, g := range s.sets {
			g.add(id)
		}
	}
	x.mu.Unlock()
	x.fold(&x.series)
	for _, s := range sets {
		for _, g := range s.sets {
			x.fold(g)
		}
	}
}

func (x *Mem) fold(g *growing) {
	if f, ok := g.folded(); ok { // made without the lock: nobody else writes
		x.mu.Lock()
		*g = f
		x.mu.Unlock()
	}
}

// Select returns the series that satisfy all matchers, in order of their ids.
func (x *Mem) Select(ms ...*labels.Matcher) []uint32 {
	ids, _ := x.SelectContext(context.Background(), ms...) // a dictionary in memory has no errors
	return ids
}

// SelectContext is Select until ctx ends, whose error it returns then.
func (x *Mem) SelectContext(ctx context.Context, ms ...*labels.Matcher) ([]uint32, error) {
	set, err := resolve(ctx, memDictionary{x}, ms)
	if set == nil || err != nil {
		return nil, err
	}
	return set.ToArray(), nil
}

// LabelNames returns the sorted names of the labels on series that satisfy all matchers.
func (x *Mem) LabelNames(ms ...*labels.Matcher) []string {
	names := x.names()
	if len(ms) > 0 {
		set, _ := resolve(context.Background(), memDictionary{x}, ms)
		var it roaring.IntIterator
		names = slices.DeleteFunc(names, func(n string) bool {
			p, _ := memDictionary{x}.named(n)
			return set == nil || !p.intersects(set, &it)
		})
	}
	slices.Sort(names)
	return names
}

func (x *Mem) names() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]string, 0, len(x.labels))
	for n := range x.labels {
		out = append(out, n)
	}
	return out
}

// LabelValues returns the sorted values of the label on series that satisfy all matchers.
func (x *Mem) LabelValues(name string, ms ...*labels.Matcher) []string {
	n, order := x.label(name)
	if n == nil {
		return nil
	}
	vs := n.inOrder(order)
	if len(ms) == 0 {
		out := make([]string, len(vs))
		for i, v := range vs {
			out[i] = v.text
		}
		return out
	}
	set, _ := resolve(context.Background(), memDictionary{x}, ms)
	if set == nil {
		return nil
	}
	var out []string
	var it roaring.IntIterator
	x.each(vs, func(v *value, p postings) {
		if p.intersects(set, &it) {
			out = append(out, v.text)
		}
	})
	return out
}

// each calls f with the series of each of vs, without the lock.
func (x *Mem) each(vs []*value, f func(*value, postings)) {
	var ps [256]postings
	for len(vs) > 0 {
		step := vs[:min(len(vs), len(ps))] // the writer gets its turn in between
		vs = vs[len(step):]
		x.mu.RLock()
		for i, v := range step {
			ps[i] = v.postings
		}
		x.mu.RUnlock()
		for i, v := range step {
			f(v, ps[i])
		}
	}
}

// label returns the label, nil if there is none, and its values so far.
func (x *Mem) label(name string) (*label, []*value) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := x.labels[name]
	if n == nil {
		return nil, nil
	}
	return n, n.order
}

func (x *Mem) read(g *growing) postings {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return g.postings
}

// memDictionary is a Mem as matchers see it.
type memDictionary struct{ x *Mem }

func (d memDictionary) all() (postings, error) { return d.x.read(&d.x.series), nil }

func (d memDictionary) named(name string) (postings, error) {
	n, _ := d.x.label(name)
	if n == nil {
		return postings{}, nil
	}
	return d.x.read(&n.present), nil
}

func (d memDictionary) find(name, text string) (postings, error) {
	d.x.mu.RLock()
	defer d.x.mu.RUnlock()
	if n := d.x.labels[name]; n != nil {
		if v := n.values[text]; v != nil {
			return v.postings, nil
		}
	}
	return postings{}, nil
}

func (d memDictionary) scan(name, prefix string, match func(string) bool) ([]postings, error) {
	n, order := d.x.label(name)
	if n == nil {
		return nil, nil
	}
	var hits []*value
	if prefix != "" {
		var sorted []*value
		sorted, order = n.split(order)
		i, _ := slices.BinarySearchFunc(sorted, prefix, func(v *value, p string) int { return strings.Compare(v.text, p) })
		for ; i < len(sorted) && strings.HasPrefix(sorted[i].text, prefix); i++ {
			if match(sorted[i].text) {
				hits = append(hits, sorted[i])
			}
		}
	}
	for _, v := range order {
		if match(v.text) {
			hits = append(hits, v)
		}
	}
	out := make([]postings, 0, len(hits))
	d.x.each(hits, func(_ *value, p postings) { out = append(out, p) })
	return out, nil
}

// split returns order as a sorted run and the newest values, which are not sorted yet.
func (n *label) split(order []*value) (sorted, rest []*value) {
	if s := n.sorted.Load(); s != nil && len(*s) <= len(order) {
		sorted = *s
	}
	if rest = order[len(sorted):]; len(rest) > 64+len(sorted)/8 {
		return n.inOrder(order), nil
	}
	return sorted, rest
}

// inOrder returns order sorted by the values' texts. It is kept for the next one who asks, and must not be changed.
func (n *label) inOrder(order []*value) []*value {
	var sorted []*value
	if s := n.sorted.Load(); s != nil && len(*s) <= len(order) {
		sorted = *s
	}
	rest := order[len(sorted):]
	if len(rest) == 0 {
		return sorted
	}
	rest = slices.Clone(rest)
	slices.SortFunc(rest, byText)
	all := make([]*value, 0, len(order))
	for _, v := range rest {
		k := sort.Search(len(sorted), func(i int) bool { return sorted[i].text > v.text })
		all = append(append(all, sorted[:k]...), v)
		sorted = sorted[k:]
	}
	all = append(all, sorted...)
	n.sorted.Store(&all)
	return all
}

func byText(a, b *value) int { return strings.Compare(a.text, b.text) }
