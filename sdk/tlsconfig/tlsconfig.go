// Package tlsconfig makes the TLS configuration of plugins that are clients. In the sandbox there are no authorities but
// those in granted files, so crypto/tls needs to be told of them. Plugins that speak HTTP use package httpclient.
package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Options tunes a configuration.
type Options struct {
	CA                 string // PEM certificates of the authorities to trust; empty: those of the system
	ServerName         string // that the certificate must be for
	InsecureSkipVerify bool   // trust any certificate
	Certificate        string // PEM certificate chain to show, with its Key
	Key                string
}

// New returns a configuration of TLS 1.2 and later.
func New(o Options) (*tls.Config, error) {
	conf := &tls.Config{ServerName: o.ServerName, InsecureSkipVerify: o.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	switch {
	case o.CA != "":
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, errors.New("no PEM certificate in the given authorities")
		}
	default:
		conf.RootCAs = systemRoots()
	}
	if o.Certificate != "" || o.Key != "" {
		c, err := tls.X509KeyPair([]byte(o.Certificate), []byte(o.Key))
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{c}
	}
	return conf, nil
}
