package head

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/storage"
)

func TestRowsOfTheLogComeBackBitForBit(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		writers, readers := map[uint32]*base{}, map[uint32]*base{}
		for segment := range uint64(3) {
			for range 40 { // records
				var rec []byte
				var ctx rowContext
				type row struct {
					group uint32
					t     int64
					slots []uint32
					vals  []float64
				}
				var rows []row
				for range 1 + r.IntN(4) {
					x := row{group: r.Uint32N(3), t: r.Int64N(1 << 45)}
					for s := range uint32(20) {
						if r.IntN(3) > 0 {
							x.slots = append(x.slots, s)
							x.vals = append(x.vals, randomValue(r))
						}
					}
					if len(x.slots) == 0 {
						continue
					}
					if r.IntN(4) == 0 {
						r.Shuffle(len(x.slots), func(i, j int) { x.slots[i], x.slots[j] = x.slots[j], x.slots[i] })
					}
					if writers[x.group] == nil {
						writers[x.group], readers[x.group] = &base{}, &base{}
					}
					rec = appendEntry(rec, &ctx, writers[x.group], segment+1, x.group, x.t, x.slots, x.vals)
					rows = append(rows, x)
				}
				var e entry
				n := 0
				err := e.skimRows(rec, func(e *entry, rest []byte) error {
					x := rows[n]
					n++
					if e.group != x.group || e.t != x.t || e.n != len(x.slots) {
						t.Fatalf("seed %d: entry %d of group %d at %d", seed, n, e.group, e.t)
					}
					q, b := rowQueue{}, readers[e.group]
					q.push(e, rest)
					q.each(&entry{}, b, true, func(e *entry) {
						if e.t != x.t || !slices.Equal(e.slots, x.slots) {
							t.Fatalf("seed %d: entry %d of group %d at %d", seed, n, e.group, e.t)
						}
						for i, v := range x.vals {
							if math.Float64bits(e.vals[i]) != math.Float64bits(v) {
								t.Fatalf("seed %d: slot %d is %v, want %v", seed, x.slots[i], e.vals[i], v)
							}
						}
					}, func(n int, err error) { t.Fatalf("seed %d: %d cells are lost: %v", seed, n, err) })
					return nil
				})
				if err != nil || n != len(rows) {
					t.Fatalf("seed %d: %d entries of %d: %v", seed, n, len(rows), err)
				}
			}
		}
	}
}

// Whatever the bytes of a record: entries or an error.
func FuzzRows(f *testing.F) {
	var ctx rowContext
	b := &base{}
	rec := appendEntry(nil, &ctx, b, 1, 5, 1_700_000_000_000, []uint32{0, 1, 2, 9}, []float64{1, 2.5, math.Inf(1), 1e300})
	rec = appendEntry(rec, &ctx, b, 1, 5, 1_700_000_015_000, []uint32{0}, []float64{3})
	f.Add(rec)
	f.Add([]byte{flagDense, 0, 0, 200, 200, 200, 200, 8})
	f.Fuzz(func(t *testing.T, rec []byte) {
		var e entry
		queues := map[uint32]*rowQueue{}
		pushed, seen := 0, 0
		err := e.skimRows(rec, func(e *entry, rest []byte) error {
			if e.top >= maxGroup {
				return nil
			}
			q := queues[e.group%7]
			if q == nil {
				q = &rowQueue{}
				queues[e.group%7] = q
			}
			q.push(e, rest)
			pushed += e.n
			return nil
		})
		for _, q := range queues {
			q.each(&e, &base{}, true, func(e *entry) {
				if len(e.slots) != len(e.vals) {
					t.Fatalf("%d slots, %d values", len(e.slots), len(e.vals))
				}
				seen += len(e.vals)
			}, func(n int, _ error) { seen += n })
		}
		if seen != pushed {
			t.Fatalf("%d cells of %d", seen, pushed)
		}
		if err != nil && !errors.Is(err, errEntry) {
			t.Fatal(err)
		}
	})
}

