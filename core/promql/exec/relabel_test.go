package exec

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// hundred is an operator of a hundred series without values.
type hundred struct{ nothing }

func (hundred) open(*query) ([]series, error) { return make([]series, 100), nil }

func TestRelabellingEndsWithItsQuery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	op := &relabelled{of: hundred{}, dst: "a", set: func(labels.Labels) (string, bool) {
		if n++; n == 7 {
			cancel()
		}
		return "b", true
	}, max: func(labels.Labels) int { return 1 }}
	if _, err := op.open(newQuery(ctx, Options{MaxSamples: 1000})); !errors.Is(err, context.Canceled) || n != 7 {
		t.Errorf("%d series, %v", n, err)
	}
}
