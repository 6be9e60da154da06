// Package config is hearth's configuration: what config.toml may say, its defaults, and every problem in it at
// once, each with file, line and column. Key names are upstream's wherever the meaning is the same, so that
// habits and documentation carry over; a prometheus.yml is taken as it is, converted in memory.
//
// The package knows words and values only. What a table means is the business of the part that it configures.
package config

// Config is the whole configuration, valid and with all defaults filled in, as Load returns it.
type Config struct {
	Include     []string `toml:"include"`                      // globs of files that are read as parts of this one; TOML only
	RuleFiles   []string `toml:"rule_files" path:"1"`          // globs of rule files; relative to the configuration file
	ScrapeFiles []string `toml:"scrape_config_files" path:"1"` // globs of files with more [[scrape_configs]]
	Templates   []string `toml:"templates" path:"1"`           // globs of notification templates

	Server  Server  `toml:"server"`
	Log     Log     `toml:"log"`
	Storage Storage `toml:"storage"`
	Query   Query   `toml:"query"`
	Limits  Limits  `toml:"limits"`
	Plugins Plugins `toml:"plugins"`
	Global  Global  `toml:"global"`

	ScrapeConfigs []*Scrape    `toml:"scrape_configs"`
	Functions     []*PluginUse `toml:"functions"` // plugins whose functions queries and rules may call

	Route         *Route          `toml:"route"`
	Receivers     []*Receiver     `toml:"receivers"`
	InhibitRules  []*Inhibit      `toml:"inhibit_rules"`
	TimeIntervals []*TimeInterval `toml:"time_intervals"`

	// Dir is the folder of the file, or the working directory. Load has joined it to every relative path that
	// stands in the file already; defaults are relative to the working directory.
	Dir string `toml:"-"`
	// File is the name the configuration was read from; empty for the built-in default.
	File string `toml:"-"`
	// Warnings tell what of a foreign file could not be carried over, each with its line.
	Warnings []string `toml:"-"`

	builtIn      bool // made by Default
	lifecycleSet bool // server.enable_lifecycle stood in a file
	protocolsSet bool // global.scrape_protocols stood in a file
	extraSet     bool // global.extra_scrape_metrics did
}

// Server is the [server] table: the HTTP side.
type Server struct {
	Listen          string   `toml:"listen"`            // address; default 127.0.0.1:9090
	InsecureListen  bool     `toml:"insecure_listen"`   // allow an address that is not loopback without [server.auth]
	ExternalURL     string   `toml:"external_url"`      // how users reach hearth; in links of alerts
	RoutePrefix     string   `toml:"route_prefix"`      // path before every route; default the path of external_url
	EnableLifecycle bool     `toml:"enable_lifecycle"`  // POST /-/reload and /-/quit; default true on loopback
	EnableAdminAPI  bool     `toml:"enable_admin_api"`  // POST /api/v1/admin/tsdb/…: delete and copy stored data; default false
	RemoteWrite     bool     `toml:"remote_write"`      // accept POST /api/v1/write; default true
	CORSOrigin      string   `toml:"cors_origin"`       // regular expression of origins; default .*
	MaxConnections  int      `toml:"max_connections"`   // at the same time; default 512
	ReadTimeout     Duration `toml:"read_timeout"`      // of a request; default 5m
	MaxRequestBytes Size     `toml:"max_request_bytes"` // of a decompressed request body; default 32MiB
	ShutdownTimeout Duration `toml:"shutdown_timeout"`  // for requests in flight at SIGTERM; default 10s
}

// Log is the [log] table.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn or error; default info
	Format string `toml:"format"` // text or json; default text
}

// Storage is the [storage] table.
type Storage struct {
	Path                 string    `toml:"path" path:"1"`            // data directory; default data
	Retention            Retention `toml:"retention"`                // when the oldest data goes
	Sync                 string    `toml:"sync"`                     // always, off, or the longest time an acknowledged sample may stay unsynced; default 200ms
	OutOfOrderTimeWindow Duration  `toml:"out_of_order_time_window"` // how much older than the newest a sample may be; default 0
	Ballast              Size      `toml:"ballast"`                  // of a file that is given back when the disk is full, at most a fiftieth of the disk; default 64MiB
	MaxExemplars         int       `toml:"max_exemplars"`            // that are kept in all; 0 is none, default 100000
	MaxMetadata          int       `toml:"max_metadata"`             // of what remote write says of metrics, kept in all; 0 is none, default 50000
	MinFree              Size      `toml:"min_free"`                 // of the disk, at most a twentieth of it: below, jobs stop being stored, by priority; default 64MiB
}

// Retention is when the oldest data is dropped; the first limit reached counts.
type Retention struct {
	Time Duration `toml:"time"` // default 15d
	Size Size     `toml:"size"` // of the data directory; 0 is no limit, the default

	Percentage float64            `toml:"percentage"` // as size, but a share of the disk; 0 is no limit, the default
	Series     []*SeriesRetention `toml:"series"`     // shorter times of some
}

