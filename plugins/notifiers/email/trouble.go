package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"os"
	"strings"

	"github.com/hearth-project/hearth/sdk"
)

// trouble says what went wrong and whether it may go better later: replies 4xx, and connections that break or take too
// long, but no reply 5xx, no certificate that is not trusted and no right that is missing.
func (s *settings) trouble(ctx context.Context, step string, err error) error {
	prefix := "smtp " + s.Smarthost + ": "
	if step != "" {
		prefix += step + ": "
	}
	var (
		own   *sdk.Error
		reply *textproto.Error
		bad   *tls.CertificateVerificationError
		alert tls.AlertError
	)
	switch {
	case errors.As(err, &own):
		e := *own
		e.Message = prefix + e.Message
		return &e
	case errors.As(err, &reply) && reply.Code/100 == 5:
		code := sdk.CodeInvalidRequest
		if step == "AUTH" {
			code = sdk.CodeUnauthenticated
		}
		return sdk.Errorf(code, "%s%s", prefix, s.harmless(err))
	case errors.As(err, &reply):
		return sdk.Retry(sdk.CodeUnavailable, 0, "%s%s", prefix, s.harmless(err))
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return sdk.Retry(sdk.CodeTimeout, 0, "%sno answer in time", prefix)
	case errors.As(err, &bad), isCertificate(err):
		return sdk.Errorf(sdk.CodeInvalidRequest, "%s%w", prefix, err)
	case errors.As(err, &alert):
		return sdk.Errorf(sdk.CodeDenied, "%sthe server ends TLS: %w", prefix, err)
	case errors.Is(err, fs.ErrPermission):
		return sdk.Errorf(sdk.CodeDenied, "%s%w; is the address granted in net?", prefix, err)
	}
	return sdk.Retry(sdk.CodeUnavailable, 0, "%s%s", prefix, s.harmless(err))
}

// isCertificate tells of errors of certificates that crypto/tls does not wrap.
func isCertificate(err error) bool {
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &invalid)
}

// harmless is the text of an error on one line, short, without what a server may have repeated of our secrets.
func (s *settings) harmless(err error) string {
	text := err.Error()
	var reply *textproto.Error
	if errors.As(err, &reply) { // which quotes what the server said
		text = strings.ReplaceAll(text, reply.Error(), fmt.Sprintf("%d %s", reply.Code, reply.Msg))
	}
	text = strings.Join(strings.Fields(text), " ")
	for _, secret := range s.secrets() {
		text = strings.ReplaceAll(text, secret, "<secret>")
	}
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + " ..."
	}
	return text
}
