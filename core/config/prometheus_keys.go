package config

import "maps"

// Reasons for what is lost of a prometheus.yml.
const (
	noExternal  = "hearth sends alerts to its own receivers; sending to other Alertmanagers is not possible yet"
	noSending   = "hearth does not send samples to other servers yet"
	noReading   = "hearth does not query other servers"
	noTracing   = "hearth writes no traces"
	noOTLP      = "hearth does not receive OTLP yet"
	noLegacy    = "hearth takes every UTF-8 name"
	noFailLog   = "hearth shows scrape errors on its targets page and keeps no file of them"
	noRef       = "secrets are given as they are or as files; there is no secret manager to ask"
	noDiscovery = "this way of discovery is not built in; its targets are missing"
)

// prometheusKeys are the keys of a prometheus.yml, after github.com/prometheus/prometheus/config at v0.315.0.
// A key that is not listed does not exist upstream either.
var prometheusKeys = map[string]rule{
	"global":              {in: globalKeys},
	"runtime":             {in: map[string]rule{"gogc": {lost: "set GOGC in the environment"}, "log_level": {as: []string{"log", "level"}}}},
	"alerting":            {lost: noExternal},
	"rule_files":          {},
	"scrape_config_files": {},
	"scrape_configs":      {in: scrapeKeys},
	"storage": {in: map[string]rule{
		"tsdb": {in: map[string]rule{
			"out_of_order_time_window": {as: []string{"storage", "out_of_order_time_window"}},
			"retention": {in: map[string]rule{
				"time":       {as: []string{"storage", "retention", "time"}},
				"size":       {as: []string{"storage", "retention", "size"}},
				"percentage": {as: []string{"storage", "retention", "percentage"}},
			}},
			"stale_series_compaction_threshold": {lost: "hearth writes blocks of stale series as of others"},
			"chunk_encoding":                    {lost: "hearth chooses the encoding by what is smallest"},
		}},
		"exemplars": {in: map[string]rule{"max_exemplars": {as: []string{"storage", "max_exemplars"}}}},
	}},
	"tracing":      {lost: noTracing},
	"remote_write": {lost: noSending},
	"remote_read":  {lost: noReading},
	"otlp":         {lost: noOTLP},
}

// sharedKeys are those of global and jobs that hearth has as they are, or that mean nothing to it.
var sharedKeys = with(kept("scrape_native_histograms", "always_scrape_classic_histograms", "convert_classic_histograms_to_nhcb", "extra_scrape_metrics"), map[string]rule{
	"scrape_failure_log_file":       {lost: noFailLog},
	"metric_name_validation_scheme": {lost: noLegacy, unless: "utf8"},
	"metric_name_escaping_scheme":   {lost: noLegacy, unless: "allow-utf-8"},
})

var globalKeys = with(sharedKeys, kept("scrape_interval", "scrape_timeout", "scrape_protocols", "evaluation_interval",
	"rule_query_offset", "query_log_file", "external_labels", "body_size_limit", "sample_limit", "target_limit",
	"label_limit", "label_name_length_limit", "label_value_length_limit", "keep_dropped_targets"))

var scrapeKeys = with(sharedKeys, httpKeys, kept("job_name", "honor_labels", "honor_timestamps", "track_timestamps_staleness",
	"params", "scrape_interval", "scrape_timeout", "scrape_protocols", "fallback_scrape_protocol", "metrics_path",
	"scheme", "enable_compression", "body_size_limit", "sample_limit", "target_limit", "label_limit",
	"label_name_length_limit", "label_value_length_limit", "keep_dropped_targets", "static_configs",
	"file_sd_configs", "relabel_configs", "metric_relabel_configs"),
	kept("native_histogram_bucket_limit", "native_histogram_min_bucket_factor"),
	discoveries("aws", "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "ecs", "elasticache",
		"eureka", "gce", "hetzner", "http", "ionos", "kubernetes", "kuma", "lightsail", "linode", "marathon", "msk",
		"nerve", "nomad", "oci", "openstack", "outscale", "ovhcloud", "puppetdb", "rds", "scaleway", "serverset", "stackit",
		"triton", "uyuni", "vultr"))

var httpKeys = with(kept("proxy_url", "no_proxy", "proxy_from_environment", "follow_redirects", "enable_http2", "http_headers"),
	map[string]rule{
		"basic_auth": {in: with(kept("username", "username_file", "password", "password_file"),
			map[string]rule{"username_ref": {lost: noRef}, "password_ref": {lost: noRef}})},
		"authorization": {in: with(kept("type", "credentials", "credentials_file"),
			map[string]rule{"credentials_ref": {lost: noRef}})},
		"bearer_token":         {as: []string{"authorization", "credentials"}},
		"bearer_token_file":    {as: []string{"authorization", "credentials_file"}},
		"oauth2":               {in: oauth2Keys},
		"tls_config":           {in: tlsKeys},
		"proxy_connect_header": {lost: "headers for a proxy cannot be set yet"},
	})

var oauth2Keys = with(kept("client_id", "client_secret", "client_secret_file", "scopes", "token_url", "endpoint_params", "proxy_url"),
	map[string]rule{
		"tls_config":                  {in: tlsKeys},
		"client_secret_ref":           {lost: noRef},
		"client_certificate_key_id":   {lost: noJWT},
		"client_certificate_key":      {lost: noJWT},
		"client_certificate_key_file": {lost: noJWT},
		"client_certificate_key_ref":  {lost: noJWT},
		"grant_type":                  {lost: noJWT},
		"signature_algorithm":         {lost: noJWT},
		"iss":                         {lost: noJWT},
		"audience":                    {lost: noJWT},
		"claims":                      {lost: noJWT},
		"no_proxy":                    {lost: "inside of oauth2 only proxy_url can be set"},
		"proxy_from_environment":      {lost: "inside of oauth2 only proxy_url can be set"},
		"proxy_connect_header":        {lost: "inside of oauth2 only proxy_url can be set"},
	})

const noJWT = "hearth knows the client credentials grant only"

var tlsKeys = with(kept("ca", "ca_file", "cert", "cert_file", "key", "key_file", "server_name", "insecure_skip_verify", "min_version", "max_version"),
	map[string]rule{"ca_ref": {lost: noRef}, "cert_ref": {lost: noRef}, "key_ref": {lost: noRef}})

// kept returns rules that keep the keys as they are.
func kept(names ...string) map[string]rule {
	m := make(map[string]rule, len(names))
	for _, name := range names {
		m[name] = rule{}
	}
	return m
}

// discoveries returns rules for the kinds of discovery that Prometheus has and hearth has not.
func discoveries(names ...string) map[string]rule {
	m := make(map[string]rule, len(names))
	for _, name := range names {
		m[name+"_sd_configs"] = rule{lost: noDiscovery}
	}
	return m
}

func with(parts ...map[string]rule) map[string]rule {
	m := map[string]rule{}
	for _, p := range parts {
		maps.Copy(m, p)
	}
	return m
}
