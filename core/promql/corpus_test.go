package promql

import (
	"os"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
	upstorage "github.com/prometheus/prometheus/storage"

	"github.com/hearth-project/hearth/core/storage/upstream"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestUpstreamScripts runs upstream's own acceptance scripts. They are written for experimental functions, start
// timestamps and delayed removal of names.
func TestUpstreamScripts(t *testing.T) {
	e := New(Options{
		Syntax: promqltest.TestParserOpts, DelayedNames: true, StartTimestamps: true, Timeout: 100 * time.Second, MaxSamples: 1e6,
	})
	promqltest.RunBuiltinTests(t, asUpstream{e})
}

// TestUpstreamScriptsOnTheDatabase runs them on hearth's own database.
func TestUpstreamScriptsOnTheDatabase(t *testing.T) {
	e := New(Options{
		Syntax: promqltest.TestParserOpts, DelayedNames: true, StartTimestamps: true, Timeout: 100 * time.Second, MaxSamples: 1e6,
	})
	promqltest.RunBuiltinTestsWithStorage(t, asUpstream{e}, func(t testing.TB) upstorage.Storage {
		db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), Sync: "off"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return stored{upstream.New(db, db, nil, nil), db}
	})
}

// stored is a database as upstream's scripts write it and as the engine reads it.
type stored struct {
	upstorage.Storage
	db *tsdb.DB
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
