package chunk

import (
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/huff0"
)

// What a code is not tried for must be what no code makes small enough.
func TestNoCodeIsShorterThanItsEstimate(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	coded := 0
	for range 3000 {
		symbols := make([]byte, 2+r.IntN(MaxRows-1))
		spread := 1 + r.IntN(256)
		for i := range symbols {
			symbols[i] = byte(r.IntN(1 + r.IntN(spread)))
		}
		out, _, err := huff0.Compress1X(symbols, &huff0.Scratch{Reuse: huff0.ReusePolicyNone})
		if err != nil { // none is shorter than the symbols
			continue
		}
		coded++
		var counts [256]int32
		for _, s := range symbols {
			counts[s]++
		}
		if least, _ := codeLen(&counts, len(symbols)); least > len(out) || least < 0 {
			t.Fatalf("%d symbols of %d: %d bytes at least, the code has %d", len(symbols), spread, least, len(out))
		}
	}
	if coded < 1000 {
		t.Errorf("%d of 3000 columns have a code", coded)
	}
}
