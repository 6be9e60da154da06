package promql

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// FuzzQuery feeds the engine any text: it must answer or refuse, and never fail unexpectedly.
func FuzzQuery(f *testing.F) {
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(exprs); i += 9 {
		f.Add(exprs[i])
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		f.Add(randomCase(r).expr)
	}
	data := randomData(r)
	e := New(Options{Syntax: promqltest.TestParserOpts, MaxSamples: 20_000, Timeout: time.Second})
	at := time.UnixMilli(dataStart + dataSpan/2)
	f.Fuzz(func(t *testing.T, expr string) {
		if _, err := e.Instant(t.Context(), data, expr, at, QueryOptions{}); unexpected(err) {
			t.Fatalf("%s: %v", expr, err)
		}
		if _, err := e.Range(t.Context(), data, expr, at, at.Add(time.Minute), 7*time.Second, QueryOptions{}); unexpected(err) {
			t.Fatalf("%s: %v", expr, err)
		}
	})
}

func unexpected(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "unexpected error")
}
