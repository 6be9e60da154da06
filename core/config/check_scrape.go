package config

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"
)

func (c *checker) jobs() {
	first := map[string]*Scrape{}
	for i, s := range c.cfg.ScrapeConfigs {
		path := fmt.Sprintf("scrape_configs[%d]", i)
		if s.JobName == "" {
			c.problem(c.at(&s.JobName, s), "%s: needs a job_name", path)
		} else if other := first[s.JobName]; other != nil {
			c.problem(c.at(&s.JobName, s), "%s: job_name %q is taken by the job at %s", path, s.JobName, c.at(&other.JobName, other))
		} else {
			first[s.JobName] = s
		}
		c.job(s, path)
	}
}

func (c *checker) job(s *Scrape, path string) {
	c.limits(path, &s.SampleLimit, &s.LabelLimit, &s.LabelNameLengthLimit, &s.LabelValueLengthLimit, &s.TargetLimit, &s.KeepDroppedTargets)
	c.jobLimits(s, path)
	g := &c.cfg.Global
	c.notNegative(&s.NativeHistogramBucketLimit, path+".native_histogram_bucket_limit")
	if f := s.NativeHistogramMinBucketFactor; !(f >= 0) {
		c.problem(c.at(&s.NativeHistogramMinBucketFactor), "%s.native_histogram_min_bucket_factor: must not be negative, got %v", path, f)
	}
	timeout := s.ScrapeTimeout
	s.protocolsSet, s.extraSet = len(s.ScrapeProtocols) > 0, s.ExtraScrapeMetrics != nil
	s.inherit(g)
	if *s.ScrapeNativeHistograms && !s.protocolsSet && !c.cfg.protocolsSet {
		s.ScrapeProtocols = ProtobufFirst()
	}
	if timeout > s.ScrapeInterval {
		c.problem(c.at(&s.ScrapeTimeout), "%s.scrape_timeout: %s is longer than the scrape_interval of %s", path, timeout, s.ScrapeInterval)
	}
	s.Scheme = strings.ToLower(s.Scheme)
	c.oneOf(&s.Scheme, path+".scheme", "http", "https")
	s.ScrapeProtocols = c.protocols(&s.ScrapeProtocols, path+".scrape_protocols", g.ScrapeProtocols)
	if s.FallbackScrapeProtocol != "" {
		c.oneOf(&s.FallbackScrapeProtocol, path+".fallback_scrape_protocol", scrapeProtocols...)
	}
	c.httpClient(&s.HTTPClient, path)
	for i, t := range s.StaticConfigs {
		c.targets(t, fmt.Sprintf("%s.static_configs[%d]", path, i))
	}
	for i, f := range s.FileSDConfigs {
		c.fileSD(f, fmt.Sprintf("%s.file_sd_configs[%d]", path, i))
	}
	c.relabels(s.RelabelConfigs, path+".relabel_configs")
	c.relabels(s.MetricRelabelConfigs, path+".metric_relabel_configs")
	c.pluginUse(&s.PluginUse, path)
}

