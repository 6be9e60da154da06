// Package upstream gives what is written for Prometheus's storage a hearth storage to work on: its engine, its
// remote read, its test scripts. A Storage has the interfaces of github.com/prometheus/prometheus/storage and
// keeps no samples of its own. It knows floats, native histograms and start timestamps; exemplars and metadata are
// let go of, as upstream does where they are switched off.
//
// The server does not need it. It is the way to hold hearth's database against upstream's.
package upstream

import (
	"context"
	"math"

	up "github.com/prometheus/prometheus/storage"

	"github.com/hearth-project/hearth/core/storage"
)

// Storage is a hearth storage as upstream's code sees one. Safe for concurrent use.
type Storage struct {
	q     storage.Queryable
	w     storage.Writer
	start func() int64
	close func() error
}

var _ up.Storage = (*Storage)(nil)

// New returns the storage that reads q and writes w; w may be nil for one that is only read. start tells the
// time of the oldest sample in Unix milliseconds, math.MaxInt64 if there is none; close is called by Close. Both
// may be nil.
func New(q storage.Queryable, w storage.Writer, start func() int64, close func() error) *Storage {
	return &Storage{q: q, w: w, start: start, close: close}
}

// Querier implements storage.Queryable of upstream.
func (s *Storage) Querier(mint, maxt int64) (up.Querier, error) {
	q, err := s.q.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return &querier{q: q, mint: mint, maxt: maxt}, nil
}

// ChunkQuerier implements storage.ChunkQueryable of upstream: samples are encoded as they are asked for.
func (s *Storage) ChunkQuerier(mint, maxt int64) (up.ChunkQuerier, error) {
	q, err := s.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return chunkQuerier{q}, nil
}

// chunkQuerier encodes what a querier returns.
type chunkQuerier struct{ up.Querier }

// StartTime returns the time of the oldest sample, math.MaxInt64 if there is none or it is not known.
func (s *Storage) StartTime() (int64, error) {
	if s.start == nil {
		return math.MaxInt64, nil
	}
	return s.start(), nil
}

// Close closes what the storage was made with.
func (s *Storage) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Appender implements storage.Appendable of upstream.
func (s *Storage) Appender(ctx context.Context) up.Appender {
	return &appender{batch: newBatch(ctx, s.w)}
}

// AppenderV2 implements storage.AppendableV2 of upstream.
func (s *Storage) AppenderV2(ctx context.Context) up.AppenderV2 {
	return &appenderV2{batch: newBatch(ctx, s.w)}
}
