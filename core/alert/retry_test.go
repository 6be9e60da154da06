package alert

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(ctx context.Context, attempt int) error
		until  time.Duration
		calls  int
		want   []string
	}{
		{"a temporary error is followed by another attempt within seconds",
			func(_ context.Context, n int) error {
				if n < 3 {
					return fmt.Errorf("post: %w", &callError{text: "503", retry: true})
				}
				return nil
			}, 20 * time.Second, 3, []string{"ops firing[Disk]"}},
		{"an error without a verdict counts as temporary",
			func(_ context.Context, n int) error {
				if n == 1 {
					return errors.New("wasm error: unreachable")
				}
				return nil
			}, 20 * time.Second, 2, []string{"ops firing[Disk]"}},
		{"a permanent error is not repeated before group_interval, which tries again",
			func(_ context.Context, n int) error {
				if n == 1 {
					return &callError{text: "404"}
				}
				return nil
			}, 69 * time.Second, 1, nil},
		{"after group_interval a permanent error is tried again",
			func(_ context.Context, n int) error {
				if n == 1 {
					return &callError{text: "404"}
				}
				return nil
			}, 71 * time.Second, 2, []string{"ops firing[Disk]"}},
		{"a receiver that asks for rest gets it",
			func(_ context.Context, n int) error {
				if n == 1 {
					return &callError{text: "429", retry: true, after: 30 * time.Second}
				}
				return nil
			}, 39 * time.Second, 1, nil},
		{"... and is told after it",
			func(_ context.Context, n int) error {
				if n == 1 {
					return &callError{text: "429", retry: true, after: 30 * time.Second}
				}
				return nil
			}, 41 * time.Second, 2, []string{"ops firing[Disk]"}},
		{"a plugin cannot ask for rest without end",
			func(_ context.Context, n int) error {
				if n == 1 {
					return &callError{text: "429", retry: true, after: 1000 * time.Hour}
				}
				return nil
			}, 6 * time.Minute, 2, []string{"ops firing[Disk]"}},
		{"an attempt that hangs ends with the notifier's timeout, and is repeated",
			func(ctx context.Context, n int) error {
				if n == 1 {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}, 22 * time.Second, 2, []string{"ops firing[Disk]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, base, func(t *testing.T, w *world) {
				w.answer = func(ctx context.Context, _ string, n int) error { return tt.answer(ctx, n) }
				w.fire("Disk")
				w.at(tt.until)
				if w.calls["ops"] != tt.calls {
					t.Errorf("%d attempts, want %d", w.calls["ops"], tt.calls)
				}
				var got []string
				for _, m := range w.mails {
					m.at = 0
					got = append(got, m.String()[len("0s "):])
				}
				if fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("told %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestReceiversShowTheLastAttempt(t *testing.T) {
	in(t, base, func(t *testing.T, w *world) {
		w.answer = func(context.Context, string, int) error { return &callError{text: "the receiver answered 404"} }
		w.fire("Disk")
		w.at(11 * time.Second)
		list := w.manager.Receivers()
		if len(list) != 1 || list[0].Name != "ops" || len(list[0].Notifiers) != 1 {
			t.Fatalf("receivers %+v", list)
		}
		n := list[0].Notifiers[0]
		if n.Last.Err == nil || n.Last.Err.Error() != "the receiver answered 404" || n.Last.Alerts != 1 || n.Last.At.Sub(w.began) != 10*time.Second {
			t.Errorf("last attempt %+v", n.Last)
		}
	})
}

func TestOneFailingNotifierDoesNotStopTheOther(t *testing.T) {
	in(t, base+`
[[route.routes]]
receiver = "two"
[[receivers]]
name = "two"
notifiers = [{ plugin = "hearth/inbox", config = { to = "x" } }, { plugin = "hearth/inbox", config = { to = "y" } }]
`, func(t *testing.T, w *world) {
		w.answer = func(_ context.Context, to string, _ int) error {
			if to == "x" {
				return &callError{text: "503", retry: true}
			}
			return nil
		}
		w.fire("Disk")
		w.at(3 * time.Minute)
		w.got("10s y firing[Disk]") // once: that x fails does not make y hear it again
	})
}
