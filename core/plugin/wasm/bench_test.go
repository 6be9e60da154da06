package wasm

import (
	"context"
	"testing"

	"github.com/hearth-project/hearth/sdk/abi"
)

// BenchmarkCall is a call of a guest that does nothing: alloc, collect, and an empty answer.
func BenchmarkCall(b *testing.B) {
	e := NewEngine(Options{})
	defer e.Close()
	m, err := e.Load(context.Background(), Source{ID: "test/made", Code: reactor{}.module()})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	p := m.NewPool(Rights{}, []byte("{}"), nil)
	defer p.Close()
	r := Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return []byte(`{"address":""}`), nil }}
	for b.Loop() {
		if _, _, err := p.Call(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}
