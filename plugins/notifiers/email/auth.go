package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/smtp"
	"strings"

	"github.com/hearth-project/hearth/sdk"
)

// authenticate says who we are, by the first of the server's mechanisms for which there is a secret, as Alertmanager
// does: auth_secret is for CRAM-MD5, auth_password for PLAIN and LOGIN.
func (s *settings) authenticate(c *smtp.Client) error {
	if s.AuthUsername == "" {
		return nil
	}
	ok, offered := c.Extension("AUTH")
	if !ok {
		return sdk.Errorf(sdk.CodeInvalidRequest, "auth_username is given, but the server takes no authentication on this connection%s", s.unencrypted())
	}
	for mechanism := range strings.FieldsSeq(offered) {
		secret := "auth_password"
		if mechanism == "CRAM-MD5" {
			secret = "auth_secret"
		}
		if mechanism != "CRAM-MD5" && mechanism != "PLAIN" && mechanism != "LOGIN" || !sdk.HasSecret(secret) {
			continue
		}
		value, err := sdk.Secret(secret)
		if err != nil {
			return err
		}
		var auth smtp.Auth
		switch mechanism {
		case "CRAM-MD5":
			auth = smtp.CRAMMD5Auth(s.AuthUsername, value)
		case "PLAIN":
			auth = smtp.PlainAuth(s.AuthIdentity, s.AuthUsername, value, s.host)
		case "LOGIN":
			auth = &login{username: s.AuthUsername, password: value}
		}
		if err := c.Auth(secured{auth, mechanism != "CRAM-MD5"}); err != nil {
			return fmt.Errorf("%s: %w", mechanism, err)
		}
		return nil
	}
	return sdk.Errorf(sdk.CodeDenied, "the server offers %s: grant the secret auth_password for PLAIN and LOGIN, or auth_secret for CRAM-MD5", offered)
}

func (s *settings) unencrypted() string {
	if s.requiresTLS() || s.implicitTLS() {
		return ""
	}
	return "; servers often want TLS before, require_tls = true"
}

// secrets are the forms in which a server could repeat our secrets.
func (s *settings) secrets() (forms []string) {
	for _, name := range []string{"auth_password", "auth_secret"} {
		if !sdk.HasSecret(name) {
			continue
		}
		v, err := sdk.Secret(name)
		if err != nil || v == "" {
			continue
		}
		for _, raw := range []string{v, s.AuthIdentity + "\x00" + s.AuthUsername + "\x00" + v} {
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(raw)))
		}
		forms = append(forms, v)
	}
	return forms
}

// secured refuses to send a password over a connection that anybody could read, except to this machine.
type secured struct {
	smtp.Auth
	password bool
}

// Start implements smtp.Auth.
func (a secured) Start(server *smtp.ServerInfo) (string, []byte, error) {
	local := server.Name == "localhost" || server.Name == "127.0.0.1" || server.Name == "::1"
	if a.password && !server.TLS && !local {
		return "", nil, sdk.Errorf(sdk.CodeInvalidRequest, "the connection is not encrypted: a password is sent with require_tls = true only")
	}
	return a.Auth.Start(server)
}

// login is the mechanism LOGIN (draft-murchison-sasl-login): the server asks for the name, then for the password.
type login struct{ username, password string }

// Start implements smtp.Auth.
func (l *login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements smtp.Auth.
func (l *login) Next(question []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	switch q := strings.ToLower(string(question)); {
	case strings.HasPrefix(q, "user"):
		return []byte(l.username), nil
	case strings.HasPrefix(q, "pass"):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for something else than name and password")
}
