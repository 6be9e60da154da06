package chunk

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestDamagedColumnsAreRefusedByName(t *testing.T) {
	const packed, gcd, exc = byte(modePacked), byte(flagGCD), byte(flagExceptions)
	endless := bytes.Repeat([]byte{0x80}, 11)
	for _, tt := range []struct {
		name string
		rows int
		col  []byte
		want string
	}{
		{"no rows", 0, []byte{0, 0}, "0 rows"},
		{"more rows than a column has", MaxRows + 1, []byte{0, 0}, "1025 rows"},
		{"no bytes", 3, nil, "no bytes"},
		{"a mode of the future", 3, []byte{11, 0}, "unknown mode 11"},
		{"another mode of the future", 3, []byte{15, 0}, "unknown mode 15"},
		{"a constant with a divisor", 3, []byte{gcd, 0}, "constant with header"},
		{"a constant cut short", 3, []byte{0}, "constant cut short"},
		{"a constant without end", 3, append([]byte{0}, endless...), "constant cut short"},
		{"a decimal constant of exponent 0", 3, []byte{1, 0, 2}, "exponent 0"},
		{"a decimal constant of exponent 18", 3, []byte{1, 18, 2}, "exponent 18"},
		{"a constant and a byte", 3, []byte{0, 2, 0}, "1 bytes after the end"},
		{"bits of a constant cut short", 3, []byte{2, 1, 2, 3, 4, 5, 6, 7}, "constant cut short"},
		{"raw values with exceptions", 1, append([]byte{3 | exc}, make([]byte, 8)...), "raw column with header"},
		{"raw values cut short", 2, append([]byte{3}, make([]byte, 15)...), "raw values cut short"},
		{"raw values of another row count", 1, append([]byte{3}, make([]byte, 16)...), "8 bytes after the end"},
		{"a free domain", 2, []byte{packed, 28, 0, 0, 0}, "domain 0x1c"},
		{"exponent 30", 2, []byte{packed, 30, 0, 0, 0}, "domain 0x1e"},
		{"narrow integers without exponent", 2, []byte{packed, flagNarrow, 0, 0, 0}, "domain 0x80"},
		{"narrow integers of exponent 10", 2, []byte{packed, flagNarrow | 10, 0, 0, 0}, "domain 0x8a"},
		{"narrow floats", 2, []byte{packed, flagNarrow | domainBits, 0, 0, 0}, "domain 0x9f"},
		{"ulp mode over floats", 2, []byte{7, domainBits, 0, 0, 0, 0, 0}, "ulp mode with domain"},
		{"values along a line", 2, []byte{packed, 3 << transformShift, 0, 0, 0, 0}, "mode 6 with second byte"},
		{"sparse changes with a transform", 9, []byte{4, 1 << transformShift, 0, 1, 1, 2}, "mode 4 with second byte"},
		{"divisor 0", 2, []byte{packed | gcd, 0, 0, 0, 0, 0}, "common divisor 0"},
		{"divisor 1", 2, []byte{packed | gcd, 0, 1, 0, 0, 0}, "common divisor 1"},
		{"no second byte", 2, []byte{packed}, "cut short"},
		{"no changes", 9, []byte{4, 0, 0, 0}, "0 changes"},
		{"as many changes as rows", 3, []byte{4, 0, 0, 3, 0, 2, 0, 2, 0, 2}, "3 changes in 3 rows"},
		{"a change behind the last row", 3, []byte{4, 0, 0, 1, 2, 2}, "change after row 0 of 3"},
		{"wide sparse gaps", 9, []byte{4, 0, 0, 4, 11, 1, 2, 0, 0, 0, 0, 0, 0, 0}, "sparse fields of 11"},
		{"wide sparse values", 9, []byte{4, 0, 0, 4, 1, 65, 2, 0, 0}, "sparse fields of 1 and 65"},
		{"sparse fields cut short", 9, []byte{4, 0, 0, 4, 1, 8, 2, 0, 0}, "sparse changes cut short"},
		{"an empty bitmap", 9, []byte{5, 0, 0, 0, 0}, "bitmap of 0 changes"},
		{"a bit behind the last row", 9, []byte{5, 0, 0, 2, 2, 0, 2}, "bitmap of 2 changes"},
		{"a bitmap cut short", 9, []byte{5, 0, 0, 2}, "bitmap cut short"},
		{"fields of 65 bits", 2, []byte{packed, 0, 0, 65, 0}, "fields of 65 bits"},
		{"patched fields of 64 bits", 2, []byte{packed, 0, 0, miniPatched | 64, 0}, "fields of 64 bits"},
		{"fields cut short", 9, []byte{packed, 0, 0, 8, 0, 1, 2, 3}, "packed run cut short"},
		{"a patch behind the last row", 2, []byte{packed, 0, 0, miniPatched, 0, 1, 2, 2}, "patch 2 of a run of 2"},
		{"patches out of order", 2, []byte{packed, 0, 0, miniPatched, 0, 2, 1, 2, 0, 2}, "patch 0 of a run of 2"},
		{"patches cut short", 2, []byte{packed, 0, 0, miniPatched, 0, 2, 1, 2}, "patch"},
		{"no exceptions in their list", 3, []byte{exc, 0, 0}, "list of no exceptions"},
		{"an exception behind the last row", 3, []byte{exc, 0, 1, 3<<4 | excStale<<1}, "exception after row 0 of 3"},
		{"a run of exceptions too long", 3, []byte{exc, 0, 1, 1<<4 | excStale<<1 | 1, 1}, "exception after row 0 of 3"},
		{"endless exceptions", 3, append([]byte{exc, 0, 1, excStale<<1 | 1}, 254, 255, 255, 255, 255, 255, 255, 255, 255, 1),
			"exception after row 0 of 3"},
		{"fewer exceptions than told", 3, []byte{exc, 0, 2, excStale << 1}, "exception after row 1 of 3"},
		{"bits of an exception cut short", 3, []byte{exc, 0, 1, excRaw << 1, 1, 2, 3}, "cut short"},
		{"an entropy stage of 5 steps", 2, []byte{8, 0, 0, 5, 0, 1, 0}, "entropy stage of 5 steps"},
		{"an entropy stage longer than the column", 2, []byte{8, 0, 0, 2, 0, 200, 1, 0}, "entropy stage of 2 steps"},
		{"no Huffman table", 2, []byte{8, 0, 0, 2, 0, 2, 0, 0, 0}, "Huffman table"},
		{"sums with a divisor", 2, []byte{10 | gcd, 9}, "sums with header"},
		{"sums in an unknown unit", 2, append([]byte{10, 18}, make([]byte, 12)...), "units of 10^-18"},
		{"sums cut short", 2, []byte{10, 9, 0, 0, 0}, "units of 10^-9"},
		{"sums of sums", 2, append([]byte{10, 9, 0, 0, 0, 0, 0, 0, 0, 0, 10, 9}, make([]byte, 12)...), "sums of a column in mode 10"},
		{"sums that lie beside nothing", 2, []byte{10, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, "no bytes"},
		{"a chained column alone", 2, []byte{9, 0, 2}, "without the one below"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d Decoder
			err := d.Decode(make([]float64, tt.rows), slices.Clip(tt.col))
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v: …%s…", err, ErrCorrupt, tt.want)
			}
		})
	}
}

