package inflate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

const most = 1 << 20 // limit of what tests decompress

// upstream decompresses with the standard library.
func upstream(src []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, most+1))
}

func packed(t testing.TB, body []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := kgzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name, w.Comment, w.Extra = "metrics", "an exposition", []byte("ab\x01\x00z")
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func exposition(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "http_requests_%d_total{handler=\"/api/v1/query_range\",method=\"GET\",code=\"%d\",pod=\"app-07-5d8f%04d\"} %d\n", i/10, 200+i%10, i, i*7919)
	}
	return b.Bytes()
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// skewed has symbols of very different frequencies, which makes long codes.
func skewed(n int) []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(min(255, int(rng.ExpFloat64()*12)))
	}
	return b
}

func TestBodies(t *testing.T) {
	for name, body := range map[string][]byte{
		"nothing":                       {},
		"a byte":                        {'a'},
		"one byte again and again":      bytes.Repeat([]byte{'a'}, 100_000),
		"seven bytes again and again":   bytes.Repeat([]byte("abcdefg"), 10_000),
		"an exposition":                 exposition(1000),
		"what cannot be compressed":     noise(70_000),
		"symbols of all frequencies":    skewed(100_000),
		"an exposition of a thousandth": exposition(3),
	} {
		for level := kgzip.HuffmanOnly; level <= kgzip.BestCompression; level++ {
			var d Decoder
			src := packed(t, body, level)
			for _, dst := range [][]byte{nil, make([]byte, 0, len(body)), make([]byte, 0, 2*len(body)+1000), []byte("before")} {
				got, err := d.Gzip(dst, src, len(dst)+len(body))
				if err != nil || !bytes.Equal(got, append(dst[:len(dst):len(dst)], body...)) {
					t.Errorf("%s at level %d: %d bytes of %d, error %v", name, level, len(got), len(body), err)
				}
			}
			if len(body) > 0 {
				if got, err := d.Gzip(nil, src, len(body)-1); !errors.Is(err, ErrTooLarge) || len(got) > len(body)+room {
					t.Errorf("%s at level %d, with a limit of one byte less: %d bytes, error %v", name, level, len(got), err)
				}
			}
			for cut := 0; cut < len(src); cut += 1 + len(src)/30 {
				if _, err := d.Gzip(nil, src[:cut], most); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s at level %d, %d bytes of %d: error %v", name, level, cut, len(src), err)
				}
			}
		}
	}
}

// member is a member of gzip around data in DEFLATE that is claimed to be that of body.
func member(deflated, body string) string {
	sum := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	return "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00" + deflated + string(binary.LittleEndian.AppendUint32(sum, uint32(len(body))))
}

func TestMembers(t *testing.T) {
	hello := member("\x01\x05\x00\xfa\xffhello", "hello")
	for _, tt := range []struct{ name, in, want, fails string }{
		{"a stored block", hello, "hello", ""},
		{"a block with the fixed code", member("\xcb\x48\xcd\xc9\xc9\x07\x00", "hello"), "hello", ""},
		{"two members", hello + hello, "hellohello", ""},
		{"nothing", "", "", "unexpected EOF"},
		{"text", "hello hello hello", "", "no gzip header"},
		{"a member and text", hello + "hello hello", "hello", "no gzip header"},
		{"a long name", hello[:3] + "\x08" + hello[4:10] + strings.Repeat("n", 511) + "\x00" + hello[10:], "hello", ""},
		{"a name that is too long", hello[:3] + "\x08" + hello[4:10] + strings.Repeat("n", 512) + "\x00" + hello[10:], "", "too long"},
		{"a name without end", hello[:3] + "\x08" + hello[4:10] + "name", "", "unexpected EOF"},
		{"a wrong checksum", strings.Replace(hello, "hello", "hallo", 1), "hallo", "checksum is wrong"},
		{"a wrong size", hello[:len(hello)-1] + "\x01", "hello", "checksum is wrong"},
		{"a stored block whose length is damaged", member("\x01\x05\x00\xfb\xffhello", "hello"), "", "wrong length"},
		{"a block of the kind that is not", member("\x07", ""), "", "of no kind"},
		{"a match that begins before the data", member("\x4b\x04\x12\x00", ""), "a", "match of nothing"},
		{"a match that begins in the member before", hello + member("\x4b\x04\x12\x00", ""), "helloa", "match of nothing"},
	} {
		got, err := new(Decoder).Gzip(nil, []byte(tt.in), most)
		if string(got) != tt.want || (tt.fails == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: %q, error %v; want %q, error %q", tt.name, got, err, tt.want, tt.fails)
		}
		if _, err := upstream([]byte(tt.in)); (err == nil) != (tt.fails == "") {
			t.Errorf("%s: upstream has error %v", tt.name, err)
		}
	}
}

// A size at the end that is a lie takes no more memory than the data can be worth.
func TestTheSizeIsNotTrusted(t *testing.T) {
	lie := []byte(member("\x01\x05\x00\xfa\xffhello", "hello"))
	binary.LittleEndian.PutUint32(lie[len(lie)-4:], 1<<31)
	got, err := new(Decoder).Gzip(nil, lie, 1<<32)
	if cap(got) > 1<<16 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("%d bytes were taken, error %v", cap(got), err)
	}
}

func FuzzGzip(f *testing.F) {
	for _, body := range [][]byte{{}, exposition(20), noise(300), skewed(3000), bytes.Repeat([]byte{'a'}, 1000)} {
		for _, level := range []int{kgzip.HuffmanOnly, kgzip.NoCompression, kgzip.BestSpeed, kgzip.BestCompression} {
			f.Add(packed(f, body, level))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src)
		agree(t, []byte(member(string(src), ""))) // past the header, which few random bytes get through
	})
}

func agree(t *testing.T, src []byte) {
	t.Helper()
	want, wantErr := upstream(src)
	if len(want) > most {
		wantErr = ErrTooLarge
	}
	var d Decoder
	got, err := d.Gzip(nil, src, most)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: error %v, upstream has %v", src, err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%d bytes differ from upstream's %d", len(got), len(want))
	}
	if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
		t.Fatalf("the first of %d bytes before error %v differ from upstream's %d", len(got), err, len(want))
	}
	if len(got) > most+room {
		t.Fatalf("%d bytes, the limit is %d", len(got), most)
	}
}

func BenchmarkGzip(b *testing.B) {
	body := exposition(1000)
	for _, level := range []int{kgzip.BestSpeed, kgzip.DefaultCompression} {
		src := packed(b, body, level)
		dst := make([]byte, 0, len(body)+room)
		name := map[int]string{kgzip.BestSpeed: "fastest", kgzip.DefaultCompression: "default"}[level]
		b.Run(name+"/hearth", func(b *testing.B) {
			var d Decoder
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := d.Gzip(dst, src, most); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/klauspost", func(b *testing.B) {
			var r kgzip.Reader
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := r.Reset(bytes.NewReader(src)); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(&r, dst[:len(body)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
