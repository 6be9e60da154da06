package config

import (
	"time"

	"github.com/prometheus/common/model"
)

// DefaultListen is the address hearth serves on when nothing else is said.
const DefaultListen = "127.0.0.1:9090"

// DefaultScrapeProtocols is what a scrape asks for when the configuration does not say: the formats hearth reads,
// best first, by upstream's names.
func DefaultScrapeProtocols() []string {
	return []string{"OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"}
}

// ProtobufFirst is what a scrape that is to have native histograms asks for when the configuration does not say.
func ProtobufFirst() []string {
	return append([]string{"PrometheusProto"}, DefaultScrapeProtocols()...)
}

// Default returns the configuration of a hearth without a file: one job, hearth itself, every 15 seconds, so that
// there is something to see soon.
func Default() *Config {
	c := newConfig()
	c.builtIn = true
	c.Global.ScrapeInterval, c.Global.EvaluationInterval = Duration(15*time.Second), Duration(15*time.Second)
	s := &Scrape{JobName: "hearth", StaticConfigs: []*TargetGroup{{Targets: []string{selfTarget(DefaultListen)}}}}
	s.setDefaults()
	c.ScrapeConfigs = []*Scrape{s}
	l := newLoader()
	c.Dir = l.dir("")
	(&checker{report: &l.report, cfg: c, places: map[any]Pos{}}).check()
	return c
}

// newConfig returns a configuration with the defaults of what stands outside of lists.
func newConfig() *Config {
	const second, minute, day = Duration(time.Second), Duration(time.Minute), Duration(24 * time.Hour)
	return &Config{
		Server: Server{
			Listen:          DefaultListen,
			RemoteWrite:     true,
			CORSOrigin:      ".*",
			MaxConnections:  512,
			ReadTimeout:     5 * minute,
			MaxRequestBytes: 32 << 20,
			ShutdownTimeout: 10 * second,
		},
		Log:     Log{Level: "info", Format: "text"},
		Storage: Storage{Path: "data", Sync: "200ms", Retention: Retention{Time: 15 * day}, Ballast: 64 << 20, MaxExemplars: 100_000, MaxMetadata: 50_000, MinFree: 64 << 20},
		Query: Query{
			LookbackDelta:  5 * minute,
			Timeout:        2 * minute,
			MaxConcurrency: 20,
			MaxSamples:     50_000_000,
			MaxMemory:      1 << 30,
			MaxQueryLength: 256 << 10,
			MaxNesting:     1000,
			MaxRegexLength: 64 << 10,
			EnableFeatures: []string{},
		},
		Plugins: Plugins{Memory: 512 << 20},
		Global: Global{
			ScrapeInterval:     minute,
			ScrapeTimeout:      10 * second,
			EvaluationInterval: minute,
			ResolveTimeout:     5 * minute,
			EnableFeatures:     []string{},
		},
	}
}

func (s *Scrape) setDefaults() {
	s.MetricsPath = "/metrics"
	s.Scheme = "http"
	s.HonorTimestamps = true
	s.EnableCompression = true
	s.HTTPClient.setDefaults()
}

func (h *HTTPClient) setDefaults() {
	h.FollowRedirects = true
	h.EnableHTTP2 = true
}

func (a *Authorization) setDefaults() { a.Type = "Bearer" }

func (f *FileSD) setDefaults() { f.RefreshInterval = Duration(5 * time.Minute) }

func (n *Notifier) setDefaults() {
	n.SendResolved = true
	n.Timeout = Duration(10 * time.Second)
}

// inherit fills what a job leaves to the global table.
func (s *Scrape) inherit(g *Global) {
	if s.ScrapeInterval == 0 {
		s.ScrapeInterval = g.ScrapeInterval
	}
	if s.ScrapeTimeout == 0 {
		s.ScrapeTimeout = min(g.ScrapeTimeout, s.ScrapeInterval)
	}
	for _, o := range []struct {
		own    **bool
		global bool
	}{
		{&s.ScrapeNativeHistograms, g.ScrapeNativeHistograms},
		{&s.AlwaysScrapeClassicHistograms, g.AlwaysScrapeClassicHistograms},
		{&s.ConvertClassicHistogramsToNHCB, g.ConvertClassicHistogramsToNHCB},
		{&s.ExtraScrapeMetrics, g.ExtraScrapeMetrics},
	} {
		if *o.own == nil {
			*o.own = &o.global
		}
	}
	if len(s.ScrapeProtocols) == 0 {
		s.ScrapeProtocols = g.ScrapeProtocols
	}
	if s.BodySizeLimit == 0 {
		s.BodySizeLimit = g.BodySizeLimit
	}
	for _, l := range []struct {
		own    *int
		global int
	}{
		{&s.SampleLimit, g.SampleLimit},
		{&s.LabelLimit, g.LabelLimit},
		{&s.LabelNameLengthLimit, g.LabelNameLengthLimit},
		{&s.LabelValueLengthLimit, g.LabelValueLengthLimit},
		{&s.TargetLimit, g.TargetLimit},
		{&s.KeepDroppedTargets, g.KeepDroppedTargets},
	} {
		if *l.own == 0 {
			*l.own = l.global
		}
	}
}

// nameIsValid tells whether name can be a label's: any UTF-8 that is not empty, as upstream.
func nameIsValid(name string) bool { return model.UTF8Validation.IsValidLabelName(name) }
