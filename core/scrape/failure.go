package scrape

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/storage"
)

// Why a scrape failed: the values of the label reason of hearth_scrape_failures_total.
const (
	failConnect     = "connect"      // no answer, or it broke off
	failTimeout     = "timeout"      // no complete answer in time
	failStatus      = "status"       // an answer other than 200
	failEncoding    = "encoding"     // a compression that is unknown or damaged
	failBodySize    = "body_size"    // body_size_limit
	failContentType = "content_type" // not an exposition format
	failParse       = "parse"        // not an exposition
	failLabels      = "labels"       // a series with labels that cannot be stored
	failSampleLimit = "sample_limit"
	failLabelLimit  = "label_limit"
	failBucketLimit = "bucket_limit" // native_histogram_bucket_limit
	failTargetLimit = "target_limit"
	failPlugin      = "plugin"  // an error of the exporter plugin
	failStorage     = "storage" // read, but not stored
)

var failures = []string{failConnect, failTimeout, failStatus, failEncoding, failBodySize, failContentType, failParse,
	failLabels, failSampleLimit, failLabelLimit, failBucketLimit, failTargetLimit, failPlugin, failStorage}

// failure is why a scrape failed, for users and for counting.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

func failf(reason, format string, args ...any) error {
	return &failure{reason, fmt.Errorf(format, args...)}
}

// reasonOf returns the reason of a failure.
func reasonOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return failConnect
}

// brokenOff makes a failure of an error that ended an exchange with a target.
func brokenOff(ctx context.Context, reason string, t *target, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failf(failTimeout, "no complete answer within the scrape_timeout of %s: %w", model.Duration(t.timeout), err)
	}
	return &failure{reason, err}
}

// refusalOf names the reason for which the storage takes no sample, for the label reason of
// hearth_scrape_samples_dropped_total; empty if err is none, but a failure of the storage.
func refusalOf(err error) string {
	switch {
	case errors.Is(err, storage.ErrOutOfOrder):
		return dropOutOfOrder
	case errors.Is(err, storage.ErrDuplicate):
		return dropDuplicate
	case errors.Is(err, storage.ErrTooOld), errors.Is(err, storage.ErrTooNew):
		return dropOutOfBounds
	case errors.Is(err, storage.ErrLimit):
		return dropLimit
	}
	return ""
}
