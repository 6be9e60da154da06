package chunk

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchRows are a tile of the head, the rows of two hours at 15 s, and the longest column.
var benchRows = []int{32, 480, 1024}

// columnsOf returns some columns of a kind, so that branch predictors do not learn one by heart.
func columnsOf(k kind, rows int) [][]float64 {
	r := rand.New(rand.NewPCG(13, uint64(rows)))
	cols := make([][]float64, 16)
	for i := range cols {
		cols[i] = k.make(r, rows)
	}
	return cols
}

func BenchmarkEncode(b *testing.B) {
	for _, k := range kinds {
		for _, rows := range benchRows {
			b.Run(fmt.Sprintf("%s/%d", k.name, rows), func(b *testing.B) {
				cols := columnsOf(k, rows)
				var e Encoder
				buf := make([]byte, 0, MaxLen(rows)+8)
				size, i := 0, 0
				for b.Loop() {
					buf = e.Encode(buf[:0], cols[i%len(cols)])
					size += len(buf)
					i++
				}
				report(b, size, i, rows)
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, k := range kinds {
		for _, rows := range benchRows {
			b.Run(fmt.Sprintf("%s/%d", k.name, rows), func(b *testing.B) {
				var e Encoder
				var d Decoder
				size := 0
				var encoded [][]byte
				for _, vals := range columnsOf(k, rows) {
					encoded = append(encoded, e.Encode(nil, vals))
				}
				dst := make([]float64, rows)
				i := 0
				for b.Loop() {
					col := encoded[i%len(encoded)]
					if err := d.Decode(dst, col); err != nil {
						b.Fatal(err)
					}
					size += len(col)
					i++
				}
				report(b, size, i, rows)
			})
		}
	}
}

func BenchmarkEntropy(b *testing.B) {
	const rows = MaxRows
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			e := Encoder{Entropy: true}
			var d Decoder
			var encoded [][]byte
			size := 0
			for _, vals := range columnsOf(k, rows) {
				encoded = append(encoded, e.Encode(nil, vals))
			}
			dst := make([]float64, rows)
			i := 0
			for b.Loop() {
				col := encoded[i%len(encoded)]
				if err := d.Decode(dst, col); err != nil {
					b.Fatal(err)
				}
				size += len(col)
				i++
			}
			report(b, size, i, rows)
		})
	}
}

// report tells the figures a sample; bytes are of all columns worked on.
func report(b *testing.B, size, columns, rows int) {
	samples := float64(columns) * float64(rows)
	b.ReportMetric(float64(size)/samples, "B/sample")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
}
