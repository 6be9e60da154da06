// Package httpclient is HTTP for plugins: net/http over the connections the sandbox allows. It is a package of its own
// because net/http and TLS make a module some five megabytes larger.
package httpclient

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/tlsconfig"
)

// Options tunes a client; the zero value is ready to use.
type Options struct {
	CA                 string // PEM certificates of the authorities to trust; empty: those of the system
	ServerName         string // that the certificate must be for; empty: the host of the URL
	InsecureSkipVerify bool   // trust any certificate
	Certificate        string // PEM certificate chain to show, with its Key
	Key                string
	KeepAlive          bool // keep connections open between calls of the plugin; nothing watches them meanwhile
	NoRedirects        bool // answer with a redirect instead of following it
}

// New returns a client that connects through sdk.DialContext. It has no timeout of its own: give requests a context.
func New(o Options) (*http.Client, error) {
	conf, err := tlsconfig.New(tlsconfig.Options{
		CA: o.CA, ServerName: o.ServerName, InsecureSkipVerify: o.InsecureSkipVerify, Certificate: o.Certificate, Key: o.Key,
	})
	if err != nil {
		return nil, fmt.Errorf("http client: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: sdk.DialContext, TLSClientConfig: conf, DisableKeepAlives: !o.KeepAlive,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 256 << 10,
	}}
	if o.NoRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client, nil
}
