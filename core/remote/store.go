package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// maxRounds is how often series that leave the storage while a request is being stored are made again.
const maxRounds = 4

// sent is a series of a request, in few bytes: a request may hold millions.
type sent struct {
	name           rawName
	ref            storage.Ref
	rawLo, rawHi   uint32 // where in the text its labels are, or a message with them
	samplesLo, end uint32 // where in the samples of the request its own are
}

func (q *request) raw(s *sent) []byte { return q.text[s.rawLo:s.rawHi] }

func (q *request) samplesOf(s *sent) []model.Sample { return q.samples[s.samplesLo:s.end] }

// written is how much of a request was stored.
type written struct{ samples, histograms, exemplars int }

// store writes what w walks over and says how to answer.
func (r *Receiver) store(ctx context.Context, q *request, w walker) (done written, code int, err error) {
	refused, err := r.collect(q, w, r.opts.Clock().Add(maxAhead).UnixMilli())
	if err != nil {
		return done, http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	q.unknown = r.known.find(q.series, q.unknown[:0])
	bad, err := r.makeKnown(ctx, q, q.unknown)
	if errors.Is(err, errTruncated) || errors.Is(err, errMalformed) {
		return done, http.StatusBadRequest, fmt.Errorf("request body: %w", err)
	}
	if refused == nil || errors.Is(bad, storage.ErrNoSpace) {
		refused = bad
	}
	if err == nil {
		done.samples, err = r.write(ctx, q)
	}
	var part *storage.AppendError
	if err == nil || errors.As(err, &part) {
		more, err2 := r.writeNatives(ctx, q)
		done.samples += more.samples
		done.histograms += more.histograms
		if err == nil || !errors.As(err2, &part) && err2 != nil || errors.Is(err2, storage.ErrNoSpace) {
			err = err2
		}
	}
	r.metrics.samples.Add(float64(done.samples + done.histograms))
	if err == nil || errors.As(err, &part) {
		done.exemplars = r.writeExemplars(ctx, q)
		r.writeMetadata(w.metadata())
	}
	switch {
	case err == nil && refused == nil:
		return done, http.StatusNoContent, nil
	case errors.Is(err, storage.ErrNoSpace): // if only of some jobs, too: they may be sent again
		return done, http.StatusServiceUnavailable, err
	case errors.Is(refused, storage.ErrNoSpace):
		return done, http.StatusServiceUnavailable, refused
	case err == nil:
		return done, http.StatusBadRequest, refused
	case errors.As(err, &part), reason(err) != "":
		return done, http.StatusBadRequest, err
	case errors.Is(err, storage.ErrClosed):
		return done, http.StatusServiceUnavailable, err
	}
	return done, http.StatusInternalServerError, err
}

// collect walks the message into q.series and q.natives. Samples that can never be stored are left out and counted; the
// first reason is refused. An error means that the message is damaged: then nothing may be stored.
func (r *Receiver) collect(q *request, w walker, latest int64) (refused, err error) {
	for {
		s, more, err := w.next(&q.samples)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		q.text = w.text()
		one := sent{rawLo: uint32(s.lo), rawHi: uint32(s.hi), samplesLo: uint32(s.firstSample)}
		if s.named {
			one.name = r.known.name(q.raw(&one))
		}
		n := s.firstSample
		for _, sample := range q.samples[n:] {
			if sample.T > latest {
				r.metrics.rejected.WithLabelValues("too_new").Inc()
				if refused == nil {
					ls, _ := makeLabels(q.raw(&one)) // whatever is wrong with them is told in its turn
					refused = fmt.Errorf("%w: %s at %s", storage.ErrTooNew, ls, time.UnixMilli(sample.T).UTC().Format(time.RFC3339))
				}
				continue
			}
			q.samples[n] = sample
			n++
		}
		q.samples = q.samples[:n]
		one.end = uint32(n)
		plain := n > s.firstSample && !s.native()
		if plain {
			q.series = append(q.series, one)
			if len(s.exemplars) == 0 {
				continue
			}
		}
		ls, err := makeLabels(q.raw(&one))
		switch { // if there is nothing to store, what is wrong is told all the same
		case err == nil:
			if len(s.exemplars) > 0 {
				q.exemplars = append(q.exemplars, exemplar.QueryResult{SeriesLabels: ls, Exemplars: s.exemplars})
			}
			if s.native() {
				q.natives = append(q.natives, model.Series{Labels: ls, Samples: slices.Clone(q.samples[s.firstSample:]), Histograms: s.histograms, Starts: s.starts})
				q.samples = q.samples[:s.firstSample]
			}
		case !errors.Is(err, errLabels):
			return nil, err
		case plain: // it is told and counted with its samples
		default:
			r.metrics.rejected.WithLabelValues("labels").Add(float64(n - s.firstSample + len(s.histograms)))
			if refused == nil {
				refused = err
			}
		}
	}
	return refused, nil
}

// writeNatives stores series with more than numbers, and counts what it stored.
func (r *Receiver) writeNatives(ctx context.Context, q *request) (done written, err error) {
	if len(q.natives) == 0 {
		return done, nil
	}
	for _, s := range q.natives {
		done.samples += len(s.Samples)
		done.histograms += len(s.Histograms)
	}
	err = r.opts.Storage.Append(ctx, q.natives)
	var part *storage.AppendError
	if !errors.As(err, &part) {
		if err != nil {
			done = written{}
		}
		return done, err
	}
	r.metrics.rejected.WithLabelValues(cmp.Or(reason(err), "invalid")).Add(float64(part.Rejected))
	left := done.samples + done.histograms - part.Rejected // which they are is not known if they are of both kinds
	done.histograms = min(done.histograms, left)
	done.samples = left - done.histograms
	return done, part
}

// writeExemplars stores exemplars and returns how many it stored. One that is refused does not fail the request, nor do
// they with upstream: senders cannot know what is newest here.
func (r *Receiver) writeExemplars(ctx context.Context, q *request) (stored int) {
	for _, s := range q.exemplars {
		if r.opts.Exemplars == nil {
			r.metrics.skipped.WithLabelValues("exemplar").Add(float64(len(s.Exemplars)))
			continue
		}
		stored += len(s.Exemplars)
		if err := r.opts.Exemplars.AppendExemplars(s.SeriesLabels, s.Exemplars); err != nil {
			var part *storage.AppendError
			if errors.As(err, &part) {
				stored -= part.Rejected
			}
			r.opts.Logger.DebugContext(ctx, "exemplars are not stored", "err", err)
		}
	}
	return stored
}

// writeMetadata hands on what a request says of metrics. Its texts are of the message and are not to be kept.
func (r *Receiver) writeMetadata(s *statements) {
	skipped := s.skipped
	if r.opts.Metadata == nil {
		skipped += len(s.said)
	} else {
		r.opts.Metadata.AppendMetadata(s.said)
	}
	if skipped > 0 {
		r.metrics.skipped.WithLabelValues("metadata").Add(float64(skipped))
	}
}

// makeKnown gives the series with these indices their numbers. A series whose labels cannot be has its samples
// counted and gets none; the first reason is refused.
func (r *Receiver) makeKnown(ctx context.Context, q *request, indices []int) (refused, err error) {
	if len(indices) == 0 {
		return nil, nil
	}
	q.sets = q.sets[:0]
	good := indices[:0]
	for _, i := range indices {
		s := &q.series[i]
		ls, err := makeLabels(q.raw(s))
		switch {
		case errors.Is(err, errLabels):
			r.metrics.rejected.WithLabelValues("labels").Add(float64(s.end - s.samplesLo))
			if refused == nil {
				refused = err
			}
		case err != nil:
			return nil, err
		default:
			q.sets = append(q.sets, ls)
			good = append(good, i)
		}
	}
	refs := make([]storage.Ref, len(good))
	err = r.opts.Storage.Refs(ctx, q.sets, refs)
	for k, i := range good {
		q.series[i].ref = refs[k]
	}
	r.known.keep(q.series, good)
	var part *storage.AppendError
	if errors.As(err, &part) {
		for k, i := range good {
			if refs[k] == 0 {
				r.metrics.rejected.WithLabelValues(cmp.Or(reason(err), "labels")).Add(float64(q.series[i].end - q.series[i].samplesLo))
			}
		}
		if refused == nil {
			refused = err
		}
		err = nil
	}
	return refused, err
}

// write stores the samples of all series of q that have a number, and returns how many it stored.
func (r *Receiver) write(ctx context.Context, q *request) (stored int, err error) {
	q.points, q.of = q.points[:0], q.of[:0]
	for i := range q.series {
		q.addPoints(i)
	}
	var first *storage.AppendError
	for range maxRounds {
		if len(q.points) == 0 {
			break
		}
		q.gone, err = r.opts.Storage.AppendPoints(ctx, q.points, q.gone[:0])
		var part *storage.AppendError
		switch {
		case errors.As(err, &part):
			r.metrics.rejected.WithLabelValues(reason(err)).Add(float64(part.Rejected))
			stored += part.Stored
			if first == nil {
				first = part
			}
		case err != nil:
			return 0, err
		default:
			stored += len(q.points) - len(q.gone)
		}
		back, err := r.bringBack(ctx, q)
		if err != nil {
			return 0, err
		}
		if first == nil && errors.As(back, &part) {
			first = part
		}
	}
	if first != nil {
		return stored, first
	}
	return stored, nil
}

// bringBack makes q.points those of series that left the storage, which is asked for new numbers. Refused is why some
// get none.
func (r *Receiver) bringBack(ctx context.Context, q *request) (refused, err error) {
	q.unknown = q.unknown[:0]
	for _, p := range q.gone {
		i := q.of[p]
		if q.series[i].ref != 0 {
			q.series[i].ref = 0
			q.unknown = append(q.unknown, int(i))
		}
	}
	q.points, q.of = q.points[:0], q.of[:0]
	if len(q.unknown) == 0 {
		return nil, nil
	}
	if refused, err = r.makeKnown(ctx, q, q.unknown); err != nil {
		return nil, err
	}
	for _, i := range q.unknown {
		q.addPoints(i)
	}
	return refused, nil
}

// addPoints appends the samples of the series to those to be written, if it has a number.
func (q *request) addPoints(i int) {
	s := &q.series[i]
	if s.ref == 0 {
		return
	}
	for _, sample := range q.samplesOf(s) {
		q.points = append(q.points, storage.Point{T: sample.T, V: sample.V, Ref: s.ref})
		q.of = append(q.of, int32(i))
	}
}

// reason names what the storage refuses; empty for failures of it as a whole.
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
	case errors.Is(err, storage.ErrLimit):
		return "limit"
	case errors.Is(err, storage.ErrNoSpace):
		return "no_space"
	}
	return ""
}
