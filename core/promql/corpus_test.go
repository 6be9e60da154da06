package promql

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// TestUpstreamScripts runs upstream's own acceptance scripts. They are written for experimental functions, start
// timestamps and delayed removal of names.
func TestUpstreamScripts(t *testing.T) {
	e := New(Options{
		Syntax: promqltest.TestParserOpts, DelayedNames: true, StartTimestamps: true, Timeout: 100 * time.Second, MaxSamples: 1e6,
	})
	promqltest.RunBuiltinTests(t, asUpstream{e})
}
