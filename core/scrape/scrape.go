// Package scrape reads targets on a schedule and writes what they expose into the storage.
//
// The Manager has a pool for each job: it turns the target groups that discovery finds into targets, by
// relabelling, and keeps a loop running for each. A loop wakes at its target's own place in the interval, fetches
// the exposition (over HTTP, or from an exporter plugin: the rest is the same), walks over it and appends one row to
// the target's storage group.
//
// Nearly every line of a scrape is a series that stood at the same place in the scrape before. So a loop keeps a
// page: the lines of the last scrape in their order, by hash, each with the slot of its series. A line where it is
// expected costs a hash and the reading of a number; labels are looked at only when a line is new or has moved.
//
// What the rules mean (labels, limits, staleness, the report series up and its kin) follows upstream, with these
// deviations:
//   - a failed scrape marks all series of the target stale, not only those that stand after the point of failure, and
//     counts none as added;
//   - a metric that a target exposes under the name and labels of a report series (up, scrape_...) is dropped as a
//     duplicate;
//   - of several lines with the same labels the first counts, and each further one is a duplicate, whatever its value;
//   - the series of a job that is taken out of the configuration are marked stale like those of any target that goes;
//   - a target that comes back, or whose settings change, goes on where its predecessor with the same labels ended;
//   - what the storage takes that upstream's would not, such as a timestamp that went back a little, is stored.
package scrape

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/storage"
)

// Options is what a Manager needs.
type Options struct {
	Storage   storage.Writer
	Exemplars storage.ExemplarWriter // nil: exemplars are let go of

	// Collectors opens the exporter plugin of a job. nil if there are no plugins.
	Collectors func(context.Context, config.PluginUse) (Collector, error)

	UserAgent  string                // of requests
	Logger     *slog.Logger          // nil for none
	Registerer prometheus.Registerer // nil for none
}

// Collector is an exporter plugin: what a job calls in place of HTTP. Safe for concurrent use.
type Collector interface {
	// Collect returns an exposition of the target, an address, and its Content-Type; empty means Prometheus text. The
	// body is the caller's.
	Collect(ctx context.Context, target string) (body []byte, contentType string, err error)
	Close() error
}

// The health of a target.
const (
	HealthUnknown = "unknown" // not scraped yet
	HealthUp      = "up"
	HealthDown    = "down"
)

// TargetStatus is a target and how its last scrape went.
type TargetStatus struct {
	Pool       string        // name of the job
	Discovered labels.Labels // before relabelling
	Labels     labels.Labels // that its series carry
	URL        string        // what is asked, or the plugin and the address it is called with

	Health       string
	LastError    string    // empty if the last scrape went well
	LastScrape   time.Time // when it began; zero before the first
	LastDuration time.Duration
	Interval     time.Duration
	Timeout      time.Duration
}

// DroppedTarget is a target that relabelling took out.
type DroppedTarget struct {
	Pool       string
	Discovered labels.Labels
}

// Metadata is what a target says of one of its metrics.
type Metadata struct {
	Target labels.Labels // that its series carry
	Metric string        // name of the family
	Type   string        // counter, gauge, ..., unknown
	Help   string
	Unit   string
}
