package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
)

// maxReplies is how much of a server's words is read in one session, in bytes.
const maxReplies = 256 << 10

// send delivers a mail over a connection of its own. It returns nil if the server has taken it, and an *sdk.Error that
// says at which step it did not, in the server's words.
func (s *settings) send(ctx context.Context, m *message) error {
	conn, err := sdk.DialContext(ctx, "tcp", s.Smarthost)
	if err != nil {
		return s.trouble(ctx, "connect", err)
	}
	defer conn.Close()
	if d, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(d); err != nil {
			return s.trouble(ctx, "connect", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if step, err := s.session(&bounded{Conn: conn, left: maxReplies}, m); err != nil {
		return s.trouble(ctx, step, err)
	}
	return nil
}

// session has the conversation with the server. On an error it names the step.
func (s *settings) session(conn net.Conn, m *message) (step string, err error) {
	conf, err := s.client()
	if err != nil {
		return "", err
	}
	if s.implicitTLS() {
		conn = tls.Client(conn, conf)
		if err := conn.(*tls.Conn).Handshake(); err != nil {
			return "TLS", err
		}
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return "greeting", err
	}
	defer func() {
		var reply *textproto.Error
		if errors.As(err, &reply) {
			quit(conn, c) // politely: the server is there
		}
	}()
	if err := c.Hello(cmp.Or(s.Hello, "localhost")); err != nil {
		return "EHLO", err
	}
	if s.requiresTLS() && !s.implicitTLS() {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return "STARTTLS", sdk.Errorf(sdk.CodeInvalidRequest, "the server does not offer it: set require_tls = false if mails may go unencrypted, or force_implicit_tls = true if this is a port for TLS")
		}
		if err := c.StartTLS(conf); err != nil {
			return "STARTTLS", err
		}
	}
	if err := s.authenticate(c); err != nil {
		return "AUTH", err
	}
	if err := nameSender(c, m); err != nil {
		return "MAIL FROM " + m.sender, err
	}
	if step, err := s.nameRecipients(c, m.recipients); err != nil {
		return step, err
	}
	w, err := c.Data()
	if err != nil {
		return "DATA", err
	}
	if err := m.writeTo(w); err != nil {
		return "DATA", err
	}
	if err := w.Close(); err != nil {
		return "end of DATA", err
	}
	if err := quit(conn, c); err != nil { // the mail is the server's already
		sdk.Log().Debug("the server did not say goodbye", "err", err)
	}
	return "", nil
}

// quit says goodbye. Nobody waits long for the answer.
func quit(conn net.Conn, c *smtp.Client) error {
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return c.Quit()
}

// nameSender begins a mail. SMTPUTF8 is asked for only if an address needs it, since the next server may not have it; all
// else in our mails is ASCII.
func nameSender(c *smtp.Client, m *message) error {
	if slices.ContainsFunc(slices.Concat(m.recipients, []string{m.sender}), func(a string) bool { return !isASCII(a) }) {
		if ok, _ := c.Extension("SMTPUTF8"); !ok {
			return sdk.Errorf(sdk.CodeInvalidRequest, "the server takes no addresses with other than ASCII characters")
		}
		return c.Mail(m.sender)
	}
	id, err := c.Text.Cmd("MAIL FROM:<%s>", m.sender)
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	_, _, err = c.Text.ReadResponse(250)
	return err
}

// nameRecipients names them to the server. Those whom it refuses for good must not keep the mail from the others; that is
// logged. With a refusal for now all of them wait, or some would get the mail twice.
func (s *settings) nameRecipients(c *smtp.Client, to []string) (step string, err error) {
	var refused []string
	var last error
	for _, address := range to {
		err := c.Rcpt(address)
		var reply *textproto.Error
		switch {
		case err == nil:
		case errors.As(err, &reply) && reply.Code/100 == 5:
			refused, last = append(refused, address), err
		default:
			return "RCPT TO " + address, err
		}
	}
	if len(refused) == len(to) {
		return "RCPT TO " + strings.Join(refused, ", "), last
	}
	if len(refused) > 0 {
		sdk.Log().Error("the mail server refuses recipients; the others get the mail", "refused", strings.Join(refused, ", "), "err", s.harmless(last))
	}
	return "", nil
}

// bounded is a connection of which a bounded number of bytes is read: a server that never ends its reply costs no memory.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server has said more than %d bytes", maxReplies)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
