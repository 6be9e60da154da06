package index

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// interrupted is a dictionary that calls end after a number of values have been matched.
type interrupted struct {
	memDictionary
	after int
	end   func()
	taken *int // values that the pattern took
}

func (d interrupted) scan(name, prefix string, match func(string) bool) ([]postings, error) {
	n := 0
	return d.memDictionary.scan(name, prefix, func(v string) bool {
		if n++; n > d.after {
			d.end()
		}
		is := match(v)
		if is {
			*d.taken++
		}
		return is
	})
}

func TestASelectionEndsWithItsContext(t *testing.T) {
	var one group
	for i := range 1000 {
		one.series = append(one.series, labels.FromStrings("a", fmt.Sprintf("%04d", i)))
	}
	mem, disk, _ := build(t, []group{one})
	regex := labels.MustNewMatcher(labels.MatchRegexp, "a", "([0-9]+)+x?(.*)*.+")
	if ids, err := mem.SelectContext(t.Context(), regex); len(ids) != 1000 || err != nil {
		t.Errorf("in memory: %d series, %v", len(ids), err)
	}
	if ids, err := disk.SelectContext(t.Context(), regex); len(ids) != 1000 || err != nil {
		t.Errorf("on disk: %d series, %v", len(ids), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	taken := 0
	if _, err := resolve(ctx, interrupted{memDictionary{mem}, 10, cancel, &taken}, []*labels.Matcher{regex}); !errors.Is(err, context.Canceled) || taken != 10 {
		t.Errorf("%d values were matched after the end of the context at 10: %v", taken, err)
	}
	if ids, err := mem.SelectContext(ctx, regex); len(ids) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("in memory, after the end: %d series, %v", len(ids), err)
	}
	if ids, err := disk.SelectContext(ctx, regex); len(ids) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("on disk, after the end: %d series, %v", len(ids), err)
	}
}
