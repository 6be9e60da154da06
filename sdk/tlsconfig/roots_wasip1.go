package tlsconfig

import (
	"crypto/x509"
	"os"
)

// systemRoots reads the host's certificates, if the plugin was granted the folder. Without any, no certificate is
// trusted: the sandbox has no authorities of its own.
func systemRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, file := range []string{
		"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
		"/etc/ssl/ca-bundle.pem",             // SUSE
	} {
		if pem, err := os.ReadFile(file); err == nil && pool.AppendCertsFromPEM(pem) {
			break
		}
	}
	return pool
}
