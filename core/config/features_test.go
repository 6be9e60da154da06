package config

import (
	"slices"
	"strings"
	"testing"
)

func TestFeatures(t *testing.T) {
	protobuf, text := ProtobufFirst()[0], DefaultScrapeProtocols()[0]
	for _, tt := range []struct {
		name, file, flag string
		query, scrape    []string
		first            string // protocol of the first job
		extra            bool   // extra_scrape_metrics of it
		warning          string
	}{
		{name: "nothing", first: text},
		{name: "names of both kinds", flag: "promql-experimental-functions,openmetrics2,,type-and-unit-labels",
			query: []string{"promql-experimental-functions"}, scrape: []string{"openmetrics2", "type-and-unit-labels"}, first: text},
		{name: "start timestamps ask for protobuf", flag: "st-storage", scrape: []string{"st-storage"}, first: protobuf},
		{name: "so does the file", file: "[global]\nenable_features = [\"created-timestamp-zero-ingestion\"]\n",
			scrape: []string{"created-timestamp-zero-ingestion"}, first: protobuf},
		{name: "not where the file says what to ask for", file: "[global]\nscrape_protocols = [\"" + text + "\"]\n", flag: "st-storage",
			scrape: []string{"st-storage"}, first: text},
		{name: "nor where the job does", file: "[[scrape_configs]]\njob_name = \"a\"\nscrape_protocols = [\"" + text + "\"]\n", flag: "st-storage",
			scrape: []string{"st-storage"}, first: text},
		{name: "extra_scrape_metrics", flag: "extra-scrape-metrics", first: text, extra: true, warning: "extra_scrape_metrics"},
		{name: "extra_scrape_metrics of the job counts", file: "[[scrape_configs]]\njob_name = \"a\"\nextra_scrape_metrics = false\n",
			flag: "extra-scrape-metrics", first: text, warning: "extra_scrape_metrics"},
		{name: "extra_scrape_metrics of the file counts", file: "[global]\nextra_scrape_metrics = false\n",
			flag: "extra-scrape-metrics", first: text, warning: "extra_scrape_metrics"},
		{name: "native histograms", flag: "native-histograms", first: text, warning: "scrape_native_histograms"},
		{name: "what is not known", flag: "time-travel", first: text, warning: "time-travel: hearth has no feature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.file
			if !strings.Contains(file, "job_name") {
				file += "[[scrape_configs]]\njob_name = \"a\"\n"
			}
			c, err := Parse([]byte(file), "config.toml")
			if err != nil {
				t.Fatal(err)
			}
			c.EnableFeatures(tt.flag)
			if !slices.Equal(c.Query.EnableFeatures, tt.query) || !slices.Equal(c.Global.EnableFeatures, tt.scrape) {
				t.Errorf("of queries %q, of scraping %q", c.Query.EnableFeatures, c.Global.EnableFeatures)
			}
			if s := c.ScrapeConfigs[0]; s.ScrapeProtocols[0] != tt.first || *s.ExtraScrapeMetrics != tt.extra {
				t.Errorf("asks for %s first, extra metrics %v", s.ScrapeProtocols[0], *s.ExtraScrapeMetrics)
			}
			if got := strings.Join(c.Warnings, "\n"); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
				t.Errorf("warnings %q, want one with %q", got, tt.warning)
			}
		})
	}
}
