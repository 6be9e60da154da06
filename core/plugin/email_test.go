package plugin

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/plugins/notifiers/email/postfix"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

var buildEmail sync.Once

func TestEmailArrives(t *testing.T) {
	s := postfix.Start(t)
	plugins := install(t, &buildEmail, "../../plugins/notifiers/email", "hearth/email", "email.wasm")
	inBothForms(t, plugins, "../../plugins/notifiers/email", "hearth/email", func(t *testing.T, w world, of func(Use) Use) { mails(t, s, w, of) })
}

func mails(t *testing.T, s *postfix.Server, w world, of func(Use) Use) {
	s.Empty(t)
	secret := func(text string) func() (string, error) { return func() (string, error) { return text, nil } }
	use := func(settings map[string]any, password string) Use {
		all := map[string]any{
			"to": "ops@example.test", "from": "hearth@example.test", "smarthost": s.Submission, "auth_username": "ann@example.test",
			"threading": map[string]any{"enabled": true}, "headers": map[string]any{"X-Team": "{{ .CommonLabels.team }}"},
		}
		for name, v := range settings {
			all[name] = v
		}
		return of(Use{Config: all, Grant: Grant{
			Net:     []string{all["smarthost"].(string)},
			Secrets: map[string]func() (string, error){"auth_password": secret(password), "ca": secret(s.CA)},
		}})
	}
	c := w.open(use(nil, postfix.Password))
	list, err := c.Templates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := &model.Notification{Message: sdktest.Payload(2), Texts: map[string]string{}}
	var names []string
	for _, tmpl := range list {
		names = append(names, tmpl.Name)
		n.Texts[tmpl.Name] = tmpl.Text
	}
	if got := strings.Join(names, " "); got != "from headers.Subject headers.X-Team html to" {
		t.Errorf("templates %s", got)
	}
	n.Texts["headers.Subject"], n.Texts["headers.X-Team"] = "Zażółć", "ops"
	for range 2 {
		if err := c.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Wait(t, "ops", 2)
	first := got[0].Header
	if !strings.Contains(first.Get("Received"), "with ESMTPSA id") || first.Get("X-Team") != "ops" || first.Get("Subject") != "=?utf-8?q?Za=C5=BC=C3=B3=C5=82=C4=87?=" {
		t.Errorf("headers %v", first)
	}
	if id := first.Get("Message-ID"); got[1].Header.Get("In-Reply-To") != id || !strings.Contains(n.State, got[1].Header.Get("Message-ID")[1:20]) {
		t.Errorf("the second mail answers to %s, the first is %s; state %s", got[1].Header.Get("In-Reply-To"), id, n.State)
	}

	large := &model.Notification{Message: sdktest.Payload(5000), Texts: map[string]string{
		"headers.Subject": "5000 alerts", "headers.X-Team": "", "to": "dev@example.test", "from": "hearth@example.test",
		"html": strings.Repeat(`<td style="margin: 0">żółw</td>`+"\n", 200_000),
	}}
	if err := c.Notify(t.Context(), large); err != nil {
		t.Errorf("a mail of seven megabytes: %v", err)
	} else if size, err := io.Copy(io.Discard, s.Wait(t, "dev", 1)[0].Body); err != nil || size < int64(len(large.Texts["html"])) {
		t.Errorf("%d bytes have arrived, %v", size, err)
	}

	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	state := n.State
	for name, tt := range map[string]struct {
		use       Use
		code      string
		retryable bool
		text      string
	}{
		"a wrong password":         {use(nil, "wr0ng"), abi.CodeUnauthenticated, false, "AUTH: PLAIN: 535 5.7.8 Error: authentication failed"},
		"a name that is not right": {use(map[string]any{"tls_config": map[string]any{"server_name": "example.org"}}, postfix.Password), abi.CodeInvalidRequest, false, "valid for localhost"},
		"greylisting":              {use(map[string]any{"to": "grey@example.test"}, postfix.Password), abi.CodeUnavailable, true, "450 4.2.0"},
		"no such mailbox":          {use(map[string]any{"to": "gone@example.test"}, postfix.Password), abi.CodeInvalidRequest, false, "550 5.1.1"},
		"a server that hangs":      {use(map[string]any{"smarthost": hung.Addr().String()}, postfix.Password), abi.CodeTimeout, true, "in time"},
		"nobody there":             {use(map[string]any{"smarthost": "127.0.0.1:1"}, postfix.Password), abi.CodeUnavailable, true, "refused"},
	} {
		n.Texts = nil
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		tt.use.Config["headers"] = map[string]any{}
		err := w.open(tt.use).Notify(ctx, n)
		cancel()
		var call *CallError
		if strings.Contains(w.log.String(), "secret auth_secret is not granted") {
			t.Errorf("%s: the log complains of a secret that nobody needs", name)
		}
		if !errors.As(err, &call) || call.Code != tt.code || call.Retryable() != tt.retryable || !strings.Contains(call.Message, tt.text) || strings.Contains(call.Message, "wr0ng") || n.State != state {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if of(Use{}).Runtime == manifest.RuntimeNative {
		return // nothing holds a program to its grant
	}
	u := use(nil, postfix.Password)
	u.Grant.Net = []string{"mail.example.org:25"}
	u.Config["headers"] = map[string]any{}
	err = w.open(u).Notify(t.Context(), n)
	var call *CallError
	if !errors.As(err, &call) || call.Code != abi.CodeDenied || !strings.Contains(call.Message, `add "`+s.Submission+`" to net of the plugin's grant`) {
		t.Errorf("a server that is not granted: %v", err)
	}
	if n := len(s.Mails(t, "ops")); n != 2 {
		t.Errorf("%d mails have arrived", n)
	}
}
