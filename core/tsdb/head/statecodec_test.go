package head

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/core/storage"
)

// split takes the two numbers off what append makes.
func split(t testing.TB, b []byte) (slots int, packed []byte) {
	t.Helper()
	n, k := binary.Uvarint(b)
	size, j := binary.Uvarint(b[k:])
	if b = b[k+j:]; k <= 0 || j <= 0 || uint64(len(b)) != size {
		t.Fatalf("%d states in %d bytes of %d", n, size, len(b))
	}
	return int(n), b
}

func TestStatesOfSlotsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	var c stateCodec
	for range 300 {
		n := 1 + r.IntN(100)
		slots := make([]slotState, n)
		rows := make([][]float64, 1+r.IntN(8))
		w := bitWriter{buf: make([]byte, len(rows)*n*maxCellLen+8)}
		for i := range rows {
			for s := range slots {
				v := storage.Absent
				if r.IntN(5) > 0 {
					v = sanitize(randomValue(r))
					w.cell(v, &slots[s])
				}
				rows[i] = append(rows[i], v)
			}
		}
		known := len(rows)
		if r.IntN(3) == 0 { // the slot's last value is in no row any more, or in an older one
			known = r.IntN(len(rows))
		}
		row := func(r int) []float64 { return rows[r] }
		m, packed := split(t, c.append(nil, slots, c.newestOf(n, known, row)))
		back := make([]slotState, m)
		if err := c.read(packed, back, c.newestOf(m, known, row)); err != nil || !slices.Equal(back, slots) {
			t.Fatalf("%d of %d rows: %v\n%+v\n%+v", known, len(rows), err, back, slots)
		}
	}
}

// Whatever the bytes: states or an error.
func FuzzStates(f *testing.F) {
	var c stateCodec
	_, packed := split(f, c.append(nil, []slotState{{}, {last: 5, scale: 2, width: 9, step: -3, trend: -2, still: 250}}, []float64{0, 0.05}))
	f.Add(packed, uint8(2))
	f.Fuzz(func(t *testing.T, packed []byte, n uint8) {
		slots, newest := make([]slotState, n), make([]float64, n)
		if err := c.read(packed, slots, newest); err != nil {
			if !errors.Is(err, errStates) {
				t.Fatal(err)
			}
			return
		}
		r := bitReader{buf: []byte("whatever follows")}
		for i := range slots {
			if _, err := r.cell(&slots[i]); err != nil && !errors.Is(err, errEntry) {
				t.Fatal(err)
			}
		}
	})
}
