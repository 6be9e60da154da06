package main

import (
	"fmt"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"
)

// addressHeaders hold addresses, whose names are encoded and whose rest is not (RFC 5322, 3.6).
var addressHeaders = []string{"Cc", "From", "Reply-To", "Resent-From", "Resent-To", "Return-Receipt-To", "Disposition-Notification-To", "Sender", "To"}

// idHeaders hold identifiers, which must not be encoded.
var idHeaders = []string{"In-Reply-To", "Message-Id", "References", "List-Id", "List-Unsubscribe"}

// header puts a header of the settings into the mail.
func (f filled) header(m *message, name, literal string) error {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case slices.Contains(addressHeaders, canonical):
		list, err := f.addresses("headers."+name, literal)
		if err != nil {
			return err
		}
		m.headers[canonical] = formatted(list)
		return nil
	case slices.Contains(idHeaders, canonical):
		text, err := f.text("headers."+name, literal)
		if err != nil {
			return err
		}
		if !isASCII(text) {
			return fmt.Errorf("headers.%s is %q, must be of visible ASCII characters", name, text)
		}
		m.headers[canonical] = strings.Join(strings.Fields(text), " ")
		return nil
	}
	text, err := f.text("headers."+name, literal)
	if err != nil {
		return err
	}
	m.headers[canonical] = encodedText(text)
	return nil
}

// formatted writes addresses as a header does.
func formatted(list []*mail.Address) string {
	texts := make([]string, len(list))
	for i, a := range list {
		bare := (&mail.Address{Address: a.Address}).String() // in < and >
		switch name := encodedText(a.Name); {
		case name == "":
			texts[i] = strings.Trim(bare, "<>")
		case strings.HasPrefix(name, "=?"):
			texts[i] = name + " " + bare
		default:
			texts[i] = (&mail.Address{Name: name, Address: a.Address}).String()
		}
	}
	return strings.Join(texts, ", ")
}

// encodedText writes unstructured text: as it is if that is possible, else in encoded words (RFC 2047). Ends of lines
// and other white space become one space, so that no text can bring a header of its own.
func encodedText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > 70 || !isASCII(word) || strings.Contains(word, "=?") {
			return encodedWords(s)
		}
	}
	return s
}

// isASCII tells whether s has only characters that may stand in a header as they are.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// encodedWords writes s in encoded words of at most 75 characters, encoding Q, each of whole characters.
func encodedWords(s string) string {
	const begin, end, longest = "=?utf-8?q?", "?=", 75
	var b strings.Builder
	room := 0
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		var q string
		switch {
		case r == ' ':
			q = "_"
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!*+-/", r):
			q = s[:n]
		default:
			for _, c := range []byte(s[:n]) {
				q += fmt.Sprintf("=%02X", c)
			}
		}
		if len(q) > room {
			if b.Len() > 0 {
				b.WriteString(end + " ")
			}
			b.WriteString(begin)
			room = longest - len(begin) - len(end)
		}
		b.WriteString(q)
		room -= len(q)
		s = s[n:]
	}
	if b.Len() > 0 {
		b.WriteString(end)
	}
	return b.String()
}

// fold writes a header line, broken at spaces so that lines have 78 characters if words allow it.
func fold(b *strings.Builder, name, value string) {
	b.WriteString(name + ":")
	at := len(name) + 1
	for word := range strings.SplitSeq(value, " ") {
		if at+1+len(word) > 78 && at > len(name)+1 {
			b.WriteString("\r\n")
			at = 0
		}
		b.WriteString(" " + word)
		at += 1 + len(word)
	}
	b.WriteString("\r\n")
}
