package exec

import (
	"math"
	"sync"

	"github.com/hearth-project/hearth/core/storage"
)

// Pool keeps the memory that scans decode into from query to query. The zero value is ready. Safe for concurrent use.
type Pool struct{ pool sync.Pool }

// Get returns memory for at least n values.
func (p *Pool) Get(n int) *[]float64 {
	if b, ok := p.pool.Get().(*[]float64); ok && cap(*b) >= n {
		return b
	}
	b := make([]float64, 0, n)
	return &b
}

// Put takes memory back.
func (p *Pool) Put(b *[]float64) { p.pool.Put(b) }

// scanBuffer is the memory a scan decodes into. It comes from the engine's pool and goes back there.
type scanBuffer struct {
	q     *query
	buf   *[]float64
	hists storage.Histograms
	began []int64
}

// read decodes what there is of rows lo..hi-1 of series i of g, and returns the first row it did.
func (b *scanBuffer) read(g storage.Columns, i, lo, hi int) (from int, v []float64, err error) {
	first, last := g.Rows(i)
	lo, hi = max(lo, first), min(hi, last)
	if lo >= hi {
		return lo, nil, nil
	}
	if n := hi - lo; b.buf == nil || n > cap(*b.buf) {
		if err := b.grow(n); err != nil {
			return lo, nil, err
		}
	}
	v, err = g.Values(i, lo, hi, (*b.buf)[:0])
	return lo, v, ofStorage(err)
}

func (b *scanBuffer) grow(n int) error {
	if n > math.MaxInt32 {
		return ErrTooManySamples
	}
	b.close()
	if err := b.q.charge(n); err != nil {
		b.q.release(n)
		return err
	}
	b.buf = b.q.pool.Get(n)
	b.q.release(n - cap(*b.buf))
	return nil
}

func (b *scanBuffer) close() {
	if b.buf != nil {
		b.q.release(cap(*b.buf))
		b.q.pool.Put(b.buf)
		b.buf = nil
	}
}
