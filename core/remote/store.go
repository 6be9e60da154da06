package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// store writes the message of q and says how to answer.
func (r *Receiver) store(ctx context.Context, q *request) (int, error) {
	refused, err := r.collect(q, r.opts.Clock().Add(maxAhead).UnixMilli())
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	if len(q.batch) > 0 {
		err = r.opts.Storage.Append(ctx, q.batch)
	}
	stored := len(q.samples)
	var part *storage.AppendError
	if errors.As(err, &part) {
		stored = part.Stored
		r.metrics.rejected.WithLabelValues(reason(err)).Add(float64(part.Rejected))
	} else if err != nil {
		stored = 0
	}
	r.metrics.samples.Add(float64(stored))
	switch {
	case err == nil && refused == nil:
		return http.StatusNoContent, nil
	case err == nil:
		return http.StatusBadRequest, refused
	case reason(err) != "":
		return http.StatusBadRequest, err
	case errors.Is(err, storage.ErrClosed), errors.Is(err, storage.ErrNoSpace):
		return http.StatusServiceUnavailable, err
	}
	return http.StatusInternalServerError, err
}

// collect walks the message into q.batch. Series and samples that can never be stored are left out and counted; the
// first reason is refused. An error means that the message is damaged: then nothing may be stored.
func (r *Receiver) collect(q *request, latest int64) (refused, err error) {
	refuse := func(n int, why string, e error) {
		r.metrics.rejected.WithLabelValues(why).Add(float64(n))
		if refused == nil {
			refused = e
		}
	}
	w := walker{b: q.message}
	for {
		s, more, err := w.next(&q.samples)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		start := s.firstSample
		ls, err := r.known.labels(s)
		if err != nil {
			refuse(len(q.samples)-start, "labels", err)
			q.samples = q.samples[:start]
			continue
		}
		kept := q.samples[:start]
		for _, sample := range q.samples[start:] {
			if sample.T > latest {
				refuse(1, "too_new", fmt.Errorf("%w: %s at %s", storage.ErrTooNew, ls, time.UnixMilli(sample.T).UTC().Format(time.RFC3339)))
				continue
			}
			kept = append(kept, sample)
		}
		q.samples = kept
		if len(q.samples) > start {
			q.batch = append(q.batch, model.Series{Labels: ls})
			q.ends = append(q.ends, len(q.samples))
		}
	}
	r.metrics.count(w.skipped)
	start := 0
	for i, end := range q.ends { // now that samples do not move any more
		q.batch[i].Samples = q.samples[start:end:end]
		start = end
	}
	return refused, nil
}

// reason names what the storage refuses for good; empty for failures that may pass.
func reason(err error) string {
	switch {
	case errors.Is(err, storage.ErrOutOfOrder):
		return "out_of_order"
	case errors.Is(err, storage.ErrDuplicate):
		return "duplicate"
	case errors.Is(err, storage.ErrTooOld):
		return "too_old"
	case errors.Is(err, storage.ErrTooNew):
		return "too_new"
	}
	return ""
}