func TestDamagedHeadersHaveNoStats(t *testing.T) {
	for _, col := range [][]byte{nil, {0}, {1, 18, 0}, {2, 0}, {11}, {15, 1, 2}} {
		if st, err := Stats(col); !errors.Is(err, ErrCorrupt) {
			t.Errorf("stats of % x: %+v, %v, want %v", col, st, err, ErrCorrupt)
		}
	}
}

func TestAChainOfAChainIsRefused(t *testing.T) {
	var d Decoder
	err := d.DecodeAbove(make([]float64, 2), make([]float64, 2), []byte{9, 9, 0, 2})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, ErrCorrupt)
	}
}

func TestColumnsThatCannotBePanic(t *testing.T) {
	for _, rows := range []int{0, MaxRows + 1} {
		for name, f := range map[string]func(){
			"values":     func() { new(Encoder).Encode(nil, make([]float64, rows)) },
			"timestamps": func() { EncodeTimes(nil, make([]int64, rows)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%d %s were encoded", rows, name)
					}
				}()
				f()
			}()
		}
	}
}

func TestSteadyWorkAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range kinds {
		vals := k.make(r, MaxRows)
		ts := scrapes(MaxRows, func() int64 { return r.Int64N(20) })
		var e Encoder
		var d Decoder
		buf := make([]byte, 0, 3*MaxLen(MaxRows)) // the encoder compares candidates in dst
		got := make([]float64, MaxRows)
		if n := testing.AllocsPerRun(20, func() {
			buf = e.Encode(buf[:0], vals)
			if err := d.Decode(got, buf); err != nil {
				t.Fatal(err)
			}
			buf = EncodeTimes(buf[:0], ts)
			if err := DecodeTimes(ts, buf); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations a column", k.name, n)
		}
	}
}
