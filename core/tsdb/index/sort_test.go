package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// checkSort compares with the order that upstream has.
func checkSort(t *testing.T, sets []labels.Labels) {
	t.Helper()
	want := slices.Clone(sets)
	slices.SortFunc(want, labels.Compare)
	want = slices.CompactFunc(want, labels.Equal)
	if got := Sort(sets); !slices.EqualFunc(got, want, labels.Equal) {
		t.Fatalf("sorted: %v\nwant:   %v", got, want)
	}
}

func TestSort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	texts := []string{"", "a", "aa", "a\x00", "abcdefg", "abcdefgh", "abcdefg\x00", strings.Repeat("x", 254), strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 70000), "\xff", "é"}
	for range 300 {
		var sets []labels.Labels
		for range r.IntN(200) {
			var b labels.ScratchBuilder
			for _, name := range []string{"a", "abcdefg", "abcdefgh", "b", strings.Repeat("n", 300)} {
				if r.IntN(3) > 0 {
					b.Add(name, texts[r.IntN(len(texts))])
				}
			}
			sets = append(sets, b.Labels())
		}
		checkSort(t, sets)
	}
}

func TestSortIsNotDeep(t *testing.T) {
	var sets []labels.Labels
	for i := range 3000 { // each is alike to all after it for seven bytes more than the one before
		sets = append(sets, labels.FromStrings("v", strings.Repeat("x", i%1500*7)+fmt.Sprint(i%3)))
	}
	checkSort(t, sets)
}

func FuzzSort(f *testing.F) {
	f.Add("a\nb\nabcdefgh\n\nabcdefg", uint64(1))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		texts := strings.Split(text, "\n")
		var sets []labels.Labels
		for range 40 {
			m := map[string]string{}
			for range r.IntN(4) {
				m[texts[r.IntN(len(texts))]] = texts[r.IntN(len(texts))]
			}
			sets = append(sets, labels.FromMap(m))
		}
		checkSort(t, sets)
	})
}

func BenchmarkSort(b *testing.B) {
	var sets []labels.Labels
	fleet(func(_ int, _, full labels.Labels) {
		if full.Get("__name__") < "http_requests_11" { // 100,000 of them
			sets = append(sets, full)
		}
	})
	for name, sort := range map[string]func([]labels.Labels){
		"sort":    func(s []labels.Labels) { Sort(s) },
		"compare": func(s []labels.Labels) { slices.SortFunc(s, labels.Compare) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				sort(slices.Clone(sets))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(sets)), "ns/set")
		})
	}
}
