package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/hearth-project/hearth/sdk"
)

// sslModes are libpq's, without allow, which asks for an insecure connection first.
var sslModes = []string{"disable", "prefer", "require", "verify-ca", "verify-full"}

// tls returns the TLS configuration for a connection to host; nil with sslmode disable. It reads secrets and files anew,
// so that a new certificate counts with the next connection.
func (s *settings) tls(host string) (*tls.Config, error) {
	if s.SSLMode == "disable" {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if s.ServerName != "" {
		conf.ServerName = s.ServerName
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	conf.RootCAs = roots
	switch {
	case s.SSLMode == "verify-full":
	case s.SSLMode == "verify-ca", s.SSLMode == "require" && roots != nil: // as libpq
		conf.InsecureSkipVerify = true // of the name; the chain is checked here
		conf.VerifyConnection = func(c tls.ConnectionState) error { return verifyChain(c, roots) }
	default:
		conf.InsecureSkipVerify = true
	}
	if sdk.HasSecret("certificate") || sdk.HasSecret("key") {
		if conf.Certificates, err = clientCertificate(); err != nil {
			return nil, err
		}
	}
	return conf, nil
}

// roots returns the authorities the operator names, nil if none. The modes that verify need some: the sandbox has no
// system's store, and a program is to trust the same.
func (s *settings) roots() (*x509.CertPool, error) {
	pem, what := []byte(s.CA), "ca"
	switch {
	case s.CAFile != "":
		b, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		pem, what = b, "ca_file"
	case s.CA == "" && sdk.HasSecret("ca"):
		text, err := sdk.Secret("ca")
		if err != nil {
			return nil, err
		}
		pem, what = []byte(text), "secret ca"
	case s.CA == "":
		if s.SSLMode == "verify-ca" || s.SSLMode == "verify-full" {
			return nil, fmt.Errorf("sslmode %s needs authorities: give ca, ca_file or a secret ca", s.SSLMode)
		}
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no PEM certificate", what)
	}
	return pool, nil
}

func clientCertificate() ([]tls.Certificate, error) {
	chain, err := sdk.Secret("certificate")
	if err != nil {
		return nil, err
	}
	key, err := sdk.Secret("key")
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("secrets certificate and key: %w", err)
	}
	return []tls.Certificate{c}, nil
}

// verifyChain checks a certificate against roots, whatever its name.
func verifyChain(c tls.ConnectionState, roots *x509.CertPool) error {
	if len(c.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	rest := x509.NewCertPool()
	for _, cert := range c.PeerCertificates[1:] {
		rest.AddCert(cert)
	}
	if _, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: c.PeerCertificates, Err: err}
	}
	return nil
}
