package main

import (
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestEncodedText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "[FIRING:1] Disk (a b)", "[FIRING:1] Disk (a b)"},
		{"white space becomes one space", " a\r\n\tb\n", "a b"},
		{"other letters are encoded", "żółw", "=?utf-8?q?=C5=BC=C3=B3=C5=82w?="},
		{"what looks encoded is encoded", "=?utf-8?q?evil?=", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fevil=3F=3D?="},
		{"a control character is encoded", "a\x00b", "=?utf-8?q?a=00b?="},
		{"nothing is nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := encodedText(tt.in); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzSubject has any text as a subject and as the name of an address: it must come out as it went in, in a mail that
// can be read and has no header besides.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"Disk", "żółw\r\nBcc: x@y", strings.Repeat("x", 2000), "=?utf-8?q?a?=", "a  b", "\"<>,;:\\", "🐢🐢🐢🐢🐢🐢🐢🐢🐢🐢🐢🐢", "=?=?", "\x00\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		m := &message{date: time.Unix(1e9, 0), text: s, headers: map[string]string{
			"Subject": encodedText(s), "To": formatted([]*mail.Address{{Name: s, Address: "a@b.c"}}),
		}}
		var text strings.Builder
		if err := m.writeTo(&text); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(text.String(), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
				t.Fatalf("line of %d bytes: %q", len(line), line)
			}
		}
		got, err := mail.ReadMessage(strings.NewReader(text.String()))
		if err != nil {
			t.Fatalf("%v in %q", err, text.String())
		}
		if len(got.Header) != 5 { // Date, Subject, To, and two of MIME
			t.Fatalf("headers %v", got.Header)
		}
		want := strings.Join(strings.Fields(s), " ")
		if subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject")); err != nil || subject != want {
			t.Fatalf("subject %q became %q, %v", want, subject, err)
		}
		to, err := got.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != "a@b.c" {
			t.Fatalf("to %q: %v, %v", got.Header.Get("To"), to, err)
		}
	})
}
