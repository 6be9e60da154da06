package exec

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/hearth-project/hearth/core/promql/fn"
)

func TestSharedWorkIsDoneOnce(t *testing.T) {
	for helpers := range 3 {
		q := newQuery(t.Context(), Options{Helpers: NewHelpers(helpers), WorthHelp: 1})
		done := make([]atomic.Int32, 100)
		if err := q.share(len(done), 1, func(i int) error { done[i].Add(1); return nil }); err != nil {
			t.Error(err)
		}
		for i := range done {
			if n := done[i].Load(); n != 1 {
				t.Errorf("with %d helpers %d is done %d times", helpers, i, n)
			}
		}
		if n := q.helpers.take(10); n != helpers {
			t.Errorf("%d of %d helpers are back", n, helpers)
		}
	}
}

func TestSharedWorkFailsByItsFirstError(t *testing.T) {
	for helpers := range 3 {
		for _, tt := range []struct {
			name string
			f    func(i int) error
			want string
		}{
			{"errors", func(i int) error {
				if i < 3 {
					return nil
				}
				return fmt.Errorf("%d fails", i)
			}, "3 fails"},
			{"an argument out of bounds", func(int) error { panic(fn.Error("no such factor")) }, "no such factor"},
			{"a bug", func(int) error { panic("nothing there") }, "nothing there"},
		} {
			q := newQuery(t.Context(), Options{Helpers: NewHelpers(helpers), WorthHelp: 1})
			err := func() (err error) {
				defer func() {
					switch v := recover().(type) {
					case nil:
					case error:
						err = v
					case Panic:
						err = &v
					default:
						err = errors.New(fmt.Sprint(v))
					}
				}()
				return q.share(50, 1, tt.f)
			}()
			if err == nil || err.Error() != tt.want && (helpers == 0 || tt.name != "errors") {
				t.Errorf("%s with %d helpers: %v", tt.name, helpers, err)
			}
		}
	}
}
