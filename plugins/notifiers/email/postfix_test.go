package main

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/plugins/notifiers/email/postfix"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

// TestPostfix mails through a real server and reads what arrives.
func TestPostfix(t *testing.T) {
	s := postfix.Start(t)
	base := object{"to": "ops@example.test", "from": "hearth@example.test", "smarthost": s.Submission, "tls_config": object{"ca": s.CA}}
	t.Run("ways in", func(t *testing.T) { waysIn(t, s, base) })
	t.Run("refusals", func(t *testing.T) { refusals(t, s, base) })
	t.Run("mail", func(t *testing.T) { theMail(t, s, base) })
	t.Run("injection", func(t *testing.T) { injection(t, s, base) })
	t.Run("recipients", func(t *testing.T) { severalRecipients(t, s, base) })
	t.Run("threads", func(t *testing.T) { threads(t, s, base) })
}

func waysIn(t *testing.T, s *postfix.Server, base object) {
	password := map[string]string{"auth_password": postfix.Password + "\n"}
	for _, tt := range []struct {
		name    string
		secrets map[string]string
		changes object
		how     string // in the line that the server adds
	}{
		{"STARTTLS", nil, nil, "with ESMTPS id"},
		{"STARTTLS and a password", password, object{"auth_username": "ann@example.test"}, "with ESMTPSA id"},
		{"STARTTLS and CRAM-MD5", map[string]string{"auth_secret": postfix.Password}, object{"auth_username": "ann@example.test", "smarthost": s.CRAM}, "with ESMTPSA id"},
		{"STARTTLS and LOGIN", password, object{"auth_username": "ann@example.test", "smarthost": s.Login}, "with ESMTPSA id"},
		{"a certificate of ours", map[string]string{"key": s.ClientKey}, object{"tls_config": object{"ca": s.CA, "cert": s.ClientCert}}, `(Client CN "hearth", Issuer "tests" (verified OK))`},
		{"TLS from the first byte", nil, object{"smarthost": s.TLS, "force_implicit_tls": true}, "with ESMTPS id"},
		{"nothing", nil, object{"smarthost": s.Plain, "require_tls": false}, "with ESMTP id"},
		{"an authority in a secret", map[string]string{"ca": s.CA}, object{"tls_config": object{}}, "with ESMTPS id"},
		{"another name for the certificate", nil, object{"smarthost": strings.Replace(s.Submission, "localhost", "127.0.0.1", 1), "tls_config": object{"ca": s.CA, "server_name": "localhost"}}, "with ESMTPS id"},
		{"any certificate", nil, object{"tls_config": object{"insecure_skip_verify": true}}, "with ESMTPS id"},
		{"an address that is not ASCII", nil, object{"from": "żółw@example.test"}, "with UTF8SMTPS id"},
		{"our own name", nil, object{"hello": "monitor.example.test"}, "from monitor.example.test ("},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Empty(t)
			grant(t, tt.secrets)
			if _, e := notify(t, configured(t, with(base, tt.changes)), abi.NotifyRequest{}); e != nil {
				t.Fatal(e)
			}
			if got := s.Wait(t, "ops", 1)[0].Header.Get("Received"); !strings.Contains(strings.Join(strings.Fields(got), " "), tt.how) {
				t.Errorf("received %s, want %s", got, tt.how)
			}
		})
	}
}

