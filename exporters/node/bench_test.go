package main

import (
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

// BenchmarkCollect is a scrape of this host without a sandbox; core/plugin measures it inside.
func BenchmarkCollect(b *testing.B) {
	i := sdk.NewInstance(sdk.Plugin{Exporter: &exporter{}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(b.Context(), abi.OpCollect, []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
	}
}
