package index

import (
	"slices"
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
	set, _ := resolve(memDictionary{x}, ms) // a dictionary in memory has no errors
	if set == nil {
		return nil
	}
	return set.ToArray()
}

// LabelNames returns the sorted names of the labels on series that satisfy all matchers.
func (x *Mem) LabelNames(ms ...*labels.Matcher) []string {
	names := x.names()
	if len(ms) > 0 {
		set, _ := resolve(memDictionary{x}, ms)
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
	_, order := x.label(name)
	vs := slices.Clone(order)
	if len(ms) > 0 {
		set, _ := resolve(memDictionary{x}, ms)
		var it roaring.IntIterator
		vs = slices.DeleteFunc(vs, func(v *value) bool {
			return set == nil || !x.read(&v.growing).intersects(set, &it)
		})
	}
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.text
	}
	slices.Sort(out)
	return out
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
	for len(hits) > 0 {
		step := hits[:min(len(hits), 256)] // the writer gets its turn in between
		hits = hits[len(step):]
		d.x.mu.RLock()
		for _, v := range step {
			out = append(out, v.postings)
		}
		d.x.mu.RUnlock()
	}
	return out, nil
}

// split returns order as a sorted run and the newest values, which are not sorted yet.
func (n *label) split(order []*value) (sorted, rest []*value) {
	if s := n.sorted.Load(); s != nil && len(*s) <= len(order) {
		sorted = *s
	}
	if rest = order[len(sorted):]; len(rest) > 64+len(sorted)/8 {
		s := slices.Clone(order)
		slices.SortFunc(s, func(a, b *value) int { return strings.Compare(a.text, b.text) })
		n.sorted.Store(&s)
		return s, nil
	}
	return sorted, rest
}