// Whatever the bytes of a tile: if its frame is right, all columns can be asked for.
func FuzzTile(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	var s sealer
	ts := make([]int64, sealRows)
	for i := range ts {
		ts[i] = int64(i) * 15000
	}
	rows := make([][]float64, sealRows)
	for i := range rows {
		for range 70 {
			v := randomValue(r)
			if r.IntN(5) == 0 {
				v = storage.Absent
			}
			rows[i] = append(rows[i], v)
		}
	}
	whole := s.seal(ts, 70, func(i int) []float64 { return rows[i] })
	f.Add(whole.blob)
	f.Add(whole.blob[:len(whole.blob)-1])
	for at := 0; at < 300; at += 7 {
		b := bytes.Clone(whole.blob)
		b[at] ^= 1 << (at % 8)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseTile(bytes.Clone(b))
		if err != nil {
			return
		}
		var d decoder
		for s := range uint32(min(x.slots(), 200) + 1) {
			ts, vals, ok := d.decode(&x, s)
			if ok && (len(ts) != x.rows || len(vals) != x.rows) {
				t.Fatalf("%d times, %d values of %d rows", len(ts), len(vals), x.rows)
			}
		}
		x.nextTime(x.mint)
	})
}

// Whatever values follow each other in a slot, their bits come back, in no more bytes than a row has room for.
func FuzzCells(f *testing.F) {
	for _, vals := range [][]float64{
		{0, 0, 1, 2, 4, 8, 1e15, -1e15, 1e16, 0.1, 0.25, 1e-17},
		{5, math.NaN(), math.Float64frombits(0x7ff0000000000002), math.Inf(-1), math.Copysign(0, -1), 0, 5},
		{1 << 30, 1<<30 + 4096, 1<<31 + 1024, 1<<52 + 1, 12.5 + 1<<46, -1 << 40, 1 << 30},
		{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, -math.Pi, math.Pi},
		{1, 1, 1, 1, 1, 1, 1, 100, 1, 1, 2.5, 2.5, 2.5, math.Inf(1)},
	} {
		var b []byte
		for _, v := range vals {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		n := len(in) / 8
		buf := make([]byte, n*maxCellLen+8)
		w := bitWriter{buf: buf}
		var s, back slotState
		for i := range n {
			w.cell(math.Float64frombits(binary.LittleEndian.Uint64(in[i*8:])), &s)
		}
		r := bitReader{buf: buf[:w.end()]}
		for i := range n {
			want := binary.LittleEndian.Uint64(in[i*8:])
			got, err := r.cell(&back)
			if err != nil || r.over() || math.Float64bits(got) != want {
				t.Fatalf("value %d is %v (%v), want %v", i, got, err, math.Float64frombits(want))
			}
		}
		if s != back {
			t.Fatalf("the writer knows %+v, the reader %+v", s, back)
		}
	})
}

// A steady counter, a size in pages and a value that stays cost what is new in them.
func TestCellsTakeTheBitsOfWhatIsNew(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name string
		bits float64 // a cell at most, the first included
		next func(i int) float64
	}{
		{"a value that stays", 2, func(int) float64 { return 123456 }},
		{"zero", 1, func(int) float64 { return 0 }},
		{"no number", 2, func(int) float64 { return math.NaN() }},
		{"a counter that grows by the same", 5, func(i int) float64 { return float64(i) * 15000 }},
		{"a counter that grows by 1000 to 1031", 11, func(i int) float64 { return float64(i)*1000 + float64(r.IntN(32)) }},
		{"pages", 8, func(int) float64 { return 1<<32 + 4096*float64(r.IntN(16)) }},
		{"decimals", 8, func(int) float64 { return 20 + float64(r.IntN(16))/100 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const n = 256
			w := bitWriter{buf: make([]byte, n*maxCellLen+8)}
			var s slotState
			for i := range n {
				w.cell(tt.next(i), &s)
			}
			if got := float64(w.end()*8) / n; got > tt.bits {
				t.Errorf("%.2f bits a cell, want at most %v", got, tt.bits)
			}
		})
	}
}