// Query is the [query] table: limits of the PromQL engine.
type Query struct {
	LookbackDelta   Duration `toml:"lookback_delta"`    // how far back an instant selector looks; default 5m
	Timeout         Duration `toml:"timeout"`           // of one query; default 2m
	MaxConcurrency  int      `toml:"max_concurrency"`   // queries at the same time; default 20
	MaxSamples      int      `toml:"max_samples"`       // that one query may hold at a time; default 50,000,000
	MaxMemory       Size     `toml:"max_memory"`        // that all queries together may hold, a quarter of it for rules only; default 1GiB
	MaxResultSeries int      `toml:"max_result_series"` // of one result; default 0, no limit
	MaxResultSize   Size     `toml:"max_result_size"`   // samples and labels of one result; default 0, no limit
	MaxQueryLength  Size     `toml:"max_query_length"`  // of the text of one query; default 256KiB
	MaxNesting      int      `toml:"max_nesting"`       // levels of parentheses in a query; default 1000
	MaxRegexLength  Size     `toml:"max_regex_length"`  // of a regular expression in a query; default 64KiB
	Threads         int      `toml:"threads"`           // that large queries share; default 0, as many as there are processors
	EnableFeatures  []string `toml:"enable_features"`   // of the language, by the names Prometheus's --enable-feature has
}

// Plugins is the [plugins] table: where plugins are and what all of them together may use.
type Plugins struct {
	Dir    string `toml:"dir" path:"1"`   // folder with a folder for each plugin; default plugins beside the binary, here empty
	Cache  string `toml:"cache" path:"1"` // folder for compiled modules; default plugin-cache in the data directory, here empty
	Memory Size   `toml:"memory"`         // over all instances; default 512MiB

	Runtime string `toml:"runtime" path:"1"` // folder for sockets and secrets of programs; default the runtime directory of the service, session or machine
}

// Global is the [global] table: defaults for jobs and rules.
type Global struct {
	ScrapeInterval        Duration          `toml:"scrape_interval"`         // default 1m
	ScrapeTimeout         Duration          `toml:"scrape_timeout"`          // default 10s
	EvaluationInterval    Duration          `toml:"evaluation_interval"`     // of rule groups; default 1m
	RuleQueryOffset       Duration          `toml:"rule_query_offset"`       // how far in the past rules are evaluated; default 0
	ScrapeProtocols       []string          `toml:"scrape_protocols"`        // upstream's names, best first; default OpenMetrics before text
	ExternalLabels        map[string]string `toml:"external_labels" env:"1"` // ${NAME} is an environment variable; on alerts and what leaves hearth
	QueryLogFile          string            `toml:"query_log_file" path:"1"` // JSON lines; empty is off
	BodySizeLimit         Size              `toml:"body_size_limit"`         // of a scrape, decompressed; default 0, no limit of the user's
	SampleLimit           int               `toml:"sample_limit"`            // per scrape; 0 is none
	LabelLimit            int               `toml:"label_limit"`
	LabelNameLengthLimit  int               `toml:"label_name_length_limit"`
	LabelValueLengthLimit int               `toml:"label_value_length_limit"`
	TargetLimit           int               `toml:"target_limit"`
	KeepDroppedTargets    int               `toml:"keep_dropped_targets"`
	ResolveTimeout        Duration          `toml:"resolve_timeout"` // for alerts without an end; default 5m

	ScrapeNativeHistograms         bool `toml:"scrape_native_histograms"`           // ask for protobuf first, and keep them
	AlwaysScrapeClassicHistograms  bool `toml:"always_scrape_classic_histograms"`   // beside native ones
	ConvertClassicHistogramsToNHCB bool `toml:"convert_classic_histograms_to_nhcb"` // to native ones with custom buckets
	ExtraScrapeMetrics             bool `toml:"extra_scrape_metrics"`               // scrape_timeout_seconds, scrape_sample_limit, scrape_body_size_bytes

	EnableFeatures []string `toml:"enable_features"` // of scraping, by the names Prometheus's --enable-feature has
}

