package index

import (
	"context"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Select returns the series that satisfy all matchers, in order of their ids.
func (x *Index) Select(ms ...*labels.Matcher) ([]uint32, error) {
	return x.SelectContext(context.Background(), ms...)
}

// SelectContext is Select until ctx ends, whose error it returns then.
func (x *Index) SelectContext(ctx context.Context, ms ...*labels.Matcher) ([]uint32, error) {
	set, err := resolve(ctx, indexDictionary{x}, ms)
	if err != nil || set == nil {
		return nil, err
	}
	return set.ToArray(), nil
}

// LabelNames returns the sorted names of the labels on series that satisfy all matchers.
func (x *Index) LabelNames(ms ...*labels.Matcher) ([]string, error) {
	among, err := x.among(ms)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range x.f.labels {
		e, err := x.entry(i)
		if err != nil {
			return nil, err
		}
		if hit, err := among(e.present); err != nil {
			return nil, err
		} else if hit {
			name, err := x.symbol(uint64(e.name))
			if err != nil {
				return nil, err
			}
			out = append(out, name)
		}
	}
	return out, nil
}

// LabelValues returns the sorted values of the label on series that satisfy all matchers.
func (x *Index) LabelValues(name string, ms ...*labels.Matcher) ([]string, error) {
	e, found, err := x.search(name)
	if err != nil || !found {
		return nil, err
	}
	among, err := x.among(ms)
	if err != nil {
		return nil, err
	}
	var out []string
	symbols := symbolReader{x: x}
	for i := range e.n {
		s, r, err := x.value(&e, i)
		if err != nil {
			return nil, err
		}
		if hit, err := among(r); err != nil {
			return nil, err
		} else if hit {
			v, err := symbols.at(uint64(s))
			if err != nil {
				return nil, err
			}
			out = append(out, strings.Clone(v))
		}
	}
	return out, nil
}

// among returns a function that tells whether postings have a series that satisfies the matchers.
func (x *Index) among(ms []*labels.Matcher) (func(ref) (bool, error), error) {
	if len(ms) == 0 {
		return func(ref) (bool, error) { return true, nil }, nil
	}
	set, err := resolve(context.Background(), indexDictionary{x}, ms)
	if err != nil {
		return nil, err
	}
	var it roaring.IntIterator
	return func(r ref) (bool, error) {
		if set == nil {
			return false, nil
		}
		p, err := x.postings(r)
		return err == nil && p.intersects(set, &it), err
	}, nil
}

// indexDictionary is an Index as matchers see it.
type indexDictionary struct{ x *Index }

func (d indexDictionary) all() (postings, error) {
	set := roaring.New()
	set.AddRange(0, d.x.f.series)
	return postings{bits: set}, nil
}

func (d indexDictionary) named(name string) (postings, error) {
	e, found, err := d.x.search(name)
	if err != nil || !found {
		return postings{}, err
	}
	return d.x.postings(e.present)
}

func (d indexDictionary) find(name, value string) (postings, error) {
	e, found, err := d.x.search(name)
	if err != nil || !found || value == "" {
		return postings{}, err
	}
	s, found, err := d.x.searchSymbol(value)
	if err != nil || !found {
		return postings{}, err
	}
	i, err := d.x.searchValue(&e, s)
	if err != nil || i == e.n {
		return postings{}, err
	}
	v, r, err := d.x.value(&e, i)
	if err != nil || uint64(v) != s {
		return postings{}, err
	}
	return d.x.postings(r)
}

func (d indexDictionary) scan(name, prefix string, match func(string) bool) ([]postings, error) {
	e, found, err := d.x.search(name)
	if err != nil || !found {
		return nil, err
	}
	s, _, err := d.x.searchSymbol(prefix)
	if err != nil {
		return nil, err
	}
	i, err := d.x.searchValue(&e, s)
	if err != nil {
		return nil, err
	}
	var out []postings
	symbols := symbolReader{x: d.x}
	for ; i < e.n; i++ {
		v, r, err := d.x.value(&e, i)
		if err != nil {
			return nil, err
		}
		text, err := symbols.at(uint64(v))
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(text, prefix) {
			break
		}
		if !match(text) {
			continue
		}
		p, err := d.x.postings(r)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
