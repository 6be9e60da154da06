package exec

import "sync"

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
