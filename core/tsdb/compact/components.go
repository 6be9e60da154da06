package compact

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Shape is what is known of the labels of a group's series without looking at them: a series has the common
// labels, but for those whose names are in Own, and others with names in Own.
type Shape struct {
	Common labels.Labels
	Own    []string // sorted
}

// maxClasses bounds the work of telling classes of groups apart; with more, everything is one component.
const maxClasses = 200

// class is the groups whose fixed labels, those no series overrides, have the same names.
type class struct {
	names []string
	own   map[string]bool // that any of the groups has
	nodes map[string]int  // by the values of the fixed labels
	fixed []labels.Labels // by node of the class
}

// Components sorts groups into sets such that groups of different sets share no series. It returns the sets in
// order of the first group's common labels, in each of them the groups in ascending order.
func Components(shapes []Shape) [][]int {
	var (
		classes []*class
		byNames = map[string]*class{}
		node    = make([]int, len(shapes))
		sets    forest
	)
	for i, s := range shapes {
		fixed, names := s.fixed()
		k := strings.Join(names, "\xff")
		c := byNames[k]
		if c == nil {
			c = &class{names: names, own: map[string]bool{}, nodes: map[string]int{}}
			byNames[k] = c
			classes = append(classes, c)
		}
		for _, n := range s.Own {
			c.own[n] = true
		}
		v := string(fixed.Bytes(nil))
		n, ok := c.nodes[v]
		if !ok {
			n = sets.add()
			c.nodes[v] = n
			c.fixed = append(c.fixed, fixed)
		}
		node[i] = n
	}
	for i, a := range classes {
		for _, b := range classes[i+1:] {
			if len(classes) > maxClasses || a.mayShare(b) {
				a.join(b, &sets)
			}
		}
	}
	return collect(shapes, node, &sets)
}

// fixed returns the common labels that every series of the group has, and their names.
func (s Shape) fixed() (labels.Labels, []string) {
	var names []string
	var b labels.ScratchBuilder
	s.Common.Range(func(l labels.Label) {
		if _, own := slices.BinarySearch(s.Own, l.Name); !own {
			b.Add(l.Name, l.Value)
			names = append(names, l.Name)
		}
	})
	return b.Labels(), names
}

// mayShare tells whether the names leave it possible that a group of a and one of b share a series.
func (a *class) mayShare(b *class) bool {
	lacks := func(x, y *class) bool { // x has a name that y's series cannot have
		return slices.ContainsFunc(x.names, func(n string) bool { return !slices.Contains(y.names, n) && !y.own[n] })
	}
	return !lacks(a, b) && !lacks(b, a)
}

// join joins the groups of two classes that have the same values of the names both fix.
func (a *class) join(b *class, sets *forest) {
	var both []string
	for _, n := range a.names {
		if slices.Contains(b.names, n) {
			both = append(both, n)
		}
	}
	first := map[string]int{}
	for _, c := range []*class{a, b} {
		for _, ls := range c.fixed {
			n := c.nodes[string(ls.Bytes(nil))]
			k := string(ls.BytesWithLabels(nil, both...))
			if o, ok := first[k]; ok {
				sets.union(o, n)
			} else {
				first[k] = n
			}
		}
	}
}

func collect(shapes []Shape, node []int, sets *forest) [][]int {
	byRoot := map[int]int{}
	var out [][]int
	for i := range shapes {
		r := sets.find(node[i])
		at, ok := byRoot[r]
		if !ok {
			at = len(out)
			byRoot[r] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], i)
	}
	slices.SortStableFunc(out, func(a, b []int) int { return labels.Compare(shapes[a[0]].Common, shapes[b[0]].Common) })
	return out
}

// forest is a union-find structure.
type forest struct{ parent []int }

func (f *forest) add() int {
	f.parent = append(f.parent, len(f.parent))
	return len(f.parent) - 1
}

func (f *forest) find(x int) int {
	for f.parent[x] != x {
		f.parent[x] = f.parent[f.parent[x]]
		x = f.parent[x]
	}
	return x
}

func (f *forest) union(x, y int) { f.parent[f.find(x)] = f.find(y) }
