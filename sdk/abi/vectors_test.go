package abi

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var missing = math.Float64frombits(MissingBits)

// vectors are what the files testdata/vectors/*.batch hold. Their bytes are those of version 1.1 and never change; what a
// later version adds gets files of its own.
var vectors = map[string]Batch{
	"values": {
		Function: "golden_double", DeadlineMS: 900, Start: 1_700_000_000_000, Step: 15_000, Steps: 3, Series: 2,
		Values: []float64{1, missing, -0.5, math.Inf(1), 1e300, math.Copysign(0, -1)},
	},
	"one-step":  {Function: "golden_double", Start: -1, Steps: 1, Series: 1, Values: []float64{0.1}},
	"no-series": {Function: "golden_double", Start: 5, Step: 1, Steps: 4, Values: []float64{}},
	"samples": {
		Function: "golden_sum", DeadlineMS: 1, Start: 1_700_000_000_000, Step: 60_000, Steps: 2, Series: 3, Range: 300_000,
		Args:    []Arg{{Numbers: []float64{0.5}}, {Text: "all"}},
		Offsets: []uint32{0, 2, 2, 5},
		Times:   []int64{1_699_999_800_000, 1_700_000_000_000, 1_699_999_700_001, 1_699_999_900_000, 1_700_000_060_000},
		Samples: []float64{7, 0.25, -1, 2, 1e-300},
	},
	"arguments": {
		Function: "golden_sum", Start: 0, Step: 1, Steps: 2, Series: 1, Range: 1,
		Args:    []Arg{{Numbers: []float64{1, -2}}, {Text: "all"}},
		Offsets: []uint32{0, 1}, Times: []int64{0}, Samples: []float64{21},
	},
	"texts": {
		Function: "golden_sum", Start: 0, Steps: 1, Series: 0, Range: 1,
		Args:    []Arg{{Text: ""}, {Text: "eight by"}, {Text: "nine byte"}, {Text: "żółć"}},
		Offsets: []uint32{0}, Times: []int64{}, Samples: []float64{},
	},
}

func TestVectorsOfBatches(t *testing.T) {
	for name, want := range vectors {
		bytesOf, err := os.ReadFile(filepath.Join("testdata/vectors", name+".batch"))
		if err != nil {
			t.Fatal(err)
		}
		if got := want.Append(nil); !bytes.Equal(got, bytesOf) {
			t.Errorf("%s: is written as\n%x, was\n%x", name, got, bytesOf)
		}
		got, err := ParseBatch(bytesOf)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !sameBits(got.Values, want.Values) || !sameBits(got.Samples, want.Samples) {
			t.Errorf("%s: its numbers are %v and %v", name, got.Values, got.Samples)
		}
		got.Values, got.Samples, want.Values, want.Samples = nil, nil, nil, nil
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, want %+v", name, *got, want)
		}
	}
	files, err := filepath.Glob("testdata/vectors/*.batch")
	if err != nil || len(files) != len(vectors) {
		t.Errorf("%d files of batches, %d are known: %v", len(files), len(vectors), err)
	}
}

func sameBits(a, b []float64) bool { return bytes.Equal(AppendCells(nil, a), AppendCells(nil, b)) }

// TestVectorsOfFailures reads error bodies: failures.json has what each means.
func TestVectorsOfFailures(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors/failures.json")
	if err != nil {
		t.Fatal(err)
	}
	var known []struct {
		Body  string
		Means Failure
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&known); err != nil || len(known) < 5 {
		t.Fatalf("%d vectors, %v", len(known), err)
	}
	for _, v := range known {
		if got := ParseFailure([]byte(v.Body)); got != v.Means {
			t.Errorf("%s: %+v, want %+v", v.Body, got, v.Means)
		}
	}
}
