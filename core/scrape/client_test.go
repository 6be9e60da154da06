package scrape

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/config"
)

// seen is a server that notes the headers of requests.
func seen(t testing.TB, answer http.HandlerFunc) (*httptest.Server, *[]http.Header) {
	t.Helper()
	var headers []http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header)
		w.Header().Set("Content-Type", contentText)
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s, &headers
}

func get(t *testing.T, h *config.HTTPClient, url string) (*http.Response, error) {
	t.Helper()
	c, err := newClient(h, "j")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	resp, err := c.Get(url)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token, _ := seen(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id, secret, _ := r.BasicAuth()
		_, _ = w.Write([]byte(`{"access_token": "` + id + "/" + secret + `", "token_type": "Bearer"}`))
	})
	base := config.HTTPClient{FollowRedirects: true}
	for _, tt := range []struct {
		name   string
		change func(*config.HTTPClient)
		header string
		want   string
	}{
		{"basic_auth", func(h *config.HTTPClient) {
			h.BasicAuth = &config.BasicAuth{Username: "u", Password: config.NewSecret("p")}
		}, "Authorization", "Basic dTpw"},
		{"basic_auth with a file", func(h *config.HTTPClient) {
			h.BasicAuth = &config.BasicAuth{Username: "u", PasswordFile: file}
		}, "Authorization", "Basic dTpmcm9tLWZpbGU="},
		{"authorization", func(h *config.HTTPClient) {
			h.Authorization = &config.Authorization{Type: "Bearer", Credentials: config.NewSecret("t")}
		}, "Authorization", "Bearer t"},
		{"authorization with a secret that stands in a file", func(h *config.HTTPClient) {
			h.Authorization = &config.Authorization{Type: "Token", Credentials: config.NewSecretFile(file)}
		}, "Authorization", "Token from-file"},
		{"oauth2", func(h *config.HTTPClient) {
			h.OAuth2 = &config.OAuth2{ClientID: "id", ClientSecret: config.NewSecretFile(file), TokenURL: token.URL}
		}, "Authorization", "Bearer id/from-file"},
		{"http_headers", func(h *config.HTTPClient) {
			h.HTTPHeaders = map[string]config.Header{"X-Key": {Values: []string{"a"}, Secrets: []config.Secret{config.NewSecret("b")}, Files: []string{file}}}
		}, "X-Key", "a,b,from-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := base
			tt.change(&h)
			other, there := seen(t, nil)
			target, here := seen(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/same":
					http.Redirect(w, r, "/", http.StatusFound)
				case "/other":
					http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/", http.StatusFound)
				}
			})
			for _, path := range []string{"/", "/same", "/other"} {
				if _, err := get(t, &h, target.URL+path); err != nil {
					t.Fatal(err)
				}
			}
			for i, header := range *here {
				if got := strings.Join(header.Values(tt.header), ","); got != tt.want {
					t.Errorf("request %d to the target: %s: %s, want %s", i, tt.header, got, tt.want)
				}
			}
			if len(*there) != 1 || (*there)[0].Get(tt.header) != "" {
				t.Errorf("the other host got %v", *there)
			}
		})
	}
}

func TestASecretFileThatIsGoneIsNamed(t *testing.T) {
	target, _ := seen(t, nil)
	for _, h := range []config.HTTPClient{
		{Authorization: &config.Authorization{Type: "Bearer", Credentials: config.NewSecretFile("/nowhere/token")}},
		{HTTPHeaders: map[string]config.Header{"X-Key": {Secrets: []config.Secret{config.NewSecretFile("/nowhere/token")}}}},
		{HTTPHeaders: map[string]config.Header{"X-Key": {Files: []string{"/nowhere/token"}}}},
	} {
		if _, err := get(t, &h, target.URL); err == nil || !strings.Contains(err.Error(), "/nowhere/token") {
			t.Errorf("error %v", err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != "" {
			w.Header().Set("Asked", r.TLS.ServerName)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		tls  *config.TLS
		want string // in the error; empty for none
	}{
		{"an unknown authority is refused", nil, "unknown authority"},
		{"its certificate makes it known", &config.TLS{CAFile: ca}, ""},
		{"insecure_skip_verify asks for nothing", &config.TLS{InsecureSkipVerify: true}, ""},
		{"server_name is what the certificate must be for", &config.TLS{CAFile: ca, ServerName: "example.com"}, ""},
		{"a wrong one is refused", &config.TLS{CAFile: ca, ServerName: "other.org"}, "other.org"},
		{"min_version is kept", &config.TLS{CAFile: ca, MinVersion: "TLS13"}, "protocol version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := get(t, &config.HTTPClient{TLSConfig: tt.tls}, s.URL)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := newClient(&config.HTTPClient{TLSConfig: &config.TLS{CAFile: "/nowhere/ca.pem"}}, "j"); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Errorf("a CA that is not there: %v", err)
	}
}

func TestProxy(t *testing.T) {
	var asked string
	proxy, _ := seen(t, func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() })
	if _, err := get(t, &config.HTTPClient{ProxyURL: proxy.URL}, "http://target.example/metrics"); err != nil {
		t.Fatal(err)
	}
	if asked != "http://target.example/metrics" {
		t.Errorf("the proxy was asked for %q", asked)
	}
	if _, err := newClient(&config.HTTPClient{ProxyURL: "http://a b"}, "j"); err == nil {
		t.Error("a bad proxy_url is taken")
	}
}
