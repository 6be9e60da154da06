package promql

import (
	"os"
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

// TestFoundCases runs what random tests have found, on our engine and on upstream's.
func TestFoundCases(t *testing.T) {
	script, err := os.ReadFile("testdata/native.txt")
	if err != nil {
		t.Fatal(err)
	}
	both := newBoth(t, false)
	both.ours.opts.Timeout = 100 * time.Second
	promqltest.RunTest(t, string(script), both.theirs)
	promqltest.RunTest(t, string(script), asUpstream{both.ours})
}
