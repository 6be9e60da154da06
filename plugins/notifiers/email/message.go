package main

import (
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
)

// message is one mail.
type message struct {
	sender     string   // of the envelope
	recipients []string // of the envelope
	date       time.Time
	headers    map[string]string // by canonical name, encoded; without what head adds
	text, html string            // the parts; empty: none
}

// leading headers come first, in this order; the others follow sorted.
var leading = []string{"Date", "From", "To", "Cc", "Subject", "Message-Id"}

// writeTo writes the mail as it is sent (RFC 5322, RFC 2045): lines end in CRLF, none has more than 998 bytes. It holds
// no copy: mails about thousands of alerts have megabytes.
func (m *message) writeTo(w io.Writer) error {
	parts := multipart.NewWriter(w)
	if _, err := io.WriteString(w, m.head(parts.Boundary())); err != nil {
		return err
	}
	for _, p := range []struct{ kind, text string }{{"text/plain", m.text}, {"text/html", m.html}} { // the best one last
		if p.text == "" {
			continue
		}
		part, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {p.kind + "; charset=UTF-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return err
		}
		q := quotedprintable.NewWriter(part)
		if _, err := io.WriteString(q, p.text); err != nil {
			return err
		}
		if err := q.Close(); err != nil {
			return err
		}
	}
	return parts.Close()
}

// head returns the headers and the empty line after them.
func (m *message) head(boundary string) string {
	headers := maps.Clone(m.headers)
	headers["Date"] = m.date.Format(time.RFC1123Z)
	headers["Mime-Version"] = "1.0"
	headers["Content-Type"] = "multipart/alternative; boundary=" + boundary
	var b strings.Builder
	for _, name := range slices.Concat(leading, slices.Sorted(maps.Keys(headers))) {
		if value, ok := headers[name]; ok {
			fold(&b, spelled(name), value)
			delete(headers, name)
		}
	}
	return b.String() + "\r\n"
}

// spelled returns a header's name as RFCs write it.
func spelled(name string) string {
	switch name {
	case "Message-Id":
		return "Message-ID"
	case "Mime-Version":
		return "MIME-Version"
	}
	return name
}

// plainSubject and plainBody are for mails without a host that fills in templates.
func plainSubject(n sdk.Notification) string {
	names := make([]string, 0, len(n.GroupLabels))
	for _, name := range slices.Sorted(maps.Keys(n.GroupLabels)) {
		names = append(names, n.GroupLabels[name])
	}
	return fmt.Sprintf("[%s:%d] %s", strings.ToUpper(n.Status), len(n.Alerts), strings.Join(names, " "))
}

func plainBody(n sdk.Notification) string {
	var b strings.Builder
	for _, a := range n.Alerts {
		fmt.Fprintf(&b, "%s since %s\n", a.Status, a.StartsAt.Format(time.RFC3339))
		for _, set := range []map[string]string{a.Labels, a.Annotations} {
			for _, name := range slices.Sorted(maps.Keys(set)) {
				fmt.Fprintf(&b, "  %s = %s\n", name, set[name])
			}
		}
		fmt.Fprintf(&b, "  %s\n\n", a.GeneratorURL)
	}
	fmt.Fprintf(&b, "Sent by hearth, %s\n", n.ExternalURL)
	return b.String()
}