func refusals(t *testing.T, s *postfix.Server, base object) {
	s.Empty(t)
	password := map[string]string{"auth_password": "wr0ng-passw0rd"}
	ann := object{"auth_username": "ann@example.test"}
	for _, tt := range []struct {
		name    string
		secrets map[string]string
		changes object
		code    string
		retry   bool
		text    string
	}{
		{"an authority nobody knows", nil, object{"tls_config": object{"ca": s.OtherCA}}, sdk.CodeInvalidRequest, false, "STARTTLS: tls: failed to verify certificate"},
		{"the same with TLS from the first byte", nil, object{"smarthost": s.TLS, "force_implicit_tls": true, "tls_config": object{"ca": s.OtherCA}}, sdk.CodeInvalidRequest, false, "TLS: tls: failed to verify certificate"},
		{"a certificate for another name", nil, object{"tls_config": object{"ca": s.CA, "server_name": "mail.example.org"}}, sdk.CodeInvalidRequest, false, "valid for localhost, not mail.example.org"},
		{"no STARTTLS where it is required", nil, object{"smarthost": s.Plain}, sdk.CodeInvalidRequest, false, "STARTTLS: the server does not offer it: set require_tls = false"},
		{"a wrong password", password, ann, sdk.CodeUnauthenticated, false, "AUTH: PLAIN: 535 5.7.8 Error: authentication failed"},
		{"a wrong secret", map[string]string{"auth_secret": "wr0ng-passw0rd"}, with(ann, object{"smarthost": s.CRAM}), sdk.CodeUnauthenticated, false, "AUTH: CRAM-MD5: 535 5.7.8 Error: authentication failed"},
		{"no secret for the mechanisms there are", password, with(ann, object{"smarthost": s.CRAM}), sdk.CodeDenied, false, "the server offers CRAM-MD5: grant the secret"},
		{"no authentication where we want it", password, with(ann, object{"smarthost": s.Plain, "require_tls": false}), sdk.CodeInvalidRequest, false, "takes no authentication"},
		{"a recipient who is refused for now", nil, object{"to": "grey@example.test"}, sdk.CodeUnavailable, true, "RCPT TO grey@example.test: 450 4.2.0 <grey@example.test>: Recipient address rejected: Greylisted, come back later"},
		{"a recipient who is refused", nil, object{"to": "gone@example.test"}, sdk.CodeInvalidRequest, false, "RCPT TO gone@example.test: 550 5.1.1 <gone@example.test>: Recipient address rejected: No such mailbox"},
		{"one of two who is refused for now", nil, object{"to": "ops@example.test, grey@example.test"}, sdk.CodeUnavailable, true, "450 4.2.0"},
		{"a recipient elsewhere", nil, object{"to": "ops@example.org"}, sdk.CodeInvalidRequest, false, "554 5.7.1 <ops@example.org>: Relay access denied"},
		{"TLS where there is none", nil, object{"smarthost": s.Plain, "force_implicit_tls": true}, sdk.CodeUnavailable, true, "TLS: tls: first record does not look like a TLS handshake"},
		{"what is no address", nil, object{"to": "ops"}, sdk.CodeInvalidRequest, false, `to is "ops", must be addresses`},
		{"two senders", nil, object{"from": "a@example.test, b@example.test"}, sdk.CodeInvalidRequest, false, "from has 2 addresses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			grant(t, tt.secrets)
			_, e := notify(t, configured(t, with(base, tt.changes)), abi.NotifyRequest{})
			if e == nil {
				t.Fatal("it was delivered")
			}
			if e.Code != tt.code || e.Retryable != tt.retry || !strings.Contains(e.Message, tt.text) {
				t.Errorf("%s, retry %v: %s\nwant %s, %v: %s", e.Code, e.Retryable, e.Message, tt.code, tt.retry, tt.text)
			}
			if strings.Contains(e.Message, "wr0ng") {
				t.Errorf("the secret shows: %s", e.Message)
			}
		})
	}
	if got := s.Mails(t, "ops"); len(got) != 0 {
		t.Errorf("%d mails have arrived", len(got))
	}
}

// parts returns the parts of a mail by their kind, and the kinds in order.
func parts(t *testing.T, m *mail.Message) (texts map[string]string, kinds []string) {
	t.Helper()
	kind, p, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" || m.Header.Get("MIME-Version") != "1.0" {
		t.Fatalf("content type %s, MIME %s, %v", kind, m.Header.Get("MIME-Version"), err)
	}
	texts = map[string]string{}
	for r := multipart.NewReader(m.Body, p["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return texts, kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		if e := part.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
			t.Errorf("encoding %s", e)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		kind := part.Header.Get("Content-Type")
		texts[kind], kinds = strings.ReplaceAll(string(text), "\r\n", "\n"), append(kinds, kind)
	}
}

