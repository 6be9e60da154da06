package scrape

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"github.com/hearth-project/hearth/core/config"
)

// newClient returns the HTTP client of a job. Files with secrets and certificates are read anew when they are needed.
// What identifies us to the target is not sent on to another host after a redirect.
func newClient(h *config.HTTPClient, name string) (*http.Client, error) {
	secrets := secretStore{}
	cfg, err := clientConfig(h, secrets)
	if err != nil {
		return nil, err
	}
	bare := cfg
	bare.BasicAuth, bare.Authorization, bare.OAuth2 = nil, nil, nil
	rt, err := promconfig.NewRoundTripperFromConfig(bare, name, promconfig.WithSecretManager(secrets))
	if err != nil {
		return nil, err
	}
	if h.ProxyURL == "" && !h.ProxyFromEnvironment {
		rt = newDirect(rt)
	}
	rt = identify(rt, cfg, secrets)
	if len(h.HTTPHeaders) > 0 {
		rt = &headerTransport{headers: h.HTTPHeaders, next: rt}
	}
	client := &http.Client{Transport: rt}
	if !h.FollowRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client, nil
}

// identify adds to a transport what identifies us to the target.
func identify(rt http.RoundTripper, cfg promconfig.HTTPClientConfig, secrets secretStore) http.RoundTripper {
	if a := cfg.Authorization; a != nil {
		rt = promconfig.NewAuthorizationCredentialsRoundTripper(a.Type, secrets.reader(a.CredentialsRef, a.CredentialsFile), rt)
	}
	if b := cfg.BasicAuth; b != nil {
		user := promconfig.SecretReader(promconfig.NewInlineSecret(b.Username))
		if b.UsernameFile != "" {
			user = promconfig.NewFileSecret(b.UsernameFile)
		}
		rt = promconfig.NewBasicAuthRoundTripper(user, secrets.reader(b.PasswordRef, b.PasswordFile), rt)
	}
	if o := cfg.OAuth2; o != nil {
		rt = promconfig.NewOAuth2RoundTripper(secrets.reader(o.ClientSecretRef, o.ClientSecretFile), o, rt, promconfig.WithSecretManager(secrets))
	}
	return rt
}

// secretStore gives the library our secrets by name, so that those in files are read at each use.
type secretStore map[string]config.Secret

// Fetch implements promconfig.SecretManager.
func (s secretStore) Fetch(_ context.Context, name string) (string, error) { return s[name].Reveal() }

// put keeps a secret and returns its name; empty if there is none.
func (s secretStore) put(name string, v config.Secret) string {
	if v.Empty() {
		return ""
	}
	s[name] = v
	return name
}

// reader returns how the library reads a secret: one that has been put, or a file; nil for neither.
func (s secretStore) reader(name, file string) promconfig.SecretReader {
	switch {
	case name != "":
		return secretReader{s[name]}
	case file != "":
		return promconfig.NewFileSecret(file)
	}
	return nil
}

// secretReader is a secret as the library reads it.
type secretReader struct{ config.Secret }

// Fetch implements promconfig.SecretReader.
func (s secretReader) Fetch(context.Context) (string, error) { return s.Reveal() }

// Description implements promconfig.SecretReader.
func (s secretReader) Description() string { return "secret" }

// Immutable implements promconfig.SecretReader.
func (s secretReader) Immutable() bool { return false }

// clientConfig turns our words into the library's. The headers are ours to send.
func clientConfig(h *config.HTTPClient, secrets secretStore) (promconfig.HTTPClientConfig, error) {
	c := promconfig.HTTPClientConfig{
		FollowRedirects: h.FollowRedirects,
		EnableHTTP2:     h.EnableHTTP2,
		TLSConfig:       tlsConfig(h.TLSConfig, "tls_config.key", secrets),
	}
	c.NoProxy, c.ProxyFromEnvironment = h.NoProxy, h.ProxyFromEnvironment
	var err error
	if c.ProxyURL, err = proxyURL("proxy_url", h.ProxyURL); err != nil {
		return c, err
	}
	if b := h.BasicAuth; b != nil {
		c.BasicAuth = &promconfig.BasicAuth{
			Username:     b.Username,
			UsernameFile: b.UsernameFile,
			PasswordRef:  secrets.put("basic_auth.password", b.Password),
			PasswordFile: b.PasswordFile,
		}
	}
	if a := h.Authorization; a != nil {
		c.Authorization = &promconfig.Authorization{
			Type:            a.Type,
			CredentialsRef:  secrets.put("authorization.credentials", a.Credentials),
			CredentialsFile: a.CredentialsFile,
		}
	}
	if o := h.OAuth2; o != nil {
		c.OAuth2 = &promconfig.OAuth2{
			ClientID:         o.ClientID,
			ClientSecretRef:  secrets.put("oauth2.client_secret", o.ClientSecret),
			ClientSecretFile: o.ClientSecretFile,
			Scopes:           o.Scopes,
			TokenURL:         o.TokenURL,
			EndpointParams:   o.EndpointParams,
			TLSConfig:        tlsConfig(o.TLSConfig, "oauth2.tls_config.key", secrets),
		}
		if c.OAuth2.ProxyURL, err = proxyURL("oauth2.proxy_url", o.ProxyURL); err != nil {
			return c, err
		}
	}
	return c, c.Validate()
}

func proxyURL(key, s string) (promconfig.URL, error) {
	if s == "" {
		return promconfig.URL{}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return promconfig.URL{}, fmt.Errorf("%s: %w", key, err)
	}
	return promconfig.URL{URL: u}, nil
}

func tlsConfig(t *config.TLS, keyName string, secrets secretStore) promconfig.TLSConfig {
	if t == nil {
		return promconfig.TLSConfig{}
	}
	return promconfig.TLSConfig{
		CA:                 t.CA,
		CAFile:             t.CAFile,
		Cert:               t.Cert,
		CertFile:           t.CertFile,
		KeyRef:             secrets.put(keyName, t.Key),
		KeyFile:            t.KeyFile,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion:         promconfig.TLSVersions[t.MinVersion],
		MaxVersion:         promconfig.TLSVersions[t.MaxVersion],
	}
}

// headerTransport adds http_headers to requests. They may be credentials, so another host does not get them.
type headerTransport struct {
	headers map[string]config.Header
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (h *headerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if leftHost(req) {
		return h.next.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	for name, header := range h.headers {
		for _, v := range header.Values {
			req.Header.Add(name, v)
		}
		for _, s := range header.Secrets {
			v, err := s.Reveal()
			if err != nil {
				return nil, fmt.Errorf("http_headers %s: %w", name, err)
			}
			req.Header.Add(name, v)
		}
		for _, file := range header.Files {
			v, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("http_headers %s: %w", name, err)
			}
			req.Header.Add(name, strings.TrimSpace(string(v)))
		}
	}
	return h.next.RoundTrip(req)
}

// CloseIdleConnections lets http.Client close them.
func (h *headerTransport) CloseIdleConnections() {
	if c, ok := h.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// leftHost tells whether redirects have led req away from the host that was asked first, be it for one step.
func leftHost(req *http.Request) bool {
	for r := req; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		if !strings.EqualFold(r.URL.Hostname(), r.Response.Request.URL.Hostname()) {
			return true
		}
	}
	return false
}
