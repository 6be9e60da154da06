package main

import (
	"bufio"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

// talk is a mail server that misbehaves: it greets, and answers each line of the client as answers says for its verb.
// An empty answer is none, "hang up" ends the connection.
func talk(t *testing.T, greeting string, answers map[string]string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn, greeting, answers)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func serve(conn net.Conn, greeting string, answers map[string]string) {
	defer conn.Close()
	fmt.Fprint(conn, greeting)
	data := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		verb, _, _ := strings.Cut(lines.Text(), " ")
		if data && verb != "." {
			continue
		}
		data = verb == "DATA" && strings.HasPrefix(answers["DATA"], "354")
		answer, ok := answers[verb]
		switch {
		case !ok:
			answer = "250 fine\r\n"
		case answer == "hang up":
			return
		}
		if _, err := fmt.Fprint(conn, answer); err != nil {
			return
		}
	}
}

const (
	ready = "220 ready\r\n"
	offer = "250-here\r\n250 AUTH PLAIN LOGIN\r\n"
	begin = "354 go on\r\n"
)

func TestServersThatMisbehave(t *testing.T) {
	grant(t, map[string]string{"auth_password": "s3cr3t-w0rd"})
	const encoded = "AGFubgBzM2NyM3QtdzByZA==" // of the name and the password, as PLAIN has them
	ann := object{"auth_username": "ann"}
	for _, tt := range []struct {
		name     string
		greeting string
		answers  map[string]string
		changes  object
		code     string // empty: delivered
		retry    bool
		text     string
	}{
		{"one that is closed", "421 4.3.2 closed for today\r\n", nil, nil, sdk.CodeUnavailable, true, "greeting: 421 4.3.2 closed for today"},
		{"one that wants nobody", "554 5.7.1 not you\r\n", nil, nil, sdk.CodeInvalidRequest, false, "greeting: 554 5.7.1 not you"},
		{"one that is no mail server", "HTTP/1.1 400 Bad Request\r\n\r\n", nil, nil, sdk.CodeUnavailable, true, "greeting: "},
		{"one that says nothing", "", nil, nil, sdk.CodeTimeout, true, "greeting: no answer in time"},
		{"one that hangs at the end", ready, map[string]string{"DATA": begin, ".": ""}, nil, sdk.CodeTimeout, true, "end of DATA: no answer in time"},
		{"one that hangs up in the middle", ready, map[string]string{"MAIL": "hang up"}, nil, sdk.CodeUnavailable, true, "MAIL FROM a@example.test: EOF"},
		{"one that never ends its reply", ready, map[string]string{"EHLO": strings.Repeat("250-and more\r\n", 100_000)}, nil, sdk.CodeUnavailable, true, "more than 262144 bytes"},
		{"one whose line never ends", strings.Repeat("220 ", 300_000), nil, nil, sdk.CodeUnavailable, true, "more than 262144 bytes"},
		{"one that is full", ready, map[string]string{"MAIL": "452 4.3.1 no space\r\n"}, nil, sdk.CodeUnavailable, true, "MAIL FROM a@example.test: 452 4.3.1 no space"},
		{"one that is out of order", ready, map[string]string{"DATA": "451 4.3.0 not now\r\n"}, nil, sdk.CodeUnavailable, true, "DATA: 451 4.3.0 not now"},
		{"one that takes it for spam", ready, map[string]string{"DATA": begin, ".": "554-5.7.1 spam,\r\n554 says the filter\r\n"}, nil, sdk.CodeInvalidRequest, false, "end of DATA: 554 5.7.1 spam, says the filter"},
		{"one that does not say goodbye", ready, map[string]string{"DATA": begin, "QUIT": "hang up"}, nil, "", false, ""},
		{"one that does not say goodbye in time", ready, map[string]string{"DATA": begin, "QUIT": ""}, nil, "", false, ""},
		{"one that takes ASCII only", ready, nil, object{"to": "żółw@example.test"}, sdk.CodeInvalidRequest, false, "takes no addresses with other than ASCII"},
		{"one that knows HELO only", ready, map[string]string{"DATA": begin, "EHLO": "502 what?\r\n"}, nil, "", false, ""},
		{"one that repeats the password", ready, map[string]string{"EHLO": offer, "AUTH": "535 " + encoded + " is not s3cr3t-w0rd\r\n"}, ann, sdk.CodeUnauthenticated, false, "AUTH: PLAIN: 535 <secret> is not <secret>"},
		{"one that cannot tell at the moment", ready, map[string]string{"EHLO": offer, "AUTH": "454 4.7.0 ask later\r\n"}, ann, sdk.CodeUnavailable, true, "AUTH: PLAIN: 454 4.7.0 ask later"},
		{"LOGIN", ready, map[string]string{"EHLO": "250-here\r\n250 AUTH LOGIN\r\n", "AUTH": "334 VXNlcm5hbWU6\r\n", "YW5u": "334 UGFzc3dvcmQ6\r\n", "czNjcjN0LXcwcmQ=": "235 welcome\r\n", "DATA": begin}, ann, "", false, ""},
		{"LOGIN that asks for more", ready, map[string]string{"EHLO": "250-here\r\n250 AUTH LOGIN\r\n", "AUTH": "334 UElOPw==\r\n"}, ann, sdk.CodeUnavailable, true, "asks for something else"},
		{"STARTTLS that is not", ready, map[string]string{"EHLO": "250-here\r\n250 STARTTLS\r\n", "STARTTLS": "454 4.7.0 no TLS today\r\n"}, object{"require_tls": true}, sdk.CodeUnavailable, true, "STARTTLS: 454 4.7.0 no TLS today"},
		{"long words", ready, map[string]string{"MAIL": "550 " + strings.Repeat("ż", 2000) + "\r\n"}, nil, sdk.CodeInvalidRequest, false, "żż ..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := talk(t, tt.greeting, tt.answers)
			settings := object{"to": "b@example.test", "from": "a@example.test", "smarthost": address, "require_tls": false}
			_, e := notify(t, configured(t, with(settings, tt.changes)), abi.NotifyRequest{DeadlineMS: 1500})
			switch {
			case tt.code == "" && e != nil:
				t.Errorf("error %v", e)
			case tt.code != "" && e == nil:
				t.Error("it says delivered")
			case tt.code != "" && (e.Code != tt.code || e.Retryable != tt.retry || !strings.Contains(e.Message, tt.text)):
				t.Errorf("%s, retry %v: %s\nwant %s, %v: %s", e.Code, e.Retryable, e.Message, tt.code, tt.retry, tt.text)
			case e != nil && (strings.Contains(e.Message, "s3cr3t") || strings.Contains(e.Message, encoded) || len(e.Message) > 1200):
				t.Errorf("message of %d bytes: %s", len(e.Message), e.Message)
			}
		})
	}
}

