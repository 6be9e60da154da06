package plugin

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/sdk/abi"
)

func TestACallAndItsAnswer(t *testing.T) {
	inBothForms(t, installGuest(t), "./testdata/guest", "test/guest", callsAndAnswers)
}

func callsAndAnswers(t *testing.T, w world, of func(Use) Use) {
	c := w.open(of(Use{}))
	for i, want := range []string{"1", "2"} {
		got, err := say(t, c, "calls")
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("call %d: %q, %v", i, got, err)
		}
	}
	if got, err := say(t, c, "nothing"); err != nil || len(got) != 0 {
		t.Errorf("an empty answer: %q, %v", got, err)
	}
	if !c.Notifies() {
		t.Error("a notifier does not notify")
	}
	var call *CallError
	err := c.Notify(t.Context(), &model.Notification{Message: []byte(`{"version":"4","receiver":"ops","alerts":[]}`)})
	if !errors.As(err, &call) || !call.Retryable() || call.RetryAfter() != 1500*time.Millisecond || call.Code != abi.CodeUnavailable ||
		err.Error() != "plugin test/guest: notify: ops has 0 alerts" {
		t.Errorf("notify: %v", err)
	}
	if err := c.Notify(t.Context(), &model.Notification{Message: []byte("{")}); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("notify of nonsense: %v", err)
	}
	if n := w.engine.Instances(); of(Use{}).Runtime == "" && n != 1 {
		t.Errorf("%d instances for one call at a time", n)
	}
}

// TestMisbehaviourCostsOneCall has the guest do bad things. Each call fails with a message that says what happened; the
// next call works.
func TestMisbehaviourCostsOneCall(t *testing.T) {
	_, c := openGuest(t, Grant{})
	for _, tt := range []struct {
		name, target, code, text string
		time                     time.Duration
		retryable                bool
	}{
		{"a loop", "loop", abi.CodeTimeout, "deadline", 500 * time.Millisecond, true},
		{"sleep", "sleep", abi.CodeTimeout, "deadline", 500 * time.Millisecond, true},
		{"a nil pointer", "trap", abi.CodePanic, "panic: runtime error", 0, true},
		{"a panic", "panic", abi.CodePanic, "told to", 0, true},
		{"an exit", "exit", abi.CodePanic, "exit code 3", 0, true},
		{"memory without end", "memory", abi.CodePanic, "out of memory", 0, true},
		{"recursion without end", "recurse", abi.CodeInternal, "too deeply", 0, false},
		{"an answer that is too long", "much", abi.CodeInternal, "16777216 bytes are allowed", 0, false},
		{"an error", "nonsense", abi.CodeInvalidRequest, "what is that?", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.time == 0 {
				tt.time = 20 * time.Second
			}
			_, err := sayWithin(t, c, tt.target, tt.time)
			var call *CallError
			if !errors.As(err, &call) || call.Code != tt.code || call.Retryable() != tt.retryable || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %#v", err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "plugin test/guest: collect: ") {
				t.Errorf("the message does not say who and what: %v", err)
			}
			if got, err := say(t, c, "calls"); err != nil || len(got) != 1 {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

func TestTheCollectorRunsBesideALoop(t *testing.T) {
	_, c := openGuest(t, Grant{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := c.Collect(ctx, "loop")
		done <- err
	}()
	runtime.GC()
	runtime.GC()
	select {
	case err := <-done:
		t.Fatalf("the loop has ended: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTypeOfAnExposition(t *testing.T) {
	for text, want := range map[string]string{
		"": textType, "a 1\n": textType, "# EOF": openMetricsType, "a 1\n# EOF\n": openMetricsType, "a 1\n# EOF\n\n": textType, "# HELP a not # EOF\n": textType,
	} {
		if got := typeOf([]byte(text)); got != want {
			t.Errorf("%q is %s", text, got)
		}
	}
}
