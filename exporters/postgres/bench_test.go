package main

import "testing"

// BenchmarkCollect is a scrape with all default collectors, of the exporter compiled for this machine.
func BenchmarkCollect(b *testing.B) {
	s := start(b)
	p := configured(b, object{})
	p.scrape(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Call(b.Context(), "collect", []byte(`{"address":"`+s.Address+`"}`)); err != nil {
			b.Fatal(err)
		}
	}
}
