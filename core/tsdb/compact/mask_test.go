package compact

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestAMaskHidesWhatItSaysAndNothingElse(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		want := samples{}
		cs := randomList(r, 0, want)
		sets := map[string]labels.Labels{}
		groups := map[string]string{} // key of the group by series
		first, last := int64(1<<62), int64(0)
		for _, c := range cs {
			for i := range c.Len() {
				k := c.Labels(i).String()
				sets[k], groups[k] = c.Labels(i), GroupKey(c.Common())
			}
			first, last = min(first, c.Times()[0]), max(last, c.Times()[len(c.Times())-1])
		}
		at := func() int64 { return first - 5 + r.Int64N(last-first+10) }
		var m Mask
		for range r.IntN(3) {
			x := Tombstone{Matchers: anyMatchers(r, sets), Mint: at(), Maxt: at()}
			if r.IntN(3) == 0 {
				x.Ends = map[string]int64{}
				for _, g := range groups {
					if r.IntN(2) == 0 {
						x.Ends[g] = at()
					}
				}
			}
			m.Tombstones = append(m.Tombstones, x)
		}
		for range r.IntN(3) {
			m.Limits = append(m.Limits, Limit{Matchers: anyMatchers(r, sets), Before: at()})
		}
		got, err := m.Apply(cs)
		if err != nil {
			t.Fatal(err)
		}
		for k, s := range want {
			for ts := range s {
				if hiddenBy(m, sets[k], groups[k], ts) {
					delete(s, ts)
				}
			}
			if len(s) == 0 {
				delete(want, k)
			}
		}
		same(t, fmt.Sprint("seed ", seed), read(t, got), want)
	}
}

// anyMatchers returns a matcher on a label of one of the series, or none.
func anyMatchers(r *rand.Rand, sets map[string]labels.Labels) []*labels.Matcher {
	var out []*labels.Matcher
	for _, ls := range sets {
		ls.Range(func(l labels.Label) {
			if r.IntN(3) == 0 && len(out) == 0 {
				out = append(out, labels.MustNewMatcher(labels.MatchType(r.IntN(2)), l.Name, l.Value))
			}
		})
		break
	}
	return out
}

// hiddenBy tells the same as the mask, sample by sample.
func hiddenBy(m Mask, ls labels.Labels, group string, ts int64) bool {
	for _, x := range m.Tombstones {
		end, ok := x.Ends[group]
		if x.Ends != nil && (!ok || ts > end) {
			continue
		}
		if ts >= x.Mint && ts <= x.Maxt && Matches(ls, x.Matchers) {
			return true
		}
	}
	for _, l := range m.Limits {
		if Matches(ls, l.Matchers) {
			return ts < l.Before
		}
	}
	return false
}
