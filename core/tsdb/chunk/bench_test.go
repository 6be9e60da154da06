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

// fleet returns columns in the proportions of a fleet, in an order that branch predictors do not foresee.
func fleet(rows int) [][]float64 {
	r := rand.New(rand.NewPCG(17, uint64(rows)))
	var cols [][]float64
	for _, k := range kinds {
		for range 4 * k.share {
			cols = append(cols, k.make(r, rows))
		}
	}
	r.Shuffle(len(cols), func(i, j int) { cols[i], cols[j] = cols[j], cols[i] })
	return cols
}

func BenchmarkFleet(b *testing.B) {
	for _, rows := range benchRows {
		cols := fleet(rows)
		var e Encoder
		var encoded [][]byte
		for _, vals := range cols {
			encoded = append(encoded, e.Encode(nil, vals))
		}
		b.Run(fmt.Sprintf("encode/%d", rows), func(b *testing.B) {
			buf := make([]byte, 0, 3*MaxLen(rows))
			size, i := 0, 0
			for b.Loop() {
				buf = e.Encode(buf[:0], cols[i%len(cols)])
				size += len(buf)
				i++
			}
			report(b, size, i, rows)
		})
		b.Run(fmt.Sprintf("decode/%d", rows), func(b *testing.B) {
			var d Decoder
			dst := make([]float64, rows)
			size, i := 0, 0
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

func BenchmarkTimes(b *testing.B) {
	r := rand.New(rand.NewPCG(19, 20))
	for _, tt := range []struct {
		name   string
		jitter func() int64
	}{
		{"regular", func() int64 { return 0 }},
		{"jitter", func() int64 { return r.Int64N(8) }},
	} {
		for _, rows := range benchRows {
			ts := scrapes(rows, tt.jitter)
			col := EncodeTimes(nil, ts)
			b.Run(fmt.Sprintf("encode/%s/%d", tt.name, rows), func(b *testing.B) {
				buf := make([]byte, 0, MaxLen(rows))
				i := 0
				for b.Loop() {
					buf = EncodeTimes(buf[:0], ts)
					i++
				}
				report(b, i*len(col), i, rows)
			})
			b.Run(fmt.Sprintf("decode/%s/%d", tt.name, rows), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if err := DecodeTimes(ts, col); err != nil {
						b.Fatal(err)
					}
					i++
				}
				report(b, i*len(col), i, rows)
			})
		}
	}
}

// report tells the figures a sample; bytes are of all columns worked on.
func report(b *testing.B, size, columns, rows int) {
	samples := float64(columns) * float64(rows)
	b.ReportMetric(float64(size)/samples, "B/sample")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
}