func TestAPasswordIsNotSentUnencrypted(t *testing.T) {
	for _, tt := range []struct {
		host    string
		tls, ok bool
	}{{"mail.example.org", false, false}, {"mail.example.org", true, true}, {"localhost", false, true}, {"127.0.0.1", false, true}} {
		_, _, err := secured{&login{"ann", "s3cr3t"}, true}.Start(&smtp.ServerInfo{Name: tt.host, TLS: tt.tls})
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "not encrypted") {
			t.Errorf("%s, TLS %v: %v", tt.host, tt.tls, err)
		}
	}
}

func TestTheHostFillsInTemplates(t *testing.T) {
	settings := object{"to": "b@example.test", "from": "a@example.test", "smarthost": "127.0.0.1:1", "text": "{{ .Status }}"}
	_, e := notify(t, configured(t, settings), abi.NotifyRequest{})
	if e == nil || e.Retryable || !strings.Contains(e.Message, "text is a template, which hearth fills in") {
		t.Errorf("error %v", e)
	}
}

func TestDaysOfThreads(t *testing.T) {
	n := newNotifier()
	n.settings = settings{From: "a@b.c", To: "d@e.f", Threading: threading{Enabled: true, ByDate: "daily"}}
	msg := sdk.Notification{GroupKey: `{}:{alertname="Test"}`}
	var refs []string
	for _, day := range []int{25, 25, 26} {
		n.now = func() time.Time { return time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC) }
		m, err := n.compose(msg)
		if err != nil {
			t.Fatal(err)
		}
		if msg.State, err = n.thread(m, msg); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, m.headers["References"])
	}
	const first, second = "<alert-e9431e3956d0c42a-2026-11-25@alertmanager>", "<alert-e9431e3956d0c42a-2026-11-26@alertmanager>"
	if refs[0] != first || !strings.HasPrefix(refs[1], first+" <") || refs[2] != second {
		t.Errorf("references %q", refs)
	}
}
