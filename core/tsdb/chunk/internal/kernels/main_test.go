package main

import (
	"bytes"
	"go/format"
	"os"
	"testing"
)

func TestTheKernelsInUseAreTheGeneratedOnes(t *testing.T) {
	want, err := format.Source(generate())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../kernels_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("kernels_gen.go is not what the generator writes: run go generate ./core/tsdb/chunk")
	}
}