// Scrape is one of [[scrape_configs]]: a job.
type Scrape struct {
	JobName                  string              `toml:"job_name"`
	ScrapeInterval           Duration            `toml:"scrape_interval"` // default global
	ScrapeTimeout            Duration            `toml:"scrape_timeout"`  // default global, at most the interval
	MetricsPath              string              `toml:"metrics_path"`    // default /metrics
	Scheme                   string              `toml:"scheme"`          // http or https; default http
	Params                   map[string][]string `toml:"params"`
	HonorLabels              bool                `toml:"honor_labels"`
	HonorTimestamps          bool                `toml:"honor_timestamps"` // default true
	TrackTimestampsStaleness bool                `toml:"track_timestamps_staleness"`
	ScrapeProtocols          []string            `toml:"scrape_protocols"` // upstream's names, best first
	FallbackScrapeProtocol   string              `toml:"fallback_scrape_protocol"`
	EnableCompression        bool                `toml:"enable_compression"` // default true

	BodySizeLimit         Size `toml:"body_size_limit"`
	SampleLimit           int  `toml:"sample_limit"`
	LabelLimit            int  `toml:"label_limit"`
	LabelNameLengthLimit  int  `toml:"label_name_length_limit"`
	LabelValueLengthLimit int  `toml:"label_value_length_limit"`
	TargetLimit           int  `toml:"target_limit"`
	KeepDroppedTargets    int  `toml:"keep_dropped_targets"`

	MaxSeries   int    `toml:"max_series"`   // in memory, of the job; default limits.max_series_per_job
	SeriesLimit int    `toml:"series_limit"` // in memory, of each target; default limits.max_series_per_target
	Priority    string `toml:"priority"`     // low, normal or high: who is stored longest when the disk fills up; default normal

	ScrapeNativeHistograms         *bool   `toml:"scrape_native_histograms"` // these four: default global, never nil after Load
	AlwaysScrapeClassicHistograms  *bool   `toml:"always_scrape_classic_histograms"`
	ConvertClassicHistogramsToNHCB *bool   `toml:"convert_classic_histograms_to_nhcb"`
	ExtraScrapeMetrics             *bool   `toml:"extra_scrape_metrics"`
	NativeHistogramBucketLimit     int     `toml:"native_histogram_bucket_limit"`      // resolution is reduced to stay within it; 0 is none
	NativeHistogramMinBucketFactor float64 `toml:"native_histogram_min_bucket_factor"` // resolution is reduced to reach it; 0 is none

	HTTPClient // basic_auth, authorization, tls_config, proxy_url, ... in the job's own table

	StaticConfigs []*TargetGroup `toml:"static_configs"`
	FileSDConfigs []*FileSD      `toml:"file_sd_configs"`

	RelabelConfigs       []*Relabel `toml:"relabel_configs"`
	MetricRelabelConfigs []*Relabel `toml:"metric_relabel_configs"`

	PluginUse // plugin, config, grant: an exporter plugin called where an HTTP GET would be

	protocolsSet bool // scrape_protocols stood in a file
	extraSet     bool // extra_scrape_metrics did
}

// HTTPClient is how a job, or a sender, speaks HTTP. It stands inside the table of what uses it.
type HTTPClient struct {
	BasicAuth            *BasicAuth        `toml:"basic_auth"`
	Authorization        *Authorization    `toml:"authorization"`
	OAuth2               *OAuth2           `toml:"oauth2"`
	TLSConfig            *TLS              `toml:"tls_config"`
	ProxyURL             string            `toml:"proxy_url"`
	NoProxy              string            `toml:"no_proxy"`
	ProxyFromEnvironment bool              `toml:"proxy_from_environment"`
	FollowRedirects      bool              `toml:"follow_redirects"` // default true
	EnableHTTP2          bool              `toml:"enable_http2"`     // default true
	HTTPHeaders          map[string]Header `toml:"http_headers"`
}

// Header is the value of an extra request header.
type Header struct {
	Values  []string `toml:"values"`
	Secrets []Secret `toml:"secrets"`
	Files   []string `toml:"files" path:"1"`
}

// BasicAuth is a name and a password, or files with them.
type BasicAuth struct {
	Username     string `toml:"username"`
	UsernameFile string `toml:"username_file" path:"1"`
	Password     Secret `toml:"password"`
	PasswordFile string `toml:"password_file" path:"1"`
}

// Authorization is an Authorization header; Type defaults to Bearer.
type Authorization struct {
	Type            string `toml:"type"`
	Credentials     Secret `toml:"credentials"`
	CredentialsFile string `toml:"credentials_file" path:"1"`
}

// OAuth2 is the client credentials grant.
type OAuth2 struct {
	ClientID         string            `toml:"client_id"`
	ClientSecret     Secret            `toml:"client_secret"`
	ClientSecretFile string            `toml:"client_secret_file" path:"1"`
	Scopes           []string          `toml:"scopes"`
	TokenURL         string            `toml:"token_url"`
	EndpointParams   map[string]string `toml:"endpoint_params"`
	TLSConfig        *TLS              `toml:"tls_config"`
	ProxyURL         string            `toml:"proxy_url"`
}

