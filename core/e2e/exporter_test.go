package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key, into a folder.
func certificate(t *testing.T, dir string) (pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "exporter"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	err = errors.Join(os.WriteFile(filepath.Join(dir, "cert.pem"), public, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return pool
}

// webConfig asks for TLS and for the user hearth with the password "correct horse".
const webConfig = `
tls_server_config: {cert_file: cert.pem, key_file: key.pem}
basic_auth_users:
  hearth: $2a$04$ZIPlVfWIrgMixNwbRRYXMOMajY2JItlHYTk9.1bMqLJ0vL1VM/ETG
`

// TestPrometheusScrapesAnExporterThatRunsByItself has Debian's Prometheus scrape the node plugin over TLS, with a password.
func TestPrometheusScrapesAnExporterThatRunsByItself(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	web := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(web, []byte(webConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddr(t)
	exporter := start(t, binary, "exporter", "run", filepath.Join(root, "bin/plugins/hearth/node"), "--listen", address,
		"--grant-files", "/proc,/sys", "--grant-statfs", "*", "--web.config.file", web)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	get := func(path, user, password string) (int, string, error) {
		req, err := http.NewRequest(http.MethodGet, "https://"+address+path, nil)
		if err != nil {
			return 0, "", err
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	eventually(t, time.Minute, "the exporter", func() error {
		_, _, err := get("/-/healthy", "", "")
		return err
	})
	for _, tt := range []struct {
		path, user, password string
		status               int
		want                 string
	}{
		{"/metrics", "", "", 401, ""},
		{"/metrics", "hearth", "wrong", 401, ""},
		{"/metrics", "hearth", "correct horse", 200, "\nnode_load1 "},
		{"/probe?target=anything", "hearth", "correct horse", 200, "\nnode_load1 "},
		{"/plugin/metrics", "hearth", "correct horse", 200, `hearth_plugin_calls_total{operation="collect",plugin="hearth/node"} 2`},
	} {
		code, body, err := get(tt.path, tt.user, tt.password)
		if err != nil || code != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s of %q: %d, %v\n%s", tt.path, tt.user, code, err, tail(body, 500))
		}
	}
	if res, err := http.Get("http://" + address + "/metrics"); err == nil {
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			t.Error("it answers without TLS")
		}
	}

	config := filepath.Join(dir, "prometheus.yml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: node
  scheme: https
  tls_config: {ca_file: cert.pem}
  basic_auth: {username: hearth, password: correct horse}
  static_configs: [{targets: [%q]}]
`, address), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	listen := freeAddr(t)
	start(t, "/usr/bin/prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen, "--log.level=warn")
	c, err := api.NewClient(api.Config{Address: "http://" + listen})
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{`up{job="node"} == 1`, `node_memory_MemTotal_bytes > 0`} {
		eventually(t, 30*time.Second, expr, func() error {
			v, _, _, err := promv1.NewAPI(c).Query(t.Context(), expr, time.Now())
			if err != nil {
				return err
			}
			if len(v.(model.Vector)) != 1 {
				return fmt.Errorf("%v", v)
			}
			return nil
		})
	}
	if err := exporter.stop(t); err != nil {
		t.Errorf("it ends with %v", err)
	}
}
