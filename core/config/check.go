package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// checker finds what is wrong with values that were read well, and fills in what follows from other values.
type checker struct {
	*report
	cfg    *Config
	places map[any]Pos
}

// at returns the place of the first of the values that stood in a file; arguments point to them.
func (c *checker) at(values ...any) Pos {
	for _, v := range values {
		if p, ok := c.places[v]; ok {
			return p
		}
	}
	return Pos{File: c.cfg.File}
}

// set tells whether the value pointed to stood in a file.
func (c *checker) set(value any) bool {
	_, ok := c.places[value]
	return ok
}

func (c *checker) check() {
	c.server(&c.cfg.Server)
	c.log(&c.cfg.Log)
	c.storage(&c.cfg.Storage)
	c.query(&c.cfg.Query)
	c.limitsTable(&c.cfg.Limits)
	c.notNegative(&c.cfg.Plugins.Memory, "plugins.memory")
	c.ruleFiles()
	c.global(&c.cfg.Global)
	c.jobs()
	c.functions()
	c.alerting()
	c.cfg.protobufFirst()
}

// functions checks the plugins of functions.
func (c *checker) functions() {
	seen := map[string]bool{}
	for i, f := range c.cfg.Functions {
		path := fmt.Sprintf("functions[%d]", i)
		switch {
		case f.Plugin == "":
			c.problem(c.at(f), "%s: needs a plugin, as hearth/anomaly", path)
		case seen[f.Plugin]:
			c.problem(c.at(&f.Plugin), "%s.plugin: %s is there already", path, f.Plugin)
		default:
			c.pluginUse(f, path)
		}
		seen[f.Plugin] = true
	}
}

func (c *checker) server(s *Server) {
	host, port, err := net.SplitHostPort(s.Listen)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		c.problem(c.at(&s.Listen), "server.listen: want an address like %s, got %q", DefaultListen, s.Listen)
	} else if !isLoopback(host) && !s.InsecureListen {
		c.problem(c.at(&s.Listen), "server.listen: %q is open to others than this machine, and nobody is asked who they are; "+
			"set server.insecure_listen = true if that is wanted", s.Listen)
	}
	c.cfg.lifecycleSet = c.set(&s.EnableLifecycle)
	if !c.cfg.lifecycleSet {
		s.EnableLifecycle = isLoopback(host)
	}
	prefix := ""
	if s.ExternalURL != "" {
		u, err := url.Parse(s.ExternalURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			c.problem(c.at(&s.ExternalURL), "server.external_url: want a URL like https://hearth.example.org/, got %q", s.ExternalURL)
		} else {
			prefix = u.Path
		}
	}
	if c.set(&s.RoutePrefix) {
		prefix = s.RoutePrefix
	}
	if strings.ContainsAny(prefix, "?#*: ") {
		c.problem(c.at(&s.RoutePrefix, &s.ExternalURL), "server.route_prefix: want a path like /hearth, got %q", prefix)
	}
	s.RoutePrefix = "/" + strings.Trim(prefix, "/")
	c.regex(&s.CORSOrigin, "server.cors_origin")
	c.positive(&s.MaxConnections, "server.max_connections")
	c.positive(&s.MaxRequestBytes, "server.max_request_bytes")
	c.positive(&s.ReadTimeout, "server.read_timeout")
}

// isLoopback tells whether only this machine can reach host.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (c *checker) log(l *Log) {
	c.oneOf(&l.Level, "log.level", "debug", "info", "warn", "error")
	c.oneOf(&l.Format, "log.format", "text", "json")
}

func (c *checker) storage(s *Storage) {
	c.retention(&s.Retention)
	if s.Path == "" {
		c.problem(c.at(&s.Path), "storage.path: must name a directory")
	}
	c.notNegative(&s.MaxExemplars, "storage.max_exemplars")
	c.notNegative(&s.MaxMetadata, "storage.max_metadata")
	if s.Sync != "always" && s.Sync != "off" {
		d, err := model.ParseDuration(s.Sync)
		if err != nil || d <= 0 {
			c.problem(c.at(&s.Sync), `storage.sync: want "always", "off" or a time like "200ms", got %q`, s.Sync)
		}
	}
}

