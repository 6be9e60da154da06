package abi

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
)

var batches = []Batch{
	{Function: "f", Start: -5, Step: 15_000, Steps: 2, Series: 3, Values: []float64{1, 2, 3, math.Float64frombits(MissingBits), math.Inf(-1), math.Copysign(0, -1)}},
	{Function: "acme_forecast", DeadlineMS: 900, Start: 1, Steps: 1, Series: 0, Values: []float64{}},
	{
		Function: "acme_quantile", Start: 1_700_000_000_000, Step: 1000, Steps: 3, Series: 2, Range: 300_000,
		Args:    []Arg{{Numbers: []float64{0.5}}, {Text: "linear"}, {Numbers: []float64{1, 2, 3}}, {Text: ""}},
		Offsets: []uint32{0, 2, 3}, Times: []int64{1, 2, -3}, Samples: []float64{7, 8, 9},
	},
}

func TestABatchIsReadAsItWasWritten(t *testing.T) {
	for _, want := range batches {
		p := want.Append(nil)
		for shift := range 2 { // as it lies, and where it must be copied
			shifted := append(make([]byte, shift), p...)[shift:]
			got, err := ParseBatch(shifted)
			if err != nil {
				t.Fatal(err)
			}
			if again := got.Append(nil); !bytes.Equal(again, p) {
				t.Errorf("%s: bytes differ", want.Function)
			}
			got.Values, got.Samples = nil, nil
			plain := want
			plain.Values, plain.Samples = nil, nil
			if !reflect.DeepEqual(*got, plain) {
				t.Errorf("%+v\nwant %+v", *got, plain)
			}
		}
	}
}

func TestAMalformedBatchIsRefused(t *testing.T) {
	for _, b := range batches {
		p := b.Append(nil)
		for n := range p {
			if _, err := ParseBatch(p[:n]); !errors.Is(err, ErrBatch) {
				t.Fatalf("%s, %d of %d bytes: %v", b.Function, n, len(p), err)
			}
		}
		if _, err := ParseBatch(append(p, 0)); !errors.Is(err, ErrBatch) {
			t.Errorf("%s and a byte: %v", b.Function, err)
		}
	}
}

func FuzzParseBatch(f *testing.F) {
	for _, b := range batches {
		f.Add(b.Append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		b, err := ParseBatch(p)
		if err != nil {
			if !errors.Is(err, ErrBatch) {
				t.Error(err)
			}
			return
		}
		again, err := ParseBatch(b.Append(nil))
		if err != nil || again.Series != b.Series || len(again.Values) != len(b.Values) || len(again.Samples) != len(b.Samples) {
			t.Errorf("%v: %+v, then %+v", err, b, again)
		}
	})
}