// scrapeProtocols are upstream's names of exposition formats.
var scrapeProtocols = []string{"OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "OpenMetricsText2.0.0", "PrometheusProto", "PrometheusText0.0.4", "PrometheusText1.0.0"}

// protocols checks a list of formats and returns it; def if it is empty.
func (c *checker) protocols(list *[]string, path string, def []string) []string {
	var known []string
	for i := range *list {
		p := &(*list)[i]
		switch {
		case slices.Contains(known, *p):
			c.problem(c.at(p, list), "%s[%d]: %s stands there twice", path, i, *p)
		default:
			c.oneOf(p, fmt.Sprintf("%s[%d]", path, i), scrapeProtocols...)
			known = append(known, *p)
		}
	}
	if len(known) == 0 {
		return def
	}
	return known
}

func (c *checker) targets(t *TargetGroup, path string) {
	for i := range t.Targets {
		a := &t.Targets[i]
		switch {
		case *a == "":
			c.problem(c.at(a), "%s.targets[%d]: is empty", path, i)
		case strings.Contains(*a, "/"):
			c.problem(c.at(a), "%s.targets[%d]: want host:port, got %q; the path belongs into metrics_path", path, i, *a)
		}
	}
	c.labelNames(&t.Labels, path+".labels")
}

func (c *checker) labelNames(labels *map[string]string, path string) {
	for _, name := range sortedKeys(*labels) {
		if !nameIsValid(name) {
			c.problem(c.at(placeKey{labels, name}, labels), "%s: %q cannot be the name of a label", path, name)
		}
	}
}

var sdFileName = regexp.MustCompile(`(?i)^[^*]*(\*[^/]*)?\.(json|yml|yaml)$`)

func (c *checker) fileSD(f *FileSD, path string) {
	if len(f.Files) == 0 {
		c.problem(c.at(&f.Files, f), "%s: needs files", path)
	}
	for i := range f.Files {
		p := &f.Files[i]
		if _, err := filepath.Match(*p, ""); err != nil || !sdFileName.MatchString(*p) {
			c.problem(c.at(p), "%s.files[%d]: want a path that ends in .json, .yml or .yaml, with * in its last part only, got %q", path, i, *p)
		}
	}
	c.positive(&f.RefreshInterval, path+".refresh_interval")
}

func (c *checker) relabels(list []*Relabel, path string) {
	for i, r := range list {
		if _, err := r.Build(); err != nil {
			c.problem(c.at(r), "%s[%d]: %s", path, i, err)
		}
	}
}

// httpClient checks what jobs and senders share. Path is that of the table they stand in.
func (c *checker) httpClient(h *HTTPClient, path string) {
	var auth []string
	if h.BasicAuth != nil {
		auth = append(auth, "basic_auth")
		b := h.BasicAuth
		c.atMostOne(path+".basic_auth", c.at(b), "username", b.Username != "", "username_file", b.UsernameFile != "")
		c.atMostOne(path+".basic_auth", c.at(b), "password", !b.Password.Empty(), "password_file", b.PasswordFile != "")
	}
	if a := h.Authorization; a != nil {
		auth = append(auth, "authorization")
		c.atMostOne(path+".authorization", c.at(a), "credentials", !a.Credentials.Empty(), "credentials_file", a.CredentialsFile != "")
		a.Type = strings.TrimSpace(a.Type)
		if a.Type == "" {
			a.Type = "Bearer"
		}
		if strings.EqualFold(a.Type, "basic") {
			c.problem(c.at(&a.Type, a), "%s.authorization.type: for %q there is basic_auth", path, a.Type)
		}
	}
	if o := h.OAuth2; o != nil {
		auth = append(auth, "oauth2")
		c.atMostOne(path+".oauth2", c.at(o), "client_secret", !o.ClientSecret.Empty(), "client_secret_file", o.ClientSecretFile != "")
		if o.ClientID == "" {
			c.problem(c.at(o), "%s.oauth2: needs a client_id", path)
		}
		if o.TokenURL == "" {
			c.problem(c.at(o), "%s.oauth2: needs a token_url", path)
		}
		c.tls(o.TLSConfig, path+".oauth2.tls_config")
		c.proxy(&o.ProxyURL, path+".oauth2.proxy_url")
	}
	if len(auth) > 1 {
		c.problem(c.at(&h.OAuth2, &h.Authorization), "%s: only one of %s may be set", path, strings.Join(auth, ", "))
	}
	c.tls(h.TLSConfig, path+".tls_config")
	c.proxy(&h.ProxyURL, path+".proxy_url")
	if h.ProxyFromEnvironment && (h.ProxyURL != "" || h.NoProxy != "") {
		c.problem(c.at(&h.ProxyFromEnvironment), "%s.proxy_from_environment: goes with neither proxy_url nor no_proxy", path)
	}
	if h.NoProxy != "" && h.ProxyURL == "" {
		c.problem(c.at(&h.NoProxy), "%s.no_proxy: means nothing without proxy_url", path)
	}
	for _, name := range sortedKeys(h.HTTPHeaders) {
		if _, reserved := promconfig.ReservedHeaders[http.CanonicalHeaderKey(name)]; reserved {
			c.problem(c.at(placeKey{&h.HTTPHeaders, name}), "%s.http_headers: hearth sets %s itself", path, http.CanonicalHeaderKey(name))
		}
	}
}

func (c *checker) atMostOne(path string, at Pos, a string, hasA bool, b string, hasB bool) {
	if hasA && hasB {
		c.problem(at, "%s: only one of %s and %s may be set", path, a, b)
	}
}

func (c *checker) proxy(value *string, path string) {
	if *value == "" {
		return
	}
	if u, err := url.Parse(*value); err != nil || u.Host == "" {
		c.problem(c.at(value), "%s: want a URL like http://proxy:3128", path)
	}
}

func (c *checker) tls(t *TLS, path string) {
	if t == nil {
		return
	}
	c.atMostOne(path, c.at(t), "ca", t.CA != "", "ca_file", t.CAFile != "")
	c.atMostOne(path, c.at(t), "cert", t.Cert != "", "cert_file", t.CertFile != "")
	c.atMostOne(path, c.at(t), "key", !t.Key.Empty(), "key_file", t.KeyFile != "")
	hasCert, hasKey := t.Cert != "" || t.CertFile != "", !t.Key.Empty() || t.KeyFile != ""
	if hasCert && !hasKey {
		c.problem(c.at(t), "%s: a certificate needs its key or key_file", path)
	}
	if hasKey && !hasCert {
		c.problem(c.at(t), "%s: a key needs its cert or cert_file", path)
	}
	versions := []string{"TLS10", "TLS11", "TLS12", "TLS13"}
	for _, v := range []struct {
		value *string
		name  string
	}{{&t.MinVersion, "min_version"}, {&t.MaxVersion, "max_version"}} {
		if *v.value != "" {
			c.oneOf(v.value, path+"."+v.name, versions...)
		}
	}
	if t.MinVersion != "" && t.MaxVersion != "" && t.MinVersion > t.MaxVersion {
		c.problem(c.at(&t.MinVersion), "%s: min_version is newer than max_version", path)
	}
}

var pluginID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9_-]*$`)

// runtimeNative is what a use says that means the program of a plugin.
const runtimeNative = "native"

var pinnedTrust = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// pluginUse checks the keys of one use of a plugin.
func (c *checker) pluginUse(u *PluginUse, path string) {
	switch {
	case u.Plugin == "" && len(u.Config) > 0:
		c.problem(c.at(&u.Config), "%s.config: means nothing without plugin", path)
	case u.Plugin == "" && !u.Grant.empty():
		c.problem(c.at(&u.Grant), "%s.grant: means nothing without plugin", path)
	case u.Plugin == "" && u.Runtime+u.Trust != "":
		c.problem(c.at(&u.Runtime, &u.Trust), "%s: runtime and trust mean nothing without plugin", path)
	case u.Plugin == "":
	case !pluginID.MatchString(u.Plugin):
		c.problem(c.at(&u.Plugin), "%s.plugin: want namespace/name, as hearth/node, got %q", path, u.Plugin)
	case u.Trust != "" && u.Trust != runtimeNative && !pinnedTrust.MatchString(u.Trust):
		c.problem(c.at(&u.Trust), "%s.trust: want native, sha256: and 64 hexadecimal digits, or nothing, got %q", path, u.Trust)
	case u.Runtime == runtimeNative && u.Trust == "":
		c.problem(c.at(&u.Runtime), "%s.runtime: a program may do all that hearth's user may, whatever is granted; if it is trusted, add trust = %q", path, runtimeNative)
	case u.Runtime != "":
		c.oneOf(&u.Runtime, path+".runtime", "wasm", runtimeNative)
	}
}

func (g *Grant) empty() bool {
	return len(g.Net)+len(g.Files)+len(g.Statfs)+len(g.Secrets)+len(g.Env) == 0
}
