//go:build !wasip1

package tlsconfig

import "crypto/x509"

// systemRoots is nil: crypto/x509 finds the system's certificates by itself.
func systemRoots() *x509.CertPool { return nil }
