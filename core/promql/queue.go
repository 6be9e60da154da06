package promql

import "context"

// queue lets a number of queries run at the same time and a bounded number wait.
type queue struct {
	running chan struct{} // one for each query that runs
	inside  chan struct{} // one for each query that runs or waits
}

const waitersPerQuery = 16

func newQueue(n int) *queue {
	return &queue{running: make(chan struct{}, n), inside: make(chan struct{}, n+n*waitersPerQuery)}
}

// enter waits until a query may run. leave must be called when it is done, unless there is an error.
func (q *queue) enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.inside <- struct{}{}:
	default:
		return nil, ErrTooManyQueries
	}
	select {
	case q.running <- struct{}{}:
		return func() { <-q.running; <-q.inside }, nil
	case <-ctx.Done():
		<-q.inside
		return nil, ctx.Err()
	}
}