func (c *checker) query(q *Query) {
	c.positive(&q.LookbackDelta, "query.lookback_delta")
	c.positive(&q.Timeout, "query.timeout")
	c.positive(&q.MaxConcurrency, "query.max_concurrency")
	c.positive(&q.MaxSamples, "query.max_samples")
	c.positive(&q.MaxMemory, "query.max_memory")
	c.notNegative(&q.MaxResultSeries, "query.max_result_series")
	c.notNegative(&q.MaxResultSize, "query.max_result_size")
	c.positive(&q.MaxQueryLength, "query.max_query_length")
	c.positive(&q.MaxNesting, "query.max_nesting")
	c.positive(&q.MaxRegexLength, "query.max_regex_length")
	c.notNegative(&q.Threads, "query.threads")
	for i := range q.EnableFeatures {
		c.oneOf(&q.EnableFeatures[i], fmt.Sprintf("query.enable_features[%d]", i), queryFeatures...)
	}
}

// oneWildcard is what upstream allows of a path with wildcards: stars in the last element.
var oneWildcard = regexp.MustCompile(`^[^*]*(\*[^/]*)?$`)

func (c *checker) ruleFiles() {
	for i := range c.cfg.RuleFiles {
		if f := &c.cfg.RuleFiles[i]; !oneWildcard.MatchString(*f) {
			c.problem(c.at(f), "rule_files[%d]: * may stand in the last part of a path only: %q", i, *f)
		}
	}
}

func (c *checker) global(g *Global) {
	for _, v := range []struct {
		value *Duration
		name  string
		def   Duration
	}{
		{&g.ScrapeInterval, "scrape_interval", Duration(time.Minute)},
		{&g.EvaluationInterval, "evaluation_interval", Duration(time.Minute)},
		{&g.ResolveTimeout, "resolve_timeout", Duration(5 * time.Minute)},
	} {
		if *v.value == 0 { // as upstream: nothing said
			*v.value = v.def
		}
	}
	switch {
	case !c.set(&g.ScrapeTimeout) || g.ScrapeTimeout == 0:
		g.ScrapeTimeout = min(Duration(10*time.Second), g.ScrapeInterval)
	case g.ScrapeTimeout > g.ScrapeInterval:
		c.problem(c.at(&g.ScrapeTimeout), "global.scrape_timeout: %s is longer than the scrape_interval of %s", g.ScrapeTimeout, g.ScrapeInterval)
	}
	for _, name := range sortedKeys(g.ExternalLabels) {
		if !nameIsValid(name) || name == model.MetricNameLabel {
			c.problem(c.at(placeKey{&g.ExternalLabels, name}, &g.ExternalLabels), "global.external_labels: %q cannot be the name of a label", name)
		}
	}
	for i := range g.EnableFeatures {
		c.oneOf(&g.EnableFeatures[i], fmt.Sprintf("global.enable_features[%d]", i), scrapeFeatures...)
	}
	c.cfg.protocolsSet, c.cfg.extraSet = len(g.ScrapeProtocols) > 0, c.set(&g.ExtraScrapeMetrics)
	g.ScrapeProtocols = c.protocols(&g.ScrapeProtocols, "global.scrape_protocols", DefaultScrapeProtocols())
	c.limits("global", &g.SampleLimit, &g.LabelLimit, &g.LabelNameLengthLimit, &g.LabelValueLengthLimit, &g.TargetLimit, &g.KeepDroppedTargets)
}

// limits checks the limits that global and jobs share, in the order of the structs.
func (c *checker) limits(path string, values ...*int) {
	for i, name := range []string{"sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit", "target_limit", "keep_dropped_targets"} {
		c.notNegative(values[i], path+"."+name)
	}
}

func (c *checker) notNegative(value any, name string) {
	if n, text := number(value); n < 0 {
		c.problem(c.at(value), "%s: must not be negative, got %s", name, text)
	}
}

func (c *checker) positive(value any, name string) {
	if n, text := number(value); n <= 0 {
		c.problem(c.at(value), "%s: must be more than 0, got %s", name, text)
	}
}

// number returns what value points to, and how messages show it.
func number(value any) (int64, string) {
	switch v := value.(type) {
	case *Duration:
		return int64(*v), v.String()
	case *Size:
		return int64(*v), v.String()
	case *int:
		return int64(*v), strconv.Itoa(*v)
	}
	panic("config: not a number")
}

func (c *checker) oneOf(value *string, name string, allowed ...string) {
	if !slices.Contains(allowed, *value) {
		c.problem(c.at(value), "%s: want one of %s, got %q", name, strings.Join(allowed, ", "), *value)
	}
}

func (c *checker) regex(value *string, name string) {
	if _, err := regexp.Compile(*value); err != nil {
		c.problem(c.at(value), "%s: bad regular expression: %s", name, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
