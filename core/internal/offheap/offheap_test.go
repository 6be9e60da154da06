package offheap

import "testing"

func TestMemoryIsZeroAndOnesOwn(t *testing.T) {
	for _, n := range []int{0, 1, least/8 - 1, least / 8, 1 << 20} {
		a, b := Make[uint64](n), Make[uint64](n)
		for i := range a {
			if a[i] != 0 || b[i] != 0 {
				t.Fatalf("%d values: number %d is %d and %d", n, i, a[i], b[i])
			}
			a[i] = uint64(i) + 1
		}
		for i := range a {
			if a[i] != uint64(i)+1 || b[i] != 0 {
				t.Fatalf("%d values: number %d became %d and %d", n, i, a[i], b[i])
			}
		}
		Free(a)
		Free(b)
	}
}
