package config

import (
	"fmt"
	"slices"
	"strings"
)

// queryFeatures is what of the query language is off unless asked for. core/promql has the same list.
var queryFeatures = []string{
	"promql-binop-fill-modifiers", "promql-delayed-name-removal", "promql-duration-expr", "promql-experimental-functions",
	"promql-extended-range-selectors", "promql-per-step-stats", "use-start-timestamps",
}

// The features of scraping: what of it is off unless asked for.
const (
	FeatureZeroStarts  = "created-timestamp-zero-ingestion" // where a series starts, it gets a sample of 0
	FeatureStarts      = "st-storage"                       // start timestamps are stored with samples
	FeatureTypeAndUnit = "type-and-unit-labels"             // series have labels __type__ and __unit__
	FeatureOpenMetrics = "openmetrics2"                     // OpenMetrics 2.0 is read
)

var scrapeFeatures = []string{FeatureZeroStarts, FeatureOpenMetrics, FeatureStarts, FeatureTypeAndUnit}

// settled are features of Prometheus that need no switch here, and why.
var settled = map[string]string{
	"native-histograms":     "it switches nothing on; set scrape_native_histograms",
	"ooo-native-histograms": "it switches nothing on; native histograms are taken out of order as other samples are",
	"zstd-scrape":           "it switches nothing on; zstd is always asked for",
}

// EnableFeatures adds names of a comma-separated list to the enable_features of [query] and [global], as --enable-feature
// of Prometheus does. As there, a name that is not known is a warning.
func (c *Config) EnableFeatures(list string) {
	for name := range strings.SplitSeq(list, ",") {
		why, isSettled := settled[name]
		switch {
		case name == "":
		case slices.Contains(queryFeatures, name):
			c.Query.EnableFeatures = append(c.Query.EnableFeatures, name)
		case slices.Contains(scrapeFeatures, name):
			c.Global.EnableFeatures = append(c.Global.EnableFeatures, name)
		case name == "extra-scrape-metrics":
			c.extraScrapeMetrics()
			c.Warnings = append(c.Warnings, fmt.Sprintf("--enable-feature %s: it is the default of extra_scrape_metrics from now on; set that instead", name))
		case isSettled:
			c.Warnings = append(c.Warnings, fmt.Sprintf("--enable-feature %s: %s", name, why))
		default:
			c.Warnings = append(c.Warnings, fmt.Sprintf("--enable-feature %s: hearth has no feature of this name to switch on", name))
		}
	}
	c.protobufFirst()
}

// Has tells whether a feature of scraping is on.
func (g *Global) Has(feature string) bool { return slices.Contains(g.EnableFeatures, feature) }

// protobufFirst makes protobuf the first format that is asked for, where no file says which, if start timestamps are
// wanted: of the formats that have them it is the cheapest.
func (c *Config) protobufFirst() {
	if c.protocolsSet || !c.Global.Has(FeatureStarts) && !c.Global.Has(FeatureZeroStarts) {
		return
	}
	c.Global.ScrapeProtocols = ProtobufFirst()
	for _, s := range c.ScrapeConfigs {
		if !s.protocolsSet {
			s.ScrapeProtocols = ProtobufFirst()
		}
	}
}

// extraScrapeMetrics makes true the default of extra_scrape_metrics.
func (c *Config) extraScrapeMetrics() {
	if c.extraSet {
		return
	}
	c.Global.ExtraScrapeMetrics = true
	for _, s := range c.ScrapeConfigs {
		if !s.extraSet {
			s.ExtraScrapeMetrics = new(true)
		}
	}
}
