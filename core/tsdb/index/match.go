package index

import (
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// dictionary is what matchers are resolved against.
type dictionary interface {
	// all returns all series.
	all() (postings, error)
	// named returns the series that have the label.
	named(name string) (postings, error)
	// find returns the series that have the label with this value, none for the empty one.
	find(name, value string) (postings, error)
	// scan returns the postings of each value of the label that begins with prefix and that match takes.
	scan(name, prefix string, match func(string) bool) ([]postings, error)
}

// resolve returns the series that satisfy all matchers; the bitmap must not be changed. nil means none.
//
// Of one matcher, let U be the series with a value that its pattern takes. A series that has the label
// satisfies the matcher if it is in U, or for != and !~ if it is not; one that lacks the label is judged as if
// it had the empty value. So each matcher either keeps a set or takes one away.
//
// A pattern may take long, and there may be many values: the end of ctx ends it between two of them, with its error.
func resolve(ctx context.Context, d dictionary, ms []*labels.Matcher) (*roaring.Bitmap, error) {
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b *labels.Matcher) int { return cost(a) - cost(b) })
	var keep, without []postings
	for _, m := range ms {
		set, kept, err := settle(ctx, d, m)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		case kept && set.count() == 0:
			return nil, nil
		case kept:
			keep = append(keep, set)
		default:
			without = append(without, set)
		}
	}
	if len(keep) == 0 {
		p, err := d.all()
		if err != nil {
			return nil, err
		}
		keep = []postings{p}
	}
	slices.SortStableFunc(keep, func(a, b postings) int { return int(a.count()) - int(b.count()) })
	res := keep[0].bitmap()
	for _, p := range keep[1:] {
		res = p.and(res)
	}
	for _, p := range without {
		res = p.takenFrom(res)
	}
	return res, nil
}

// cost orders matchers: those that look one value up come before those that scan a dictionary.
func cost(m *labels.Matcher) int {
	switch {
	case m.Type == labels.MatchEqual && m.Value != "":
		return 0
	case m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual:
		return 1
	case len(m.SetMatches()) > 0:
		return 2
	}
	return 3
}

// settle resolves one matcher: to a set to keep, or to one to take away.
func settle(ctx context.Context, d dictionary, m *labels.Matcher) (set postings, keep bool, err error) {
	negated := m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp
	done := ctx.Done()
	pattern := func(v string) bool {
		select {
		case <-done: // what is found does not matter any more
			return false
		default:
			return m.Matches(v) != negated
		}
	}
	lacking := pattern("") // whether the pattern takes a series that lacks the label
	keep = negated == lacking
	if !lacking {
		set, err = taken(d, m, pattern)
		return set, keep, err
	}
	set, err = refused(d, m, pattern)
	return set, keep, err
}

// taken returns the series with a value that the matcher's pattern takes.
func taken(d dictionary, m *labels.Matcher, pattern func(string) bool) (postings, error) {
	regex := m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp
	if !regex {
		return d.find(m.Name, m.Value)
	}
	if m.Value == ".+" {
		return d.named(m.Name)
	}
	if vs := m.SetMatches(); len(vs) > 0 {
		var ps []postings
		for _, v := range vs {
			p, err := d.find(m.Name, v)
			if err != nil {
				return postings{}, err
			}
			ps = append(ps, p)
		}
		return union(ps), nil
	}
	ps, err := d.scan(m.Name, m.Prefix(), pattern)
	if err != nil {
		return postings{}, err
	}
	return union(ps), nil
}

// refused returns the series that have the label with a value that the matcher's pattern does not take.
func refused(d dictionary, m *labels.Matcher, pattern func(string) bool) (postings, error) {
	if m.Value == "" { // = "" and =~ "" take no other value
		return d.named(m.Name)
	}
	if m.Value == ".*" {
		return postings{}, nil
	}
	ps, err := d.scan(m.Name, "", func(v string) bool { return !pattern(v) })
	if err != nil {
		return postings{}, err
	}
	return union(ps), nil
}
