package postfix

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"time"
)

// certify makes two authorities, and of the first a certificate for localhost and one for a client.
func (s *Server) certify() error {
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var keys []*ecdsa.PrivateKey
	for _, ca := range []*string{&s.CA, &s.OtherCA} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
		if err != nil {
			return err
		}
		*ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		keys = append(keys, key)
	}
	issue := func(serial int64, name string, use x509.ExtKeyUsage) (cert, key string, err error) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", "", err
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{use},
		}, authority, private.Public(), keys[0])
		if err != nil {
			return "", "", err
		}
		secret, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return "", "", err
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), nil
	}
	cert, key, err := issue(2, "localhost", x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	if s.ClientCert, s.ClientKey, err = issue(3, "hearth", x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("etc/ca.pem"), []byte(s.CA), 0o644); err != nil {
		return err
	}
	return os.WriteFile(s.path("etc/chain.pem"), []byte(key+cert), 0o600)
}
