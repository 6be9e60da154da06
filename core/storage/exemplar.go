package storage

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
)

// ErrExemplarLabels refuses an exemplar whose labels are too long or none that can be.
var ErrExemplarLabels = errors.New("invalid labels of an exemplar")

// ExemplarWriter is the writing side of a storage of exemplars. Safe for concurrent use.
type ExemplarWriter interface {
	// AppendExemplars stores exemplars of one series, in order of time. What is refused is counted and described in the
	// error, an AppendError; ErrOutOfOrder and ErrExemplarLabels are the reasons. What is there already is no error.
	AppendExemplars(series labels.Labels, es []exemplar.Exemplar) error
}

// ExemplarQueryable is the reading side. Safe for concurrent use.
type ExemplarQueryable interface {
	// Exemplars returns the exemplars in mint..maxt (Unix milliseconds, inclusive) of the series that satisfy all
	// matchers of any of the selectors, series in order of labels, exemplars in order of time.
	Exemplars(ctx context.Context, mint, maxt int64, selectors ...[]*labels.Matcher) ([]exemplar.QueryResult, error)
}
