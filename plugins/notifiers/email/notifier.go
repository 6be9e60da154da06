package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
)

// version is the manifest's; a test compares them.
const version = "0.1.0"

// notifier is the plugin.
type notifier struct {
	settings settings
	now      func() time.Time
}

func newNotifier() *notifier { return &notifier{now: time.Now} }

// Configure reads the settings.
func (n *notifier) Configure(_ context.Context, c sdk.Config) error {
	var s settings
	if err := c.Decode(&s); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	n.settings = s
	_, err := s.client()
	return err
}

// conversation is the state of a group: to which mail the next one answers.
type conversation struct {
	Root string `json:"root"` // what all mails of the conversation refer to
	Last string `json:"last"` // the Message-ID of the last mail
}

// Notify mails the message: one connection for each.
func (n *notifier) Notify(ctx context.Context, msg sdk.Notification) error {
	m, err := n.compose(msg)
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "%w", err)
	}
	var next string
	if n.settings.Threading.Enabled {
		if next, err = n.thread(m, msg); err != nil {
			return err
		}
	}
	if err := n.settings.send(ctx, m); err != nil {
		return err
	}
	if next != "" {
		return msg.Keep(next)
	}
	return nil
}

// compose makes the mail.
func (n *notifier) compose(msg sdk.Notification) (*message, error) {
	s := &n.settings
	f := filled{msg}
	m := &message{date: n.now(), headers: map[string]string{}}
	from, err := f.addresses("from", s.From)
	if err != nil {
		return nil, err
	}
	if len(from) != 1 {
		return nil, fmt.Errorf("from has %d addresses, must have one", len(from))
	}
	to, err := f.addresses("to", s.To)
	if err != nil {
		return nil, err
	}
	m.sender = from[0].Address
	for _, a := range to {
		m.recipients = append(m.recipients, a.Address)
	}
	m.headers["From"], m.headers["To"] = formatted(from), formatted(to)
	subject, err := f.text("headers.Subject", plainSubject(msg))
	if err != nil {
		return nil, err
	}
	m.headers["Subject"] = encodedText(subject)
	for name, value := range s.Headers {
		if err := f.header(m, name, value); err != nil {
			return nil, err
		}
	}
	if m.text, err = f.text("text", s.Text); err != nil {
		return nil, err
	}
	if s.HTML == nil || *s.HTML != "" {
		literal := ""
		if s.HTML != nil {
			literal = *s.HTML
		}
		if m.html, err = f.text("html", literal); err != nil {
			return nil, err
		}
	}
	if m.html == "" && m.text == "" {
		m.text = plainBody(msg) // no host that fills in templates, or templates without a result
	}
	if m.headers["Message-Id"] == "" {
		domain := m.sender[strings.LastIndexByte(m.sender, '@')+1:]
		if !isASCII(domain) {
			domain = "hearth"
		}
		m.headers["Message-Id"] = fmt.Sprintf("<%x.%s@%s>", m.date.UnixNano(), strings.ToLower(rand.Text()), domain)
	}
	return m, nil
}

// thread puts the mail into the conversation of its group, as Alertmanager does: all refer to a first mail that never
// was, which mail programs make up. The last one of the group is referred to as well, by what it left as state; so the
// conversation also holds in programs that don't make anything up. It returns the state for the next one.
func (n *notifier) thread(m *message, msg sdk.Notification) (string, error) {
	day := ""
	if n.settings.Threading.ByDate == "daily" {
		day = m.date.Format("2006-01-02")
	}
	root := fmt.Sprintf("<alert-%.8x-%s@alertmanager>", sha256.Sum256([]byte(msg.GroupKey)), day)
	var before conversation
	if json.Unmarshal([]byte(msg.State), &before) != nil || before.Root != root {
		before = conversation{}
	}
	m.headers["References"], m.headers["In-Reply-To"] = root, root
	if before.Last != "" {
		m.headers["References"], m.headers["In-Reply-To"] = root+" "+before.Last, before.Last
	}
	state, err := json.Marshal(conversation{Root: root, Last: m.headers["Message-Id"]})
	return string(state), err
}

// filled are the settings as the host has filled them in.
type filled struct{ msg sdk.Notification }

// text returns what a setting became. Without a host that fills in it is taken literally, if it is no template.
func (f filled) text(name, literal string) (string, error) {
	if text, ok := f.msg.Texts[name]; ok {
		return text, nil
	}
	if strings.Contains(literal, "{{") {
		return "", fmt.Errorf("%s is a template, which hearth fills in: try the plugin with hearth plugin run", name)
	}
	return literal, nil
}

func (f filled) addresses(name, literal string) ([]*mail.Address, error) {
	text, err := f.text(name, literal)
	if err != nil {
		return nil, err
	}
	list, err := mail.ParseAddressList(text)
	if err != nil {
		return nil, fmt.Errorf("%s is %q, must be addresses with commas between: %w", name, text, err)
	}
	for _, a := range list {
		if strings.ContainsFunc(a.Address, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("%s has %q, which no mail server takes", name, a.Address)
		}
	}
	return list, nil
}
