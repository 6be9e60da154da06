package languages

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// Requests and batches that are damaged: the SDKs for other languages take and refuse what those for Go do, and never break.

// damage changes some bytes of p, takes some away or doubles some.
func damage(r *rand.Rand, p []byte) []byte {
	p = bytes.Clone(p)
	for range 1 + r.IntN(3) {
		if len(p) == 0 {
			return p
		}
		i := r.IntN(len(p))
		j := min(len(p), i+1+r.IntN(8))
		switch r.IntN(5) {
		case 0:
			p[i] ^= 1 << r.IntN(8)
		case 1:
			p[i] = []byte("\"\\{}[],:0123456789eE+-.u \x00\xff\n")[r.IntN(28)]
		case 2:
			p = append(p[:i:i], p[j:]...)
		case 3:
			p = append(p[:j:j], p[i:]...)
		case 4:
			p = p[:i]
		}
	}
	return p
}

// code returns that of a call's error, or "".
func code(i sdktest.Instance, t *testing.T, op string, in []byte) string {
	if _, err := i.Call(t.Context(), op, in); err != nil {
		return sdk.AsError(err).Code
	}
	return ""
}

func TestDamagedRequestsInEachLanguage(t *testing.T) {
	text, err := os.ReadFile(vectors + "vectors/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var requests []struct{ Request string }
	if err := json.Unmarshal(text, &requests); err != nil {
		t.Fatal(err)
	}
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		i := newTrial(t, w.dir, use.ID, "")
		r := rand.New(rand.NewPCG(5, 6))
		taken := 0
		for range 3000 {
			in := damage(r, []byte(requests[r.IntN(len(requests))].Request))
			want := abi.CodeInvalidRequest
			if json.Valid(in) && bytes.HasPrefix(bytes.TrimSpace(in), []byte("{")) {
				want = ""
				taken++
			}
			if got := code(i, t, abi.OpCollect, in); got != want {
				t.Fatalf("%q: %q, want %q", in, got, want)
			}
		}
		if taken < 100 {
			t.Errorf("only %d requests were sound", taken)
		}
	})
}

func TestDamagedBatchesInEachLanguage(t *testing.T) {
	files, err := filepath.Glob(vectors + "vectors/*.batch")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var batches [][]byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := abi.ParseBatch(text)
		if err != nil {
			t.Fatal(err)
		}
		b.DeadlineMS = 0
		b.Function = "guest_scale"
		if b.Offsets != nil {
			b.Function = "guest_sum"
		}
		batches = append(batches, b.Append(nil))
	}
	inEachLanguage(t, func(t *testing.T, w world, use plugin.Use) {
		if functions, err := w.Functions(use.ID); err != nil || len(functions) == 0 {
			return // an SDK for exporters
		}
		i := newTrial(t, w.dir, use.ID, "")
		r := rand.New(rand.NewPCG(7, 8))
		taken := 0
		for range 3000 {
			in := damage(r, batches[r.IntN(len(batches))])
			_, err := abi.ParseBatch(in)
			switch got := code(i, t, abi.OpEval, in); got {
			case "", abi.CodeUnknownFunction, abi.CodeTimeout:
				if err != nil {
					t.Fatalf("%x: taken (%q), but %v", in, got, err)
				}
				taken++
			case abi.CodeInvalidRequest: // may be stricter, as with texts that are not UTF-8
			default:
				t.Fatalf("%x: %q; %v", in, got, err)
			}
		}
		if taken < 100 {
			t.Errorf("only %d batches were sound", taken)
		}
	})
}