// TLS is how the other side is checked, and what we show it.
type TLS struct {
	CA                 string `toml:"ca"`
	CAFile             string `toml:"ca_file" path:"1"`
	Cert               string `toml:"cert"`
	CertFile           string `toml:"cert_file" path:"1"`
	Key                Secret `toml:"key"`
	KeyFile            string `toml:"key_file" path:"1"`
	ServerName         string `toml:"server_name"`
	InsecureSkipVerify bool   `toml:"insecure_skip_verify"`
	MinVersion         string `toml:"min_version"` // TLS10 .. TLS13
	MaxVersion         string `toml:"max_version"`
}

// TargetGroup is a list of addresses that share labels.
type TargetGroup struct {
	Targets []string          `toml:"targets"`
	Labels  map[string]string `toml:"labels"`
}

// FileSD reads target groups from JSON or YAML files and follows their changes.
type FileSD struct {
	Files           []string `toml:"files" path:"1"`   // globs
	RefreshInterval Duration `toml:"refresh_interval"` // default 5m
}

// Relabel is one relabelling step; the semantics are the library's.
type Relabel struct {
	SourceLabels []string `toml:"source_labels"`
	Separator    *string  `toml:"separator"` // default ;
	Regex        *string  `toml:"regex"`     // default (.*)
	Modulus      uint64   `toml:"modulus"`
	TargetLabel  string   `toml:"target_label"`
	Replacement  *string  `toml:"replacement"` // default $1
	Action       string   `toml:"action"`      // default replace
}

// PluginUse is one use of a plugin: which, with what settings, and what it may touch.
type PluginUse struct {
	Plugin  string         `toml:"plugin"`  // namespace/name, as hearth/node
	Runtime string         `toml:"runtime"` // wasm, in the sandbox, or native, a program; default wasm if the plugin has it
	Trust   string         `toml:"trust"`   // native: a program of the plugin may run, which its grant does not confine; sha256:DIGEST: that one
	Config  map[string]any `toml:"config"`  // the plugin's own settings
	Grant   Grant          `toml:"grant"`   // what of its requests is allowed; nothing by default
}

// Grant is what the operator lets a plugin do. What its manifest does not ask for it does not get either.
type Grant struct {
	Net     []string          `toml:"net"`            // host:port; ${target} is the address of the call
	Files   []string          `toml:"files" path:"1"` // folders or files it may read
	Statfs  []string          `toml:"statfs"`         // mount points whose size it may ask for; "*" is every one
	Secrets map[string]Secret `toml:"secrets"`        // name to value; the plugin reads /secrets/NAME
	Env     map[string]string `toml:"env"`
}

// Route is the [route] table and its children, as in Alertmanager.
type Route struct {
	Receiver            string    `toml:"receiver"`
	GroupBy             []string  `toml:"group_by"`
	Matchers            []string  `toml:"matchers"` // as severity="page"
	Continue            bool      `toml:"continue"`
	GroupWait           *Duration `toml:"group_wait"`      // default 30s
	GroupInterval       *Duration `toml:"group_interval"`  // default 5m
	RepeatInterval      *Duration `toml:"repeat_interval"` // default 4h
	MuteTimeIntervals   []string  `toml:"mute_time_intervals"`
	ActiveTimeIntervals []string  `toml:"active_time_intervals"`
	Routes              []*Route  `toml:"routes"`
}

// Receiver is one of [[receivers]]: a name and who is told.
type Receiver struct {
	Name      string      `toml:"name"`
	Notifiers []*Notifier `toml:"notifiers"`
}

// Notifier is one way to tell somebody: a notifier plugin and its settings.
type Notifier struct {
	PluginUse
	SendResolved bool     `toml:"send_resolved"` // default true
	Timeout      Duration `toml:"timeout"`       // of one attempt; default 10s
	MaxAlerts    int      `toml:"max_alerts"`    // in one message; 0 is all
}

// Inhibit is one of [[inhibit_rules]]: while the source fires, the target is quiet.
type Inhibit struct {
	Name           string   `toml:"name"`
	SourceMatchers []string `toml:"source_matchers"`
	TargetMatchers []string `toml:"target_matchers"`
	Equal          []string `toml:"equal"`
}

// TimeInterval is a named set of times for routes, as in Alertmanager.
type TimeInterval struct {
	Name          string          `toml:"name"`
	TimeIntervals []TimeRangeSpec `toml:"time_intervals"`
}

// TimeRangeSpec holds Alertmanager's notation of times, checked by its timeinterval package.
type TimeRangeSpec struct {
	Times       []TimeOfDay `toml:"times"`
	Weekdays    []string    `toml:"weekdays"`
	DaysOfMonth []string    `toml:"days_of_month"`
	Months      []string    `toml:"months"`
	Years       []string    `toml:"years"`
	Location    string      `toml:"location"`
}

// TimeOfDay is a span within a day, as 09:00 to 17:00.
type TimeOfDay struct {
	StartTime string `toml:"start_time"`
	EndTime   string `toml:"end_time"`
}