func theMail(t *testing.T, s *postfix.Server, base object) {
	s.Empty(t)
	const subject = "[FIRING:1] Zażółć gęślą jaźń, „Żółw” 🐢 i bardzo długi temat, który nie mieści się w jednym wierszu nagłówka"
	html := "<p>" + strings.Repeat("a line that is longer than what a mail may have in one, żółw; ", 40) + "</p>\n.\n<b>dots</b>\n"
	settings := with(base, object{
		"to": "{{ .To }}", "from": "{{ .From }}", "text": "{{ .Text }}", "headers": object{"X-Team": "{{ .Team }}", "reply-to": "{{ .Reply }}", "X-Long": "{{ .Long }}"},
	})
	texts := map[string]string{
		"to": "Opieka Żółwi <ops@example.test>, dev@example.test", "from": `"hearth, the server" <hearth@example.test>`,
		"headers.Subject": subject, "headers.X-Team": "ops", "headers.reply-to": "Ż <dev@example.test>", "headers.X-Long": strings.Repeat("x", 3000),
		"html": html, "text": "plain = żółw\n.\nFrom here\n",
	}
	began := time.Now().Add(-time.Second)
	if _, e := notify(t, configured(t, settings), abi.NotifyRequest{Texts: texts}); e != nil {
		t.Fatal(e)
	}
	s.Wait(t, "dev", 1)
	m := s.Wait(t, "ops", 1)[0]
	words := new(mime.WordDecoder)
	for name, want := range map[string]string{"Subject": subject, "X-Team": "ops", "X-Long": strings.Repeat("x", 3000)} {
		if got, err := words.DecodeHeader(m.Header.Get(name)); err != nil || got != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	for name, want := range map[string][]mail.Address{
		"To":       {{Name: "Opieka Żółwi", Address: "ops@example.test"}, {Address: "dev@example.test"}},
		"From":     {{Name: "hearth, the server", Address: "hearth@example.test"}},
		"Reply-To": {{Name: "Ż", Address: "dev@example.test"}},
	} {
		got, err := m.Header.AddressList(name)
		if err != nil || !slices.EqualFunc(got, want, func(a *mail.Address, b mail.Address) bool { return *a == b }) {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if at, err := m.Header.Date(); err != nil || at.Before(began.Truncate(time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("date %v, %v", at, err)
	}
	if id := m.Header.Get("Message-ID"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.test>") || len(m.Header["Message-Id"]) != 1 {
		t.Errorf("message id %v", m.Header["Message-Id"])
	}
	for name := range m.Header {
		if len(m.Header[name]) != 1 {
			t.Errorf("%s is there %d times", name, len(m.Header[name]))
		}
	}
	got, kinds := parts(t, m)
	if !slices.Equal(kinds, []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"}) {
		t.Errorf("parts %v", kinds)
	}
	if got[kinds[0]] != texts["text"] || got[kinds[1]] != html {
		t.Errorf("the parts are\n%s\n%s", got[kinds[0]], got[kinds[1]])
	}
}

func injection(t *testing.T, s *postfix.Server, base object) {
	s.Empty(t)
	const evil = "Disk\r\nBcc: dev@example.test\r\nX-Evil: 1\r\n\r\n<h1>evil</h1>\x00"
	settings := with(base, object{"headers": object{"X-Team": "{{ }}"}, "threading": object{"enabled": true}})
	texts := map[string]string{"headers.Subject": evil, "headers.X-Team": evil, "to": "\"" + "evil\" <ops@example.test>", "html": "<p>" + evil}
	if _, e := notify(t, configured(t, settings), abi.NotifyRequest{Texts: texts}); e != nil {
		t.Fatal(e)
	}
	m := s.Wait(t, "ops", 1)[0]
	if m.Header.Get("X-Evil") != "" || m.Header.Get("Bcc") != "" {
		t.Errorf("headers %v", m.Header)
	}
	if got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || got != "Disk Bcc: dev@example.test X-Evil: 1 <h1>evil</h1>\x00" {
		t.Errorf("subject %q, %v", got, err)
	}
	if texts, kinds := parts(t, m); len(kinds) != 1 || !strings.HasPrefix(texts[kinds[0]], "<p>Disk\nBcc") {
		t.Errorf("parts %q", texts)
	}
	for _, to := range []string{"ops@example.test\r\nRCPT TO:<dev@example.test>", "<ops@example.test>\r\nX: y", "\"a\r\nb\"@example.test"} {
		_, e := notify(t, configured(t, settings), abi.NotifyRequest{Texts: map[string]string{"to": to, "html": "x"}})
		if e == nil || e.Retryable {
			t.Errorf("%q: %v", to, e)
		}
	}
	if got := s.Mails(t, "dev"); len(got) != 0 {
		t.Errorf("%d mails went to somebody else", len(got))
	}
}

func severalRecipients(t *testing.T, s *postfix.Server, base object) {
	s.Empty(t)
	i := configured(t, with(base, object{"to": "gone@example.test, ops@example.test, Dev <dev@example.test>", "headers": object{"To": "everybody <list@example.test>"}}))
	if _, e := notify(t, i, abi.NotifyRequest{}); e != nil {
		t.Fatal(e)
	}
	for _, box := range []string{"ops", "dev"} {
		if to := s.Wait(t, box, 1)[0].Header.Get("To"); to != `"everybody" <list@example.test>` {
			t.Errorf("to %s", to)
		}
	}
	_, e := notify(t, configured(t, with(base, object{"to": "gone@example.test, gone@example.test"})), abi.NotifyRequest{})
	if e == nil || e.Retryable || !strings.Contains(e.Message, "RCPT TO gone@example.test, gone@example.test: 550 5.1.1") {
		t.Errorf("all are refused: %v", e)
	}
}

func threads(t *testing.T, s *postfix.Server, base object) {
	s.Empty(t)
	i := configured(t, with(base, object{"threading": object{"enabled": true, "thread_by_date": "none"}}))
	state := ""
	for range 3 {
		var e *sdk.Error
		if state, e = notify(t, i, abi.NotifyRequest{State: state}); e != nil {
			t.Fatal(e)
		}
	}
	// The beginning of the SHA-256 of the group's key, as Alertmanager has it.
	const root = "<alert-e9431e3956d0c42a-@alertmanager>"
	var last string
	for n, m := range s.Wait(t, "ops", 3) {
		refs, to, id := m.Header.Get("References"), m.Header.Get("In-Reply-To"), m.Header.Get("Message-ID")
		switch {
		case n == 0 && (refs != root || to != root):
			t.Errorf("the first mail: references %s, reply to %s", refs, to)
		case n > 0 && (refs != root+" "+last || to != last):
			t.Errorf("mail %d: references %s, reply to %s, want %s", n, refs, to, last)
		}
		last = id
	}
	var c conversation
	if err := json.Unmarshal([]byte(state), &c); err != nil || c.Root != root || c.Last != last {
		t.Errorf("state %s, %v", state, err)
	}
	s.Empty(t)
	for _, state := range []string{"no JSON", `{"root": "<other@alertmanager>", "last": "<x@y>"}`} {
		if _, e := notify(t, i, abi.NotifyRequest{State: state}); e != nil {
			t.Fatal(e)
		}
	}
	for _, m := range s.Wait(t, "ops", 2) {
		if refs := m.Header.Get("References"); refs != root {
			t.Errorf("after a foreign state: references %s", refs)
		}
	}
}
