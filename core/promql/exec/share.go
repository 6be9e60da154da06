package exec

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hearth-project/hearth/core/promql/fn"
)

// share calls f with 0..n-1, which must not depend on each other, on helpers as far as it gets some and cost, in cells
// and rows, is worth it. It stops at an error and returns the one of the lowest number.
func (q *query) share(n, cost int, f func(i int) error) error {
	helpers := 0
	if cost >= q.worthHelp {
		helpers = q.helpers.take(min(n-1, q.helpers.size()))
		defer q.helpers.give(helpers)
	}
	if helpers == 0 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	work := func() {
		for i := int(next.Add(1)) - 1; i < n && !failed.Load(); i = int(next.Add(1)) - 1 {
			if errs[i] = guarded(f, i); errs[i] != nil {
				failed.Store(true)
			}
		}
	}
	var wg sync.WaitGroup
	for range helpers {
		wg.Go(work)
	}
	work()
	wg.Wait()
	for _, err := range errs {
		if p, ok := err.(*Panic); ok {
			panic(*p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guarded makes a panic of f an error.
func guarded(f func(int) error, i int) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case fn.Error:
			err = v
		default:
			err = &Panic{v, string(debug.Stack())}
		}
	}()
	return f(i)
}
