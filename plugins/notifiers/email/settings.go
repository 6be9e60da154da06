package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/tlsconfig"
)

// settings is the plugin's table config, in the words of Alertmanager's email_configs. The host fills in to, from,
// headers, html and text for each message. Secrets the operator may grant: auth_password, auth_secret, ca, key.
type settings struct {
	To        string            `json:"to"`        // addresses, with commas between
	From      string            `json:"from"`      // one address
	Smarthost string            `json:"smarthost"` // host:port
	Hello     string            `json:"hello"`     // how we call ourselves; default localhost
	Headers   map[string]string `json:"headers"`
	HTML      *string           `json:"html"` // absent: Alertmanager's
	Text      string            `json:"text"`

	AuthUsername string `json:"auth_username"`
	AuthIdentity string `json:"auth_identity"` // whom to act for, with PLAIN

	RequireTLS       *bool     `json:"require_tls"`        // default true
	ForceImplicitTLS *bool     `json:"force_implicit_tls"` // TLS from the first byte; default at port 465
	TLS              tlsTable  `json:"tls_config"`
	Threading        threading `json:"threading"`

	host string // of Smarthost
}

// tlsTable is the table tls_config.
type tlsTable struct {
	CA                 string `json:"ca"`      // PEM certificates of the authorities to trust
	CAFile             string `json:"ca_file"` // a granted file with them
	Cert               string `json:"cert"`    // PEM certificate to show, with the secret key
	ServerName         string `json:"server_name"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify"`
}

// threading is the table of that name: whether mails about a group are shown as one conversation.
type threading struct {
	Enabled bool   `json:"enabled"`
	ByDate  string `json:"thread_by_date"` // daily: a new one each day, the default; none: one for all time
}

// ownHeaders are made by the plugin. A Bcc would be seen by all.
var ownHeaders = []string{"Bcc", "Content-Transfer-Encoding", "Content-Type", "Date", "Mime-Version"}

func (s *settings) requiresTLS() bool { return s.RequireTLS == nil || *s.RequireTLS }

func (s *settings) implicitTLS() bool {
	if s.ForceImplicitTLS != nil {
		return *s.ForceImplicitTLS
	}
	return strings.HasSuffix(s.Smarthost, ":465")
}

func (s *settings) validate() error {
	switch {
	case s.To == "":
		return errors.New("to is missing; give the addresses to mail to")
	case s.From == "":
		return errors.New("from is missing; give the sender's address")
	case s.Smarthost == "":
		return errors.New("smarthost is missing; give the mail server as host:port")
	case s.HTML != nil && *s.HTML == "" && s.Text == "":
		return errors.New("html and text are both empty: mails would be, too")
	case strings.ContainsFunc(s.Hello, notGraphic):
		return fmt.Errorf("hello is %q, must be a name without spaces", s.Hello)
	case s.TLS.CA != "" && s.TLS.CAFile != "":
		return errors.New("tls_config.ca and tls_config.ca_file are both given; keep one")
	}
	host, port, err := net.SplitHostPort(s.Smarthost)
	if err != nil || host == "" || port == "" || strings.ContainsFunc(s.Smarthost, notGraphic) {
		return fmt.Errorf("smarthost is %q, must be host:port, as mail.example.org:587", s.Smarthost)
	}
	s.host = host
	if err := s.checkHeaders(); err != nil {
		return err
	}
	if s.Threading.ByDate == "" {
		s.Threading.ByDate = "daily"
	}
	if s.Threading.ByDate != "daily" && s.Threading.ByDate != "none" {
		return fmt.Errorf("threading.thread_by_date is %q, must be daily or none", s.Threading.ByDate)
	}
	return nil
}

func (s *settings) checkHeaders() error {
	seen := map[string]bool{}
	for name, value := range s.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return notGraphic(r) || r == ':' || r > '~' }):
			return fmt.Errorf("headers has %q, which is not the name of a header", name)
		case seen[canonical]:
			return fmt.Errorf("headers has %s twice", canonical)
		case slices.Contains(ownHeaders, canonical):
			return fmt.Errorf("headers has %s, which cannot be set%s", name, hint(canonical))
		case s.Threading.Enabled && (canonical == "References" || canonical == "In-Reply-To"):
			return fmt.Errorf("headers has %s, which threading makes; keep one", name)
		case strings.Contains(value, "\x00"):
			return fmt.Errorf("headers.%s has a zero byte", name)
		}
		seen[canonical] = true
	}
	return nil
}

func hint(header string) string {
	if header == "Bcc" {
		return ": put the address into to, and those that all may see into headers.To"
	}
	return ""
}

func notGraphic(r rune) bool { return r <= ' ' || r == 0x7f }

// client returns what TLS asks for. It is made for each message, so that a new authority or key counts at once.
func (s *settings) client() (*tls.Config, error) {
	o := tlsconfig.Options{CA: s.TLS.CA, ServerName: s.TLS.ServerName, InsecureSkipVerify: s.TLS.InsecureSkipVerify, Certificate: s.TLS.Cert}
	if o.ServerName == "" {
		o.ServerName = s.host
	}
	var err error
	switch {
	case s.TLS.CAFile != "":
		var pem []byte
		if pem, err = os.ReadFile(s.TLS.CAFile); err != nil {
			return nil, sdk.Errorf(sdk.CodeInvalidRequest, "settings: tls_config.ca_file, is it granted in files? %w", err)
		}
		o.CA = string(pem)
	case s.TLS.CA == "" && sdk.HasSecret("ca"):
		if o.CA, err = sdk.Secret("ca"); err != nil {
			return nil, err
		}
	}
	if o.Certificate != "" {
		if o.Key, err = sdk.Secret("key"); err != nil {
			return nil, err
		}
	}
	conf, err := tlsconfig.New(o)
	if err != nil {
		return nil, sdk.Errorf(sdk.CodeInvalidRequest, "settings: tls_config: %w", err)
	}
	return conf, nil
}
