package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hearth-project/hearth/sdk"
)

// settings is the plugin's table config. Secrets the operator may grant: url, bearer, password, ca.
type settings struct {
	URL       string            `json:"url"`     // or the secret url, when the URL itself is to be kept secret
	Headers   map[string]string `json:"headers"` // added to the request
	Username  string            `json:"username"`
	MaxAlerts int               `json:"max_alerts"` // in one message; 0 is no limit
	Timeout   sdk.Duration      `json:"timeout"`    // of one attempt; 0 leaves it to hearth

	CA                 string `json:"ca"`                   // PEM certificates of the authorities to trust
	CAFile             string `json:"ca_file"`              // a granted file with them
	ServerName         string `json:"server_name"`          // that the certificate must be for
	InsecureSkipVerify bool   `json:"insecure_skip_verify"` // trust any certificate
}

func (s *settings) validate() error {
	switch {
	case s.URL == "" && !sdk.HasSecret("url"):
		return fmt.Errorf("url is missing; give it, or a secret of that name")
	case s.URL != "" && sdk.HasSecret("url"):
		return fmt.Errorf("url is given as well as a secret of that name; keep one")
	case s.Username != "" && sdk.HasSecret("bearer"):
		return fmt.Errorf("username is given as well as a secret bearer; keep one")
	case s.MaxAlerts < 0:
		return fmt.Errorf("max_alerts is %d, must not be negative", s.MaxAlerts)
	case s.Timeout < 0:
		return fmt.Errorf("timeout is %v, must not be negative", s.Timeout.Std())
	case s.CA != "" && s.CAFile != "":
		return fmt.Errorf("ca and ca_file are both given; keep one")
	}
	if s.URL != "" {
		if err := checkURL(s.URL); err != nil {
			return err
		}
	}
	for name, value := range s.Headers {
		if !validHeader(name) || strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("headers: %q is not the name of a header, or its value has a line end", name)
		}
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type", "Content-Length", "Host", "Transfer-Encoding", "Connection":
			return fmt.Errorf("headers: %s is set by the plugin", name)
		}
	}
	return nil
}

// checkURL refuses what can't be posted to. Its errors do not contain the URL, which may be a secret.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("url is not an absolute URL with http or https")
	}
	return nil
}

func validHeader(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return true
}
