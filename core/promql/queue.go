package promql

import "context"

// queue lets a number of queries run at the same time and a bounded number wait. As many of rules may run besides, and
// they wait only for each other.
type queue struct {
	running chan struct{} // one for each query that runs
	inside  chan struct{} // one for each query that runs or waits
	rules   chan struct{} // one for each query of a rule that runs
}

const waitersPerQuery = 16

func newQueue(n int) *queue {
	return &queue{running: make(chan struct{}, n), inside: make(chan struct{}, n+n*waitersPerQuery), rules: make(chan struct{}, n)}
}

// enter waits until a query may run. leave must be called when it is done, unless there is an error.
func (q *queue) enter(ctx context.Context, rule bool) (leave func(), err error) {
	if rule {
		select {
		case q.rules <- struct{}{}:
			return func() { <-q.rules }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
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
